/** Import: many memories in units of some hundred, as change sets of one group. */
import { keyedHash, sha256 } from '../../base/hash.ts'
import { canonicalAround } from '../../base/json.ts'
import type { ChangeOp } from '../../memory/change-set.ts'
import type { Imported, ImportItem, WorkspaceMemory } from '../../memory/handle.ts'
import type { Kept } from '../../memory/kept.ts'
import { assertActor, type Desk } from './desk.ts'
import { draftWrite } from './write.ts'

/** One unit: large enough to share a flush, small enough to leave others their turn. */
const UNIT = 500

/** The same `id` goes on with an import that was stopped: what is there already is `known`. */
export async function importAll(
  desk: Desk,
  items: Iterable<ImportItem> | AsyncIterable<ImportItem>,
  options: Options,
): Promise<Imported> {
  return importKept(desk, bare(items), options)
}

type Options = Parameters<WorkspaceMemory['import']>[1]

/** One that is taken over from elsewhere, and what it keeps of what it was there. */
export interface Keeping {
  readonly item: ImportItem
  readonly kept?: Kept
}

async function* bare(items: Iterable<ImportItem> | AsyncIterable<ImportItem>): AsyncGenerator<Keeping> {
  for await (const item of items) yield { item }
}

export async function importKept(
  desk: Desk,
  items: Iterable<Keeping> | AsyncIterable<Keeping>,
  options: Options,
): Promise<Imported> {
  const { by, reason = 'imported', onProgress } = options
  assertActor(by)
  const group = `import_${options.id ?? desk.env.ids.id()}`
  const secret = await desk.env.company(desk.workspace).key()
  const sum = { imported: 0, known: 0, proposed: 0 }
  let part: { readonly op: ChangeOp; readonly kept: Kept | undefined }[] = []
  let parts = 0
  const flush = async (): Promise<void> => {
    if (part.length === 0) return
    const own = part
    const ops = own.map(({ op }) => op)
    part = []
    const ids = `set_${sha256(`${group}/${++parts}`).slice(0, 20)}`
    // A part that holds more than it did is another set; the memories that it had are known by their ids. Its id outlives
    // what it says, and must not tell whether a guess at that is right.
    const says = canonicalAround([ids, ops])
    const set = `set_${keyedHash(secret, says).slice(0, 20)}`
    for (const { status } of await writePart(desk, {
      ops,
      source: { by },
      reason,
      set,
      // An import that was cut off under an earlier release goes on under this one.
      formerly: `set_${sha256(says).slice(0, 20)}`,
      ids,
      group,
      kept: (at) => own[at]?.kept,
    })) {
      if (status === 'applied') sum.imported++
      else sum[status]++
    }
    onProgress?.(sum.imported + sum.known + sum.proposed)
  }
  for await (const { item, kept } of items) {
    part.push({ op: opOf(item), kept })
    if (part.length >= UNIT) await flush()
  }
  await flush()
  desk.env.nudge()
  return { changeSet: group, ...sum }
}

function opOf(item: ImportItem): ChangeOp {
  const { type, ...rest } = item
  return type === 'event' ? { op: 'event', event: rest as never } : { op: 'add', memory: rest }
}

async function writePart(
  desk: Desk,
  given: Parameters<typeof draftWrite>[1],
): Promise<Awaited<ReturnType<typeof draftWrite>>['results']> {
  const { env, workspace } = desk
  let results: Awaited<ReturnType<typeof draftWrite>>['results'] = []
  await env.company(workspace).edit(async () => {
    const drafted = await draftWrite(desk, given)
    results = drafted.results
    if (drafted.puts.length === 0) return undefined
    return {
      drafts: [{ kind: 'memory.changed', data: { by: given.source.by, puts: drafted.puts } }],
      unit: { starts: drafted.starts },
    }
  })
  return results
}
