/**
 * The actions of the files connector: read and list, and write, move and remove, which can be taken back.
 */
import { action, ActionError, type Preview } from '@keelson/core'
import { z } from 'zod'
import { valueOf } from '../connect/option.ts'
import { diskFailure, sha256Hex } from '../disk/atomic.ts'
import { blobsOf } from './blobs.ts'
import { Change, findFile, lookForChange, makeChange, undoChange } from './change.ts'
import { listFiles } from './list.ts'
import { FileName, FolderName, rootOf } from './path.ts'

/** Longest text that one action takes or gives, in UTF-16 code units: larger content goes by `sha256`. */
const TEXT_MAX = 500_000

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'is 64 lower-case hex digits')
const Kept = z.object({ path: z.string(), sha256: Sha256, size: z.number().int() })

const rootFrom = (config: unknown): string => valueOf<string>(config, 'files.connect({ root })')

export const read = action({
  name: 'files.read',
  title: 'Read a file',
  effect: 'read',
  outgoing: false,
  input: z.object({
    path: FileName,
    /** 'base64' gives the bytes of any file; 'text' (the default) refuses what is not UTF-8. */
    as: z.enum(['text', 'base64']).optional(),
  }),
  /** null where there is no such file. */
  output: Kept.extend({ content: z.string() }).nullable(),
  simulate({ path, as }, { effects }) {
    for (const { action: name, input } of [...effects].reverse()) {
      const done = input as { path?: string; text?: string; from?: string }
      if (done.from === path || (name === 'files.remove' && done.path === path)) return null
      if (done.path !== path || done.text === undefined) continue
      const bytes = Buffer.from(done.text)
      const content = as === 'base64' ? bytes.toString('base64') : done.text
      return { path, sha256: sha256Hex(done.text), size: bytes.length, content }
    }
    return undefined
  },
  async run({ path, as }, { config }) {
    const found = await findFile(await rootOf(rootFrom(config)), path)
    if (found === undefined) return { output: null }
    const { bytes, sha256 } = found
    const content = as === 'base64' ? bytes.toString('base64') : utf8(bytes, path)
    if (content.length > TEXT_MAX)
      throw final(`${JSON.stringify(path)} is too large to pass on (${bytes.length} bytes)`)
    return { output: { path, sha256, size: bytes.length, content } }
  },
})

export const list = action({
  name: 'files.list',
  title: 'List files',
  effect: 'read',
  outgoing: false,
  input: z.object({
    /** Below this folder, at any depth; the whole root if left out. */
    folder: FolderName.optional(),
    /** Sorted by name; `limit` at most (1,000 if left out), beginning after this name. */
    after: z.string().optional(),
    limit: z.number().int().min(1).max(1000).optional(),
  }),
  output: z.object({ files: z.array(z.object({ path: z.string(), size: z.number().int() })), more: z.boolean() }),
  async run(input, { config }) {
    return { output: await listFiles(await rootOf(rootFrom(config)), input) }
  },
})

const Write = z.union([
  z.strictObject({
    path: FileName,
    text: z.string().max(TEXT_MAX),
    /** Write only while the file still has this sha-256; null: only while there is none. */
    expect: Sha256.nullable().optional(),
  }),
  z.strictObject({
    path: FileName,
    /** Bytes kept with `blobsOf(root).put`. */ sha256: Sha256,
    expect: Sha256.nullable().optional(),
  }),
])
type Write = z.output<typeof Write>

export const write = action({
  name: 'files.write',
  title: 'Write a file',
  effect: 'reversible',
  idempotency: { by: 'id' },
  input: Write,
  output: Kept,
  undo: Change,
  timeout: '60s',
  classify: diskFailure,
  preview: async (input, { config }): Promise<Preview> =>
    'text' in input
      ? { kind: 'text', ...(await textBefore(config, input.path)), after: `${input.path}\n\n${input.text}` }
      : fields([
          ['File', input.path],
          ['Content', `sha-256 ${input.sha256}`],
        ]),
  simulate: (input) =>
    'text' in input
      ? { path: input.path, sha256: sha256Hex(input.text), size: Buffer.byteLength(input.text) }
      : { path: input.path, sha256: input.sha256, size: 0 },
  async run(input, { key, signal, config }) {
    const undo = await makeChange(rootFrom(config), { key, signal }, (root) => planWrite(root, input))
    return { output: await written(rootFrom(config), undo), undo }
  },
  reconcile: async (_input, { key, config }) => {
    const undo = await lookForChange(rootFrom(config), key)
    if (undo === 'not-found' || undo === 'unknown') return { state: undo }
    return { state: 'done', output: await written(rootFrom(config), undo), undo }
  },
  compensate: (undo, { signal, config }) => undoChange(rootFrom(config), undo, signal),
})

const Moved = z.object({ from: z.string(), to: z.string() })

export const move = action({
  name: 'files.move',
  title: 'Move a file',
  effect: 'reversible',
  idempotency: { by: 'id' },
  input: z.object({ from: FileName, to: FileName }).refine(({ from, to }) => from !== to, 'moves a file onto itself'),
  output: Moved,
  undo: Change,
  timeout: '60s',
  classify: diskFailure,
  preview: ({ from, to }) => ({ kind: 'fields', rows: [{ label: 'File', before: from, after: to }] }),
  simulate: (input) => input,
  async run(input, { key, signal, config }) {
    const undo = await makeChange(rootFrom(config), { key, signal }, (root) => planMove(root, input))
    return { output: input, undo }
  },
  reconcile: async (input, { key, config }) => {
    const undo = await lookForChange(rootFrom(config), key)
    return undo === 'not-found' || undo === 'unknown' ? { state: undo } : { state: 'done', output: input, undo }
  },
  compensate: (undo, { signal, config }) => undoChange(rootFrom(config), undo, signal),
})

export const remove = action({
  name: 'files.remove',
  title: 'Remove a file',
  effect: 'reversible',
  category: 'deletion',
  idempotency: { by: 'id' },
  input: z.object({ path: FileName }),
  output: z.object({ path: z.string() }),
  undo: Change,
  timeout: '60s',
  classify: diskFailure,
  preview: ({ path }) => ({
    kind: 'fields',
    rows: [{ label: 'File', before: path, after: '(removed; its bytes are kept for undo)' }],
  }),
  simulate: (input) => input,
  async run(input, { key, signal, config }) {
    const undo = await makeChange(rootFrom(config), { key, signal }, (root) => planRemove(root, input.path))
    return { output: input, undo }
  },
  reconcile: async (input, { key, config }) => {
    const undo = await lookForChange(rootFrom(config), key)
    return undo === 'not-found' || undo === 'unknown' ? { state: undo } : { state: 'done', output: input, undo }
  },
  compensate: (undo, { signal, config }) => undoChange(rootFrom(config), undo, signal),
})

async function planWrite(root: string, input: Write): Promise<Change> {
  const prior = await findFile(root, input.path)
  const before = prior?.sha256 ?? null
  if (input.expect !== undefined && input.expect !== before) {
    throw final(`${JSON.stringify(input.path)} is not as it was when this was decided`)
  }
  const blobs = blobsOf(root)
  if (prior !== undefined) await blobs.put(prior.bytes)
  const after = 'text' in input ? await blobs.put(Buffer.from(input.text, 'utf8')) : input.sha256
  if ((await blobs.get(after)) === undefined) throw final(`no bytes are kept under ${after}`)
  return { files: [{ path: input.path, before, after, ...(prior === undefined ? {} : { mode: prior.mode }) }] }
}

async function planMove(root: string, { from, to }: { from: string; to: string }): Promise<Change> {
  const moved = await findFile(root, from)
  if (moved === undefined) throw final(`there is no file ${JSON.stringify(from)}`)
  if ((await findFile(root, to)) !== undefined) throw final(`there is a file ${JSON.stringify(to)} already`)
  const { mode } = moved
  const sha256 = await blobsOf(root).put(moved.bytes)
  return {
    files: [
      { path: to, before: null, after: sha256, mode },
      { path: from, before: sha256, after: null, mode },
    ],
  }
}

async function planRemove(root: string, path: string): Promise<Change> {
  const removed = await findFile(root, path)
  if (removed === undefined) throw final(`there is no file ${JSON.stringify(path)}`)
  return { files: [{ path, before: await blobsOf(root).put(removed.bytes), after: null, mode: removed.mode }] }
}

async function written(folder: string, change: Change): Promise<z.output<typeof Kept>> {
  const file = change.files[0]!
  const bytes = await blobsOf(await rootOf(folder)).get(file.after!)
  return { path: file.path, sha256: file.after!, size: bytes?.length ?? 0 }
}

function utf8(bytes: Buffer, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw final(`${JSON.stringify(path)} is not UTF-8 text; read it as base64`)
  }
}

function fields(rows: [string, string][]): Preview {
  return { kind: 'fields', rows: rows.map(([label, after]) => ({ label, after })) }
}

function final(message: string): ActionError {
  return new ActionError({ class: 'final' }, message)
}

/** What would be overwritten, as far as it is text that a person can read. */
async function textBefore(config: unknown, path: string): Promise<{ before?: string }> {
  const found = await findFile(await rootOf(rootFrom(config)), path)
  if (found === undefined || found.bytes.length > 65_536) return {}
  return { before: `${path}\n\n${utf8(found.bytes, path)}` }
}
