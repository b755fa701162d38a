/**
 * Atomic: files that are either as they were or as they were meant to be, whenever the power fails.
 *
 * D1. A write goes to a temporary file in the same folder, is flushed, renamed over its target, and the folder flushed.
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Failure } from '@keelson/core'

/** The ending of every temporary file. A crash can leave one, until `sweep`; it holds nothing that anybody was promised. */
export const TEMPORARY = '.keelson-tmp'

export interface WriteOptions {
  /** Permission bits; what the process gives new files, if left out. */
  readonly mode?: number | undefined
  /** Called when all is flushed and only the rename is left. A throw leaves the target untouched. */
  readonly before?: () => Promise<void>
}

/** Writes `bytes` to `path` in one step. */
export async function writeAtomic(path: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<void> {
  const folder = dirname(path)
  const temporary = join(folder, `${prefixOf(path)}${randomBytes(6).toString('hex')}${TEMPORARY}`)
  try {
    const file = await open(temporary, 'wx', options.mode)
    try {
      await file.writeFile(bytes)
      if (options.mode !== undefined) await file.chmod(options.mode)
      await file.sync()
    } finally {
      await file.close()
    }
    await options.before?.()
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
  await syncFolder(folder)
}

/** Removes what writes to `path` left behind when they were cut short. Only for whoever keeps others from writing there. */
export async function sweep(path: string): Promise<void> {
  const own = prefixOf(path)
  const names = await readdir(dirname(path)).catch(() => [])
  const left = names.filter(
    (name) => name.startsWith(own) && /^[0-9a-f]{12}\.keelson-tmp$/.test(name.slice(own.length)),
  )
  for (const name of left) await unlink(join(dirname(path), name)).catch(() => undefined)
}

function prefixOf(path: string): string {
  return `.${basename(path).slice(0, 100)}.`
}

/** Flushes the names in a folder. Where the system cannot (Windows), the rename alone has to do. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined)
  if (handle === undefined) return
  try {
    await handle.sync()
  } catch (error) {
    if (!['EINVAL', 'EPERM', 'EISDIR', 'ENOTSUP'].includes(errorCode(error) ?? '')) throw error
  } finally {
    await handle.close()
  }
}

/** Makes a folder and those above it, and flushes what was made. */
export async function ensureFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true })
  if (first === undefined) return
  for (let at = path; at.length >= first.length; at = dirname(at)) await syncFolder(dirname(at))
}

/** The bytes of a file, undefined where there is none. */
export async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** sha-256 as 64 lower-case hex digits: safe as a file name on every system. */
export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The system's code of an error: ENOENT, EEXIST … */
export function errorCode(error: unknown): string | undefined {
  const code: unknown = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

/** What a failure of the disk means for an action that may be tried again. */
export function diskFailure(error: unknown): Failure | undefined {
  const code = errorCode(error)
  if (['EACCES', 'EPERM', 'EROFS', 'ENAMETOOLONG', 'EISDIR', 'ENOTDIR'].includes(code ?? '')) return { class: 'final' }
  return code !== undefined || (error as Error | undefined)?.name === 'AbortError' ? { class: 'retry' } : undefined
}
