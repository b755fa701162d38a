/**
 * Change: what a write to the file tree is, forwards and backwards: for each file, its bytes before and after by hash.
 *
 * C1. Before the first file changes, the prior bytes are kept as a blob and the change is noted under the effect's key.
 *     A second try under that key finds the note and finishes or confirms the same change.
 * C2. A file is only replaced while it holds what the change says it held. A person's edit in between is never lost.
 * C3. Undo is the same change the other way round, under the same rule.
 */
import { constants } from 'node:fs'
import { lstat, readFile, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ActionError } from '@keelson/core'
import { z } from 'zod'
import { ensureFolder, errorCode, readIfThere, sha256Hex, sweep, syncFolder, writeAtomic } from '../disk/atomic.ts'
import { withLock } from '../disk/lock.ts'
import { blobsOf } from './blobs.ts'
import { locate, OWN_FOLDER, rootOf } from './path.ts'

/** The largest file that is read or kept for undo. */
export const SIZE_MAX = 64 * 1024 * 1024

const FileChange = z.object({
  path: z.string(),
  /** sha-256 in hex; null for no file. */
  before: z.string().nullable(),
  after: z.string().nullable(),
  /** Permission bits for both ways. */
  mode: z.number().optional(),
})
type FileChange = z.output<typeof FileChange>

/** An undo token of the files connector. */
export const Change = z.object({ files: z.array(FileChange) })
export type Change = z.output<typeof Change>

export interface Found {
  readonly sha256: string
  readonly bytes: Buffer
  readonly mode: number
}

/** The file of a name below a root, undefined where there is none. Throws `final` for anything but a plain file. */
export async function findFile(root: string, name: string): Promise<Found | undefined> {
  const path = await locate(root, name)
  try {
    const stat = await lstat(path)
    if (!stat.isFile()) throw final(`${JSON.stringify(name)} is no plain file`)
    if (stat.size > SIZE_MAX) throw final(`${JSON.stringify(name)} is larger than ${SIZE_MAX} bytes`)
    const bytes = await readFile(path, { flag: constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) })
    return { bytes, sha256: sha256Hex(bytes), mode: stat.mode & 0o777 }
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return undefined
    throw error
  }
}

/** Plans a change with `plan` and makes it, or finishes or confirms the one that an earlier try under `key` planned. */
export async function makeChange(
  folder: string,
  use: { key: string; signal: AbortSignal },
  plan: (root: string) => Promise<Change>,
): Promise<Change> {
  const root = await rootOf(folder)
  return locked(root, use.signal, async () => {
    const noted = await noteOf(root, use.key)
    if (noted !== undefined) {
      await apply(root, noted, 'the file changed between two tries of this effect')
      return noted
    }
    const change = await plan(root)
    await note(root, use.key, change)
    await apply(root, change, 'the file changed just now')
    return change
  })
}

/** What became of the change noted under `key`: made, not made, or neither (somebody edited since). */
export async function lookForChange(folder: string, key: string): Promise<Change | 'not-found' | 'unknown'> {
  const root = await rootOf(folder)
  const change = await noteOf(root, key)
  if (change === undefined) return 'not-found'
  const states = await statesOf(root, change)
  if (states.every((state, i) => state === change.files[i]!.after)) return change
  return states.every((state, i) => state === change.files[i]!.before) ? 'not-found' : 'unknown'
}

/** Takes a change back. Does nothing where it is taken back already; throws `final` where a file was edited since. */
export async function undoChange(folder: string, change: Change, signal: AbortSignal): Promise<void> {
  const root = await rootOf(folder)
  const backwards = change.files.map(({ before, after, ...file }) => ({ ...file, before: after, after: before }))
  await locked(root, signal, () => apply(root, { files: backwards }, 'the file was edited since'))
}

async function locked<T>(root: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  await ensureFolder(await locateOwn(root))
  return withLock(join(root, OWN_FOLDER, 'files'), signal, work)
}

/** The connector's own folder, which must not lead elsewhere either. */
async function locateOwn(root: string): Promise<string> {
  const path = join(root, OWN_FOLDER)
  const found = await lstat(path).catch(() => undefined)
  if (found !== undefined && !found.isDirectory()) throw final(`${OWN_FOLDER} in the root is no folder`)
  return path
}

async function apply(root: string, change: Change, edited: string): Promise<void> {
  const states = await statesOf(root, change)
  for (const [i, { path, before, after }] of change.files.entries()) {
    if (states[i] === before || states[i] === after) continue
    throw final(`${JSON.stringify(path)}: ${edited}`, { path, expected: before, found: states[i] ?? null })
  }
  // What appears comes first, so that a crash within a move leaves the file in two places rather than in none.
  const open = change.files.filter((file, i) => states[i] !== file.after)
  for (const file of open) if (file.after !== null) await put(root, file, file.after)
  for (const file of open) if (file.after === null) await drop(root, file)
}

async function statesOf(root: string, change: Change): Promise<(string | null)[]> {
  return Promise.all(change.files.map(async ({ path }) => (await findFile(root, path))?.sha256 ?? null))
}

async function put(root: string, file: FileChange, sha256: string): Promise<void> {
  const bytes = await blobsOf(root).get(sha256)
  if (bytes === undefined) throw final(`the bytes of ${sha256} are no longer kept`)
  const path = await locate(root, file.path, { make: true })
  await sweep(path)
  const before = (): Promise<void> => assertStill(root, file)
  await writeAtomic(path, bytes, { mode: file.mode, before })
}

async function drop(root: string, file: FileChange): Promise<void> {
  await assertStill(root, file)
  const path = await locate(root, file.path)
  await unlink(path)
  await syncFolder(dirname(path))
}

/** Just before the deed, once more: others who edit files do not know our lock. */
async function assertStill(root: string, { path, before }: FileChange): Promise<void> {
  const found = (await findFile(root, path))?.sha256 ?? null
  if (found !== before)
    throw final(`${JSON.stringify(path)}: the file changed just now`, { path, expected: before, found })
}

function noteAt(root: string, key: string): string {
  return join(root, OWN_FOLDER, 'changes', `${sha256Hex(key)}.json`)
}

async function note(root: string, key: string, change: Change): Promise<void> {
  const path = noteAt(root, key)
  await ensureFolder(dirname(path))
  await sweep(path)
  await writeAtomic(path, Buffer.from(JSON.stringify(change)))
}

async function noteOf(root: string, key: string): Promise<Change | undefined> {
  const bytes = await readIfThere(noteAt(root, key))
  return bytes === undefined ? undefined : Change.parse(JSON.parse(bytes.toString('utf8')))
}

function final(message: string, data: { [key: string]: string | null } = {}): ActionError {
  return new ActionError({ class: 'final' }, message, { data })
}
