/** Upkeep: backups into a folder, one file beside the other, and what lets the oldest of them go. */
import { readdirSync, rmSync, statSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { KeelsonError, type Backup, type BackupRequest } from '@keelson/core/ports'
import type { FileStore } from './file/store.ts'

/** Copies one file of the store, proves the copy, and then lets older copies of it go. */
export async function backUp(store: FileStore, name: string, request: BackupRequest): Promise<Backup> {
  const { folder, at, keep, onProgress } = request
  if (keep !== undefined && (!Number.isInteger(keep) || keep < 1)) throw invalid(`${keep} copies cannot be kept`)
  const file = join(folder, `${name}-${new Date(at).toISOString().replaceAll(/[-:.]/g, '')}.db`)
  const proof = await store.backup(file, onProgress)
  if (keep !== undefined) for (const old of copiesOf(folder, name).slice(0, -keep)) rmSync(join(folder, old))
  return { files: [file], bytes: statSync(file).size, ...proof }
}

/** What the copies of a file begin with. */
export function nameOf(path: string): string {
  return basename(path, extname(path)) || 'store'
}

/** The copies that `backUp` has made of one file, oldest first. No other file of the folder has such a name. */
function copiesOf(folder: string, name: string): string[] {
  return readdirSync(folder)
    .filter((file) => file.startsWith(`${name}-`) && /^\d{8}T\d{9}Z[.]db$/.test(file.slice(name.length + 1)))
    .sort()
}

export function sum(backups: readonly Backup[]): Backup {
  const add = (key: 'bytes' | 'entries' | 'records' | 'runs'): number => backups.reduce((all, one) => all + one[key], 0)
  const files = backups.flatMap((one) => one.files)
  return { files, bytes: add('bytes'), entries: add('entries'), records: add('records'), runs: add('runs') }
}

function invalid(message: string): KeelsonError {
  return new KeelsonError('INPUT_INVALID', message, { hint: 'Keep one or more.' })
}
