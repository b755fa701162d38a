/** sqlite: the store of a host, on one file or on one file per workspace. */
import type { MemoryStore } from '@keelson/core/ports'
import type { BackupProgress } from './file/backup.ts'
import { fileStore } from './file/store.ts'

export interface SqliteOptions {
  /** 'disk' (default): what was answered survives a power cut. 'process': only the death of the process. */
  readonly durability?: 'disk' | 'process'
  /** 'worker' takes the waiting for the disk off the host's event loop. */
  readonly thread?: 'main' | 'worker'
  /** With a file per workspace: how many are open at once, leased ones aside. Default 32. */
  readonly openFiles?: number
}

export interface BackupOptions {
  /** With a file per workspace: whose. */
  readonly workspace?: string
  readonly progress?: (at: BackupProgress) => void
}

export interface SqliteStore extends MemoryStore {
  /** Copies the store to `path` while it is in use, and checks the copy. */
  backup(path: string, options?: BackupOptions): Promise<void>
}

/** The default MemoryStore. All workspaces share the file at `path`, or each has the one that `path` says. */
export function sqlite(path: string | ((workspace: string) => string), options: SqliteOptions = {}): SqliteStore {
  const { durability = 'disk' } = options
  if (typeof path === 'function') throw new Error('not yet')
  const store = fileStore(path, { durability })
  return { ...store, backup: (to, { progress } = {}) => store.backup(to, progress) }
}
