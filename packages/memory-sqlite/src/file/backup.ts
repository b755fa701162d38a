/** Backup: a whole copy of the file while it is written to, which is checked before it counts. */
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { loadDriver, type Handle } from './connection.ts'
import { failure } from './failure.ts'
import { prove, type Proof } from './proof.ts'
import { assertSound } from './sound.ts'

/** How far a backup is, in pages of the file. */
export interface BackupProgress {
  readonly total: number
  readonly remaining: number
}

/** Pages that are copied in one turn of the event loop. */
const PAGES = 256

/** The file at `to` is only replaced by a copy that was found sound, with every row as it was written. */
export function backupTo(handle: Handle, to: string, progress?: (at: BackupProgress) => void): Promise<Proof> {
  return copied(handle, to, prove, progress)
}

/** The same, held to its pages and its indexes alone: rows that were set aside are no reason to refuse what only has to be kept as it is. */
export function copyTo(handle: Handle, to: string): Promise<void> {
  return copied(handle, to, async () => {})
}

async function copied<T>(
  handle: Handle,
  to: string,
  look: (copy: Handle) => Promise<T>,
  progress?: (at: BackupProgress) => void,
): Promise<T> {
  const unfinished = `${to}.unfinished`
  try {
    mkdirSync(dirname(to), { recursive: true })
    remove(unfinished)
    await handle.backup(unfinished, {
      progress({ totalPages, remainingPages }) {
        progress?.({ total: totalPages, remaining: remainingPages })
        return PAGES
      },
    })
    const found = await verify(unfinished, look)
    renameSync(unfinished, to)
    return found
  } catch (error) {
    try {
      remove(unfinished)
    } catch {
      // What is wrong with the place is what is reported.
    }
    throw failure(error, to)
  }
}

async function verify<T>(path: string, look: (copy: Handle) => Promise<T>): Promise<T> {
  const Database = await loadDriver()
  const copy = new Database(path)
  try {
    // One file, without a log beside it.
    copy.pragma('journal_mode = DELETE')
    assertSound(copy, path)
    return await look(copy)
  } finally {
    copy.close()
  }
}

function remove(path: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true })
}
