/**
 * Counting: what is written down of a run when it settles, of a decision, and of a person's correction, each in its own unit.
 *
 * C1. A run that nobody was asked about costs one record and no look-up, where its playbook does not sort its runs.
 * C2. A count never fails the thing that it counts.
 */
import type { EffectSpec } from '../conductor/effect/spec.ts'
import type { EffectRecord } from '../conductor/effect/ledger.ts'
import type { RevertLine } from '../conductor/revert/line.ts'
import { causeOf, REVERT_PLAYBOOK } from '../conductor/revert/revert.ts'
import { canonicalAround } from '../base/json.ts'
import { fromStored } from '../base/schema.ts'
import type { Json } from '../base/value.ts'
import type { History } from '../journal/fold.ts'
import type { Put } from '../journal/put.ts'
import type { RunRow } from '../journal/store.ts'
import type { AnyPlaybook } from '../playbook/playbook.ts'
import { EFFECT_PLAYBOOK } from '../conductor/effect/hand-over.ts'
import type { Environment } from '../conductor/environment.ts'
import { lookedAt } from '../conductor/looked.ts'
import {
  NOTHING,
  type Correcting,
  type Counted,
  type Deciding,
  type Projections,
  type Settling,
} from '../conductor/projections.ts'
import type { ItemRecord } from '../conductor/item.ts'
import { alertsOf } from './alerts.ts'
import { rollupPut } from './rollup.ts'
import { sortedAs, sortedBy, type Sorted } from './sorting.ts'
import {
  countsOf,
  dayOf,
  isYes,
  mayBeTouched,
  outcomePut,
  touchPut,
  UNTIMED_MS,
  type Outcome,
  type Touch,
} from './row.ts'

const REPEAT_MS = 90 * 86_400_000

export const counting: Projections<Environment> = { settled, decided, corrected }

/** Some of what a real run did was done nowhere, for where its action stands. */
function hasSimulated({ ops }: History): boolean {
  for (const { outcome } of ops.values()) {
    const { receipt } = (outcome?.outcome ?? {}) as { receipt?: { shadow?: boolean } }
    if (receipt?.shadow === true) return true
  }
  return false
}

async function settled(env: Environment, settling: Settling): Promise<Counted> {
  const { row, playbook, history, status } = settling
  if (playbook.name === REVERT_PLAYBOOK) return { puts: await reverted(env, settling) }
  if (playbook.internal && playbook.name !== EFFECT_PLAYBOOK) return NOTHING
  const { start } = history
  const asked = playbook.internal ? (start.input as unknown as EffectSpec) : undefined
  const at = env.clock.now()
  const touches = asked === undefined && mayBeTouched(history) ? await touchesOf(env, row.workspace, row.id) : []
  const outcome: Outcome = {
    run: row.id,
    playbook: asked === undefined ? playbook.name : (asked.playbook.split('@')[0] ?? ''),
    version: row.version,
    status,
    at,
    tookMs: at - row.createdAt,
    ...(asked === undefined ? {} : { of: asked.owner.run }),
    ...(start.shadow === undefined ? {} : { shadow: true }),
    ...(start.shadow === undefined && hasSimulated(history) ? { simulated: true } : baselineOf(playbook, start.input)),
    ...(asked === undefined
      ? await sortedBy(env, row.workspace, playbook, start.input)
      : await sortedLike(env, row.workspace, asked)),
    ...countsOf(history, asked),
    touches: touches.length + history.takeovers,
    takeovers: history.takeovers,
    activeMs: touches.reduce((sum, one) => sum + one.activeMs, history.takeovers * UNTIMED_MS),
  }
  const before = history.reopened ? await settledBefore(env, row.workspace, row.id) : { version: 0, puts: [] }
  const alerts = await alertsOf(env, row.workspace, outcome)
  const puts = [outcomePut(outcome, row.id, before.version + 1), ...before.puts, ...alerts.puts]
  return { puts, ...(alerts.starts === undefined ? {} : { starts: alerts.starts }) }
}

/** An effect's own run is sorted like the run that asked. */
async function sortedLike(env: Environment, workspace: string, { playbook, owner }: EffectSpec): Promise<Sorted> {
  const at = playbook.lastIndexOf('@')
  if (env.catalog.get(playbook.slice(0, at), Number(playbook.slice(at + 1)))?.terms === undefined) return {}
  const [row] = await env.store.runs(workspace, { ids: [owner.run], limit: 1 })
  return sortedAs(env, workspace, row)
}

/** C2. */
function baselineOf({ baseline, input }: AnyPlaybook, given: Json): Pick<Outcome, 'baseline'> {
  if (baseline === undefined) return {}
  try {
    return { baseline: baseline(fromStored(input, canonicalAround(given))) }
  } catch {
    return {}
  }
}

/**
 * A run settles again only when it was reopened: its first settling left a row, and may be in the sums of a day, which are made anew.
 * Where there are none yet, that they are stale is recorded all the same: whoever is just making them meets it.
 */
async function settledBefore(
  env: Environment,
  workspace: string,
  id: string,
): Promise<{ version: number; puts: readonly Put[] }> {
  const [row] = await env.store.records(workspace, { kind: 'outcome', ids: [id], limit: 1 })
  if (row === undefined) return { version: 0, puts: [] }
  const day = dayOf((JSON.parse(row.data) as Outcome).at)
  const [sums] = await env.store.records(workspace, { kind: 'rollup', ids: [day], limit: 1 })
  return { version: row.version, puts: [rollupPut(day, 'stale', (sums?.version ?? 0) + 1)] }
}

/** A person had what runs did taken back: one revert of each run whose effects were. */
async function reverted(env: Environment, { row: { workspace, id }, history }: Settling): Promise<Put[]> {
  const { by, input } = history.start
  const cause = causeOf(input)
  if (by.kind !== 'person' || cause === 'test') return []
  const { lines = [] } = input as unknown as { lines?: readonly RevertLine[] }
  // What only stands in the plan is left, and may be another run's.
  const ids = lines.flatMap((one) => (one.kind === 'effect' && one.can ? [one.id] : []))
  const effects = await env.store.records(workspace, { kind: 'effect', ids, limit: ids.length })
  const runs = [...new Set(effects.map((row) => (JSON.parse(row.data) as EffectRecord).owner.run))].sort()
  const rows = await env.store.records(workspace, { kind: 'outcome', ids: runs, limit: runs.length })
  const undone = effects.map((row) => JSON.parse(row.data) as EffectRecord)
  const puts: Put[] = []
  for (const row of rows) {
    const { run, playbook, terms, status, simulated, baseline } = JSON.parse(row.data) as Outcome
    const touches = await touchesOf(env, workspace, run)
    const lost = status === 'completed' && simulated !== true && !touches.some((one) => one.lost === true)
    const caught = caughtIn(
      touches,
      undone.filter(({ owner }) => owner.run === run),
    )
    const about = {
      ...{ run, playbook, cause },
      ...(terms === undefined ? {} : { terms }),
      ...(lost ? { lost, ...(baseline === undefined ? {} : { baseline }) } : {}),
      ...(caught.length === 0 ? {} : { caught }),
    }
    // Nobody holds a change of mind against it: no intervention, and no time of one.
    const activeMs = cause === 'wrong' ? UNTIMED_MS : 0
    puts.push(touchPut({ kind: 'revert', at: env.clock.now(), by: by.id, activeMs, ...about }, `revert:${id}:${run}`))
  }
  return puts
}

/** Of what was taken back, what a person had let pass, by itself or as a line of a plan, and no revert before has named. */
function caughtIn(touches: readonly Touch[], undone: readonly EffectRecord[]): string[] {
  const gates = touches.filter(isYes)
  const before = new Set(touches.flatMap((one) => one.caught ?? []))
  return undone
    .filter(({ effectRun, plan }) =>
      gates.some(
        (gate) =>
          (plan !== undefined && gate.item === plan) || (effectRun !== undefined && gate.effectRun === effectRun),
      ),
    )
    .map(({ id, generation }) => `${id}:${generation}`)
    .filter((one) => !before.has(one))
}

async function touchesOf(env: Environment, workspace: string, run: string): Promise<Touch[]> {
  const rows = await env.store.records(workspace, { kind: 'touch', where: { field: 'run', value: run }, limit: 500 })
  return rows.map((row) => JSON.parse(row.data) as Touch)
}

async function decided(env: Environment, workspace: string, { item, by, at }: Deciding): Promise<Counted> {
  const looked = lookedAt(item)
  if (looked === undefined) return NOTHING
  const run = item.onBehalfOf ?? item.run
  const [row] = run === '' ? [] : await env.store.runs(workspace, { ids: [run], limit: 1 })
  const touch: Touch = {
    kind: kindOf(item),
    at,
    by: by.id,
    activeMs: looked.opened ? looked.lookedMs : UNTIMED_MS,
    ...(run === '' ? {} : { run }),
    ...(row === undefined || row.playbook.startsWith('keelson.') ? {} : { playbook: row.playbook }),
    ...(await sortedAs(env, workspace, row)),
    ...(item.action === undefined || item.undo === true ? {} : { action: item.action }),
    verdict: looked.verb,
    item: item.id,
    ...(item.onBehalfOf === undefined ? {} : { effectRun: item.run }),
    ...linesOf(item, looked.verb),
    ...(looked.stamp ? { rubber: true } : {}),
    ...(item.shadow === true ? { shadow: true } : {}),
  }
  return { puts: [touchPut(touch, `item:${item.id}:${env.ids.id()}`)] }
}

/** What became of each line of a plan; of one that policy denied, nothing was decided. */
function linesOf({ kind, lines = [], decided }: ItemRecord, verb: string): Pick<Touch, 'lines'> {
  if (kind !== 'plan') return {}
  const { edit } = (decided?.decision ?? {}) as { edit?: { skip?: readonly string[]; inputs?: object } }
  const of = (id: string): NonNullable<Touch['lines']>[number]['verdict'] => {
    if ((verb !== 'approve' && verb !== 'edit') || edit?.skip?.includes(id) === true) return 'reject'
    return Object.hasOwn(edit?.inputs ?? {}, id) ? 'edit' : 'approve'
  }
  return {
    lines: lines.flatMap(({ id, action, denied }) => (denied === undefined ? [{ action, verdict: of(id) }] : [])),
  }
}

function kindOf({ kind, code }: ItemRecord): Touch['kind'] {
  if (code === 'TRUST_AUDIT') return 'audit'
  switch (kind) {
    case 'approval':
    case 'plan':
      return 'gate'
    case 'question':
      return 'question'
    case 'outcome-unknown':
    case 'attention':
      return 'takeover'
    default:
      return kind satisfies never
  }
}

/**
 * A person put a record right that was there: a correction for each playbook whose values it puts right, and a repeated one when its
 * like was needed before. What no run wrote is nobody's.
 */
async function corrected(env: Environment, workspace: string, correcting: Correcting): Promise<Counted> {
  const { type, id, fields, by, at } = correcting
  if (by.kind !== 'person' || fields.length === 0) return NOTHING
  const writers = await writersOf(env, workspace, correcting)
  const puts: Put[] = []
  for (const { row, fields: own } of writers) {
    const touch: Touch = {
      kind: 'correction',
      at,
      by: by.id,
      activeMs: Math.round(UNTIMED_MS / writers.length),
      about: `${type}/${id}`,
      ...(row === undefined ? {} : { run: row.id, playbook: row.playbook }),
      ...(await sortedAs(env, workspace, row)),
      ...((await isRepeated(env, workspace, correcting, own)) ? { repeat: true } : {}),
    }
    const put = touchPut(touch, `correction:${env.ids.id()}`)
    const index = Object.fromEntries(own.map((field) => [mark(type, field), '']))
    puts.push({ ...put, index: { ...put.index, ...index } })
  }
  return { puts }
}

interface Writer {
  /** The last of its runs. */
  readonly row: RunRow | undefined
  readonly fields: readonly string[]
}

/** Whose the fields were: by the playbook of the run that wrote each last. */
async function writersOf(env: Environment, workspace: string, { fields, writers }: Correcting): Promise<Writer[]> {
  const found = new Map<string, Writer>()
  const left = new Set(fields)
  const note = (row: RunRow | undefined, own: readonly string[]): void => {
    if (own.length === 0) return
    const known = found.get(row?.playbook ?? '') ?? { row, fields: [] }
    found.set(row?.playbook ?? '', { row: known.row, fields: [...known.fields, ...own] })
    for (const field of own) left.delete(field)
  }
  for await (const { run, fields: wrote } of writers()) {
    const own = wrote.filter((field) => left.has(field))
    const [row] = own.length === 0 ? [] : await env.store.runs(workspace, { ids: [run], limit: 1 })
    // What takes something back writes only what another had written.
    if (row !== undefined && !row.playbook.startsWith('keelson.')) note(row, own)
    if (left.size === 0) break
  }
  note(undefined, [...left])
  return [...found.values()]
}

/** One of these fields was corrected in a record of the kind before. */
async function isRepeated(
  env: Environment,
  workspace: string,
  { type, at }: Correcting,
  fields: readonly string[],
): Promise<boolean> {
  const before = await Promise.all(
    fields.map((field) => {
      const where = { field: mark(type, field), value: '' }
      return env.store.records(workspace, { kind: 'touch', where, from: at - REPEAT_MS, limit: 1 })
    }),
  )
  return before.some((rows) => rows.length > 0)
}

function mark(type: string, field: string): string {
  return `corrects ${type}.${field}`
}
