/**
 * TakenBack: what a run has done that was taken back since: effects as their ledger knows it, records by the lines of their histories,
 * memory by its change sets.
 *
 * B1. What has come back, as that which took it back was taken back itself, is not told.
 */
import { actorText } from '../base/actor.ts'
import type { Environment } from '../conductor/environment.ts'
import { readEffects, type EffectRecord } from '../conductor/effect/ledger.ts'
import { undoId } from '../conductor/revert/plan.ts'
import { pagesOf } from '../journal/pages.ts'
import type { EntityChange, TimelineEvent } from '../memory/change.ts'
import { CHANGE_SET_RECORD, writtenIn, type ChangeSetRecord } from '../memory/change-set.ts'

/** What one run, or one person, took back. */
export interface TakenBack {
  /** In words: a run by its id, anybody else by name. */
  readonly by: string
  /** When the last of it was. */
  readonly at: number
  readonly actions: ReadonlySet<string>
  /** Records, as `type/id`, with the version at which each is by that. */
  readonly records: ReadonlyMap<string, number>
  /** Change sets of memory, and how much of it that has changed. */
  readonly sets: readonly string[]
  readonly changes: number
}

type Back = { -readonly [K in keyof TakenBack]: TakenBack[K] } & {
  readonly actions: Set<string>
  readonly records: Map<string, number>
  readonly sets: string[]
}

type Of = (by: string, at: number) => Back

interface At {
  readonly env: Environment
  readonly workspace: string
  readonly run: string
}

/** In the order of taking back. One look-up of each kind for the run, and one for each record that it wrote. */
export async function takenBack(env: Environment, workspace: string, run: string): Promise<TakenBack[]> {
  const all = new Map<string, Back>()
  const of: Of = (by, at) => {
    const found = all.get(by) ?? { by, at, actions: new Set(), records: new Map(), sets: [], changes: 0 }
    all.set(by, found)
    found.at = Math.max(found.at, at)
    return found
  }
  await effectsBack({ env, workspace, run }, of)
  await recordsBack({ env, workspace, run }, of)
  await setsBack({ env, workspace, run }, of)
  return [...all.values()].sort((a, b) => a.at - b.at)
}

async function effectsBack({ env, workspace, run }: At, of: Of): Promise<void> {
  const undone: EffectRecord[] = []
  for await (const { data } of pagesOf(env.store, workspace, { kind: 'effect', where: { field: 'run', value: run } })) {
    const record = JSON.parse(data) as EffectRecord
    if (record.state === 'compensated') undone.push(record)
  }
  const ids = await Promise.all(undone.map((record) => undoId(env, workspace, record)))
  const action = new Map(undone.map((record) => [record.id, record.action]))
  for (const { owner, compensates = '', settledAt, openedAt } of await readEffects(env.store, workspace, ids)) {
    const name = action.get(compensates)
    if (name !== undefined) of(`run ${owner.run}`, settledAt ?? openedAt).actions.add(name)
  }
}

/** Those that a run put back; what a person did is told by its change set. */
async function recordsBack({ env, workspace, run }: At, of: Of): Promise<void> {
  const own = new Map<string, { versions: Set<number>; from: number }>()
  const kind = 'timeline'
  for await (const { id, data } of pagesOf(env.store, workspace, { kind, where: { field: 'run', value: run } })) {
    const { version, at } = JSON.parse(data) as TimelineEvent
    if (version === undefined) continue
    const entity = id.slice(0, id.lastIndexOf('/'))
    const known = own.get(entity) ?? { versions: new Set(), from: Infinity }
    own.set(entity, { versions: known.versions.add(version), from: Math.min(known.from, Date.parse(at)) })
  }
  for (const [entity, { versions, from }] of own) {
    const lines: EntityChange[] = []
    const where = { field: 'change', value: entity }
    for await (const { data } of pagesOf(env.store, workspace, { kind, where, from }))
      lines.push(JSON.parse(data) as EntityChange)
    for (const { run: by, at, version, undoes } of standing(lines)) {
      if (by === undefined || !undoes!.some((one) => versions.has(one))) continue
      const { records } = of(`run ${by}`, Date.parse(at))
      records.set(entity, Math.max(version, records.get(entity) ?? 0))
    }
  }
}

/** Those that take back, and that were not taken back themselves (B1). */
function standing(lines: readonly EntityChange[]): EntityChange[] {
  const undone = new Set<number>()
  return lines
    .toSorted((a, b) => b.version - a.version)
    .filter(({ version, undoes }) => {
      if (undoes === undefined || undone.has(version)) return false
      for (const one of undoes) undone.add(one)
      return true
    })
}

async function setsBack({ env, workspace, run }: At, of: Of): Promise<void> {
  const where = { field: 'run', value: run }
  for await (const { data } of pagesOf(env.store, workspace, { kind: CHANGE_SET_RECORD, where })) {
    const set = JSON.parse(data) as ChangeSetRecord
    const inverse = await inverseOf({ env, workspace }, set)
    if (inverse === undefined) continue
    const { source, decidedBy, decidedAt, createdAt, changes } = inverse
    const by = decidedBy === undefined && source.run !== undefined ? `run ${source.run}` : undefined
    const back = of(by ?? actorText(decidedBy ?? source.by), decidedAt ?? createdAt)
    const written = writtenIn(inverse)
    for (const { id, version } of written) back.records.set(id, Math.max(version, back.records.get(id) ?? 0))
    if (writtenIn(set).length > 0) continue
    back.sets.push(set.id)
    back.changes += changes.length - written.length
  }
}

/** What took it back; undefined of one that stands, or stands again (B1). Sets of earlier releases do not say. */
async function inverseOf(
  at: Omit<At, 'run'>,
  { status, revertedBy }: ChangeSetRecord,
): Promise<ChangeSetRecord | undefined> {
  if (status !== 'reverted' || revertedBy === undefined) return undefined
  const query = { kind: CHANGE_SET_RECORD, ids: [revertedBy], limit: 1 }
  const [row] = await at.env.store.records(at.workspace, query)
  if (row === undefined) return undefined
  const inverse = JSON.parse(row.data) as ChangeSetRecord
  return (await inverseOf(at, inverse)) === undefined ? inverse : undefined
}
