/**
 * ErasedDeeds: what entries did whose payloads an erasure took, as the records tell it that those have left.
 *
 * X1. Such an entry keeps its key and its instant: what a record says was begun under that key is of the entries from then on, until
 *     something else was begun under it. Where none of the run fits, of all of that key: nothing is left out.
 * X2. What is of entries that do not count, or still say it themselves, is not told: a run that continued begins the same keys again.
 */
import type { Placed } from '../../journal/entry.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { MemoryStore, RecordRow } from '../../journal/store.ts'
import type { TimelineEvent } from '../../memory/change.ts'
import { CHANGE_SET_RECORD, type ChangeSetRecord } from '../../memory/change-set.ts'
import { partsOf } from '../../memory/entity.ts'
import type { EffectRecord } from '../effect/ledger.ts'
import type { Part } from './target.ts'

/** Told of each thing, with the position of the last entry that is of it. */
export interface Finding {
  readonly effect: (id: string, position: number) => void
  readonly entity: (one: { readonly type: string; readonly id: string; readonly version: number }, at: number) => void
  readonly set: (set: ChangeSetRecord, position: number) => void
}

interface Begun {
  readonly key: string | undefined
  readonly at: number
  readonly tell: (position: number) => void
}

/** `entries`: all of one run; `counts`: those that are asked about. */
export async function erasedDeeds(
  store: MemoryStore,
  { row: { workspace, id }, entries, counts }: Part,
  finding: Finding,
): Promise<void> {
  const isAsked = (entry: Placed): boolean => entry.payload === null && counts(entry)
  const find = async (of: RegExp, kind: string, begun: (row: RecordRow) => readonly Begun[]): Promise<void> => {
    const own = entries.filter((entry) => of.test(entry.kind))
    if (!own.some(isAsked)) return
    const all: Begun[] = []
    for await (const row of pagesOf(store, workspace, { kind, where: { field: 'run', value: id } }))
      all.push(...begun(row))
    tellEach(own, isAsked, all)
  }
  await find(/^entity\./, 'timeline', (row) => ofLine(row, finding))
  await find(/^(memory|entity)\./, CHANGE_SET_RECORD, ({ data }) => {
    const set = JSON.parse(data) as ChangeSetRecord
    return [{ key: set.source.step, at: set.createdAt, tell: (position) => finding.set(set, position) }]
  })
  await find(/^effect\./, 'effect', ({ data }) => {
    const { id: effect, owner, openedAt } = JSON.parse(data) as EffectRecord
    return [{ key: owner.key, at: openedAt, tell: (position) => finding.effect(effect, position) }]
  })
}

function ofLine(row: RecordRow, { entity }: Finding): Begun[] {
  const { step, version, at } = JSON.parse(row.data) as TimelineEvent
  if (version === undefined) return []
  const owner = row.id.slice(0, row.id.lastIndexOf('/'))
  const one = { ...partsOf(owner)!, version }
  return [{ key: step, at: Date.parse(at), tell: (position) => entity(one, position) }]
}

/** X1, X2. */
function tellEach(entries: readonly Placed[], isAsked: (entry: Placed) => boolean, all: readonly Begun[]): void {
  const begun = Map.groupBy(all, ({ key }) => key)
  for (const [key, own] of Map.groupBy(entries, (entry) => entry.key)) {
    const ones = (begun.get(key) ?? []).toSorted((a, b) => a.at - b.at)
    for (const { at, tell } of ones) {
      const next = ones.find((one) => one.at > at)?.at ?? Infinity
      const fits = own.filter((entry) => entry.at >= at && entry.at < next)
      const last = (fits.length === 0 ? own : fits).findLast(isAsked)
      if (last !== undefined) tell(last.position)
    }
  }
}
