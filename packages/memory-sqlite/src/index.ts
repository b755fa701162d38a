/** @keelson/memory-sqlite: the embedded MemoryStore. */
export { sqlite, type BackupOptions, type SqliteOptions, type SqliteStore } from './sqlite.ts'
export type { BackupProgress } from './file/backup.ts'
