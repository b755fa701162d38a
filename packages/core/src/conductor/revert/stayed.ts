/**
 * Stayed: lines that a revert could not take back although its plan said so: in which item they are put to people, and why.
 *
 * T1. A line stands in one open item: that of the last revert that tried it. Taken back, all of it, by whatever reverts, or declined
 *     by whoever was asked, it leaves that; an item without lines is closed. All of it in the unit that ends the revert.
 */
import type { ErrorCode } from '../../base/errors.ts'
import type { Put } from '../../journal/put.ts'
import type { MemoryStore } from '../../journal/store.ts'
import type { Blocked } from '../../memory/invert.ts'
import { itemHash, itemPut, readItem, type ItemRecord, type Staying } from '../item.ts'
import type { Pass } from '../pass.ts'
import { raise, type Raising } from '../raise.ts'
import type { RevertLine } from './line.ts'

const STAYED_RECORD = 'stayed'

/** What came of one line. */
export interface Came {
  readonly line: RevertLine & { readonly can: true }
  readonly failed: readonly { readonly what: string; readonly why: string; readonly declined?: true }[]
}

/** Key of the operation that takes line `at` back. */
export function keyOf({ kind }: RevertLine, at: number): string {
  return `${{ effect: 'undo', entity: 'restore', memory: 'forget' }[kind]} ${at + 1}`
}

/** What came of the lines of a revert, as far as it has come. */
export function cameOf({ history }: Pass): Came[] {
  const { lines } = history.start.input as unknown as { lines: readonly RevertLine[] }
  return lines.flatMap((line, at): Came[] => {
    const outcome = history.ops.get(keyOf(line, at))?.outcome?.outcome
    if (!line.can || outcome === undefined) return []
    const { error, ok } = outcome
    if (error !== undefined) {
      const declined = error.code === ('ACTION_DECLINED' satisfies ErrorCode)
      return [{ line, failed: [{ what: line.what, why: error.message, ...(declined ? { declined } : {}) }] }]
    }
    const blocked = line.kind === 'memory' ? ((ok ?? []) as unknown as Blocked[]) : []
    const staying = blocked.filter(({ id }) => line.kind === 'memory' && !line.kept.includes(id))
    return [{ line, failed: staying.map(({ id, why }) => ({ what: `${line.what}, ${id}`, why })) }]
  })
}

/** What a line takes back, each by the same name in every plan: of an entity its parts, as another run may have written to others. */
function takenBy(line: Came['line']): string[] {
  if (line.kind === 'effect') return [`effect:${line.id}:${line.generation}`]
  if (line.kind === 'memory') return [`memory:${line.id}`]
  const { refs = {}, aliases = [], without = [] } = line.names ?? {}
  const parts = [
    ...[...Object.keys(line.restore), ...line.drop, ...Object.keys(refs).map((system) => `ref:${system}`)],
    ...(aliases.length + without.length === 0 ? [] : ['names']),
    ...(line.standing === undefined ? [] : ['standing']),
  ]
  return parts.map((part) => partOf(line, part))
}

/** What it has nothing more to say of: what somebody has changed since is theirs. */
function doneBy(line: Came['line']): string[] {
  const own = takenBy(line)
  return line.kind === 'entity' ? [...own, ...line.kept.map((part) => partOf(line, part))] : own
}

function partOf({ type, id }: { readonly type: string; readonly id: string }, part: string): string {
  return `entity:${type}/${id}#${part}`
}

/** T1. What stays is put to people; what somebody declined to take back, that person knows. */
export async function leaving(pass: Pass, came: readonly Came[]): Promise<Put[]> {
  const { env, claimed } = pass.task
  const { workspace } = claimed.row
  const stays = came.flatMap(({ line, failed }): Staying[] =>
    failed.flatMap((one) => (one.declined === true ? [] : [{ ids: takenBy(line), what: one.what, why: one.why }])),
  )
  const raised = stays.length === 0 ? [] : await raise(pass, leftover(stays))
  const own = raised[0]?.id
  const ids = [...new Set(came.flatMap(({ line }) => doneBy(line)))]
  const before = await stayedOf(env.store, workspace, ids)
  const puts: Put[] = [...raised]
  for (const id of ids) {
    const had = before.get(id)
    const version = (had?.version ?? 0) + 1
    if (stays.some((one) => one.ids.includes(id))) puts.push({ kind: STAYED_RECORD, id, version, data: { item: own! } })
    else if (had !== undefined) puts.push({ kind: STAYED_RECORD, id, version, data: null })
  }
  const items = new Set([...before.values()].map(({ item }) => item).filter((item) => item !== own))
  for (const item of items) puts.push(...(await without(env.store, workspace, item, new Set(ids))))
  return puts
}

/** An open item without what is done; without anything, it is closed. */
async function without(store: MemoryStore, workspace: string, id: string, done: ReadonlySet<string>): Promise<Put[]> {
  const found = await readItem(store, workspace, id)
  if (found?.item.state !== 'open') return []
  const stays = (found.item.stays ?? [])
    .map((one) => ({ ...one, ids: one.ids.filter((part) => !done.has(part)) }))
    .filter(({ ids }) => ids.length > 0)
  if (stays.length === 0) return [itemPut({ ...found.item, state: 'withdrawn' }, found.version + 1)]
  const { title, text, hint } = leftover(stays)
  const was = [...(found.item.was ?? []), found.item.hash].slice(-20)
  const item: ItemRecord = { ...found.item, was, stays, title, hint, preview: { kind: 'text', after: text } }
  return [itemPut({ ...item, hash: itemHash(item) }, found.version + 1)]
}

function leftover(stays: readonly Staying[]): Raising & { text: string } {
  const title = `Not all was taken back: ${stays.length === 1 ? stays[0]!.what : `${stays.length} lines stay`}`
  const hint = 'See to what hinders it, then apply a new plan; or dismiss this, and it stays.'
  const lines = stays.map(({ what, why }) => `${what}\n  ${why}`)
  const text = [title, ...lines, hint].join('\n\n')
  return { code: 'REVERT_INCOMPLETE', title, hint, text, allows: ['dismiss'], stays }
}

/** Why lines stayed when they were tried last, where they did. */
export async function whyStayed(
  store: MemoryStore,
  workspace: string,
  line: Came['line'],
): Promise<string | undefined> {
  const own = takenBy(line)
  const whys = new Set<string>()
  for (const item of new Set([...(await stayedOf(store, workspace, own)).values()].map((one) => one.item)))
    for (const { ids, why } of (await readItem(store, workspace, item))?.item.stays ?? [])
      if (ids.some((id) => own.includes(id))) whys.add(why)
  return whys.size === 0 ? undefined : [...whys].join('; ')
}

async function stayedOf(
  store: MemoryStore,
  workspace: string,
  ids: readonly string[],
): Promise<Map<string, { item: string; version: number }>> {
  if (ids.length === 0) return new Map()
  const rows = await store.records(workspace, { kind: STAYED_RECORD, ids, limit: ids.length })
  return new Map(rows.map((row) => [row.id, { ...(JSON.parse(row.data) as { item: string }), version: row.version }]))
}
