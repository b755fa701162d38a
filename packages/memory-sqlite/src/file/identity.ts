/**
 * Identity: tells a store that goes on from a copy of it, and from an older state of it.
 *
 * I1. The file says which inode it was made as. Under another inode it is a copy: a copied file, an opened backup, or a
 *     folder that was moved to another disk. Renaming and moving on one disk keep the inode.
 * I2. A small file beside the store keeps the highest position that was seen. A store below it is older than what has
 *     already happened: somebody put back a backup.
 * I3. Either freezes every workspace in the file until it is adopted; that outlasts restarts.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import type { Opened } from '@keelson/core/ports'
import { allWorkspaces, type Context } from '../sql/context.ts'
import { first, type Work } from '../sql/statement.ts'
import { listMeta, readMeta, writeMeta } from './meta.ts'

type Why = Opened['frozen'][number]['why']

const FROZEN = 'frozen:'

/** The file beside the store that remembers how far it had come. */
export function anchorOf(path: string): string {
  return `${path}-anchor`
}

/** Compares the store with where and how far it was; answers what is frozen. Runs in the transaction that opens it. */
export function* identify(context: Context, path: string): Work<Opened['frozen']> {
  const origin = inode(path)
  const id = yield* readMeta(context.q, 'id')
  if (id === undefined) {
    yield* writeMeta(context.q, 'id', randomUUID())
    yield* writeMeta(context.q, 'origin', origin)
    return []
  }
  const why = yield* strangeness(context, path, id, origin)
  if (why !== undefined) {
    for (const { name } of yield* allWorkspaces(context)) yield* writeMeta(context.q, FROZEN + name, why)
    // From here on it is a store of its own, whose anchor starts anew.
    yield* writeMeta(context.q, 'id', randomUUID())
    yield* writeMeta(context.q, 'origin', origin)
  }
  return (yield* listMeta(context.q, FROZEN)).map(([workspace, why]) => ({ workspace, why: why as Why }))
}

export function* thaw(context: Context, workspace: string): Work<void> {
  yield* writeMeta(context.q, FROZEN + workspace, null)
}

function* strangeness(context: Context, path: string, id: string, origin: string): Work<Why | undefined> {
  const anchor = readAnchor(path)
  const position = yield* lastPosition(context)
  if (anchor?.id === id && position < anchor.position) return 'behind'
  return (yield* readMeta(context.q, 'origin')) === origin ? undefined : 'copy'
}

export function* lastPosition(context: Context): Work<number> {
  return (yield* first(context.q.lastPosition, {}))?.position ?? 0
}

export interface Anchor {
  readonly id: string
  readonly position: number
}

/** Keeps how far the store has come. Failing to is no failure of the store: the anchor before stays. */
export function writeAnchor(path: string, anchor: Anchor): void {
  const file = anchorOf(path)
  try {
    writeFileSync(`${file}.new`, JSON.stringify(anchor))
    renameSync(`${file}.new`, file)
  } catch {
    // A full disk: the next one will do.
  }
}

function readAnchor(path: string): Anchor | undefined {
  try {
    const { id, position } = JSON.parse(readFileSync(anchorOf(path), 'utf8')) as Partial<Anchor>
    return typeof id === 'string' && typeof position === 'number' ? { id, position } : undefined
  } catch {
    return undefined
  }
}

/** Not the device: its number may change whenever a disk is mounted. */
function inode(path: string): string {
  const { ino, birthtimeMs } = statSync(path, { bigint: true })
  return process.platform === 'win32' ? `${birthtimeMs}` : `${ino}`
}
