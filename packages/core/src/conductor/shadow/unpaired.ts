/**
 * Unpaired: what was done, as long as it is the counterpart of nothing; and where what is done and what is proposed meet.
 *
 * U1. It is found by its keys until it is a counterpart: the unit that makes it one ends its record, so that it is one once.
 * U2. Of two units of which neither has seen the other, the second conflicts, is built anew and sees the first: whoever finds nothing
 *     raises the version of each place where the other would look, as it was before the look: what comes in between is a conflict, too.
 *     There are so many places and no more, whatever is about: two acts of different things may share one, and wait for each other once.
 */
import type { Put } from '../../journal/put.ts'
import type { MemoryStore, RecordRow } from '../../journal/store.ts'
import type { EffectRecord } from '../effect/ledger.ts'
import type { Deed } from './acts.ts'
import { keyIndex, rowsNear, type Near } from './keys.ts'

const UNPAIRED = 'unpaired'
const MEETING = 'meeting'
/** Digits of a key that tell a place: 4096 of them. */
const PLACE = 3
const PAGE = 500

interface At {
  readonly store: MemoryStore
  readonly workspace: string
}

/** What was done, and has no counterpart yet. */
export type Unpaired = { readonly row: RecordRow } & ({ readonly deed: Deed } | { readonly effect: EffectRecord })

export function deedRef({ id }: Pick<Deed, 'id'>): string {
  return `deed:${id}`
}

/** Of one generation: another is another act. */
export function effectRef({ id, generation }: Pick<EffectRecord, 'id' | 'generation'>): string {
  return `effect:${id}:${generation}`
}

/** The record by which it is found from now on. */
export async function unpairedPut(
  { store, workspace }: At,
  ref: string,
  keys: readonly string[],
  sort: number,
): Promise<Put> {
  const [row] = await store.records(workspace, { kind: UNPAIRED, ids: [ref], limit: 1 })
  return { kind: UNPAIRED, id: ref, version: (row?.version ?? 0) + 1, data: {}, index: keyIndex(keys), sort }
}

/** U1. */
export function pairedPut({ row: { id, version } }: Unpaired): Put {
  return { kind: UNPAIRED, id, version: version + 1, data: null }
}

/** U2. Asked for before the look for which they are. */
export async function meetingPuts({ store, workspace }: At, keys: readonly string[]): Promise<Put[]> {
  const ids = [...new Set(keys.map((key) => key.slice(0, PLACE)))].sort()
  const rows = await store.records(workspace, { kind: MEETING, ids, limit: ids.length })
  const versions = new Map(rows.map(({ id, version }) => [id, version]))
  return ids.map((id) => ({ kind: MEETING, id, version: (versions.get(id) ?? 0) + 1, data: {} }))
}

/** What shares a key and was done around then; of an effect, what still stands. */
export async function unpairedNear(at: At, keys: readonly string[], near: Near): Promise<Unpaired[]> {
  const rows = await rowsNear(at, UNPAIRED, keys, near)
  const [deeds, effects] = await Promise.all([
    named<Deed>(at, 'deed', rows, deedRef),
    named<EffectRecord>(at, 'effect', rows, effectRef),
  ])
  return rows.flatMap((row): Unpaired[] => {
    const deed = deeds.get(row.id)
    if (deed !== undefined) return [{ row, deed }]
    const effect = effects.get(row.id)
    return effect?.state === 'done' ? [{ row, effect }] : []
  })
}

/** Those that are records of this kind, by the ids of the rows. */
async function named<T>(
  { store, workspace }: At,
  kind: 'deed' | 'effect',
  rows: readonly RecordRow[],
  refOf: (one: T) => string,
): Promise<Map<string, T>> {
  const refs = rows.flatMap(({ id }) => (id.startsWith(`${kind}:`) ? [id.slice(kind.length + 1)] : []))
  const ids = [...new Set(kind === 'deed' ? refs : refs.map((ref) => ref.slice(0, ref.lastIndexOf(':'))))]
  const found = new Map<string, T>()
  for (let from = 0; from < ids.length; from += PAGE) {
    const page = ids.slice(from, from + PAGE)
    for (const row of await store.records(workspace, { kind, ids: page, limit: page.length })) {
      const one = JSON.parse(row.data) as T
      found.set(refOf(one), one)
    }
  }
  return found
}
