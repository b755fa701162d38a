/** Compact: a file without its log, and without pages that nothing needs. */
import { statSync } from 'node:fs'
import type { Compacted } from '@keelson/core/ports'
import { patiently, scratchIn, type Handle } from './connection.ts'
import { failure } from './failure.ts'

/** A file is only written anew when this share of it is free: it costs as much again on the disk for the time. */
const WORTHWHILE = 0.1

export async function compact(handle: Handle, path: string): Promise<Compacted> {
  const before = bytesOf(path)
  try {
    handle.pragma('wal_checkpoint(TRUNCATE)')
    const pages = handle.pragma('page_count', { simple: true }) as number
    const free = handle.pragma('freelist_count', { simple: true }) as number
    if (free >= pages * WORTHWHILE && free > 0) {
      await patiently(() => vacuum(handle))
      handle.pragma('wal_checkpoint(TRUNCATE)')
    }
  } catch (error) {
    throw failure(error, path)
  }
  return { before, after: bytesOf(path) }
}

/** Writes a whole copy first, for which memory is no place. */
function vacuum(handle: Handle): void {
  scratchIn(handle, 'file')
  try {
    handle.exec('vacuum')
  } finally {
    scratchIn(handle, 'memory')
  }
}

/** The file and its log. */
export function bytesOf(path: string): number {
  return ['', '-wal'].reduce((sum, suffix) => sum + (statSync(path + suffix, { throwIfNoEntry: false })?.size ?? 0), 0)
}
