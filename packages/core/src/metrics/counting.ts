/**
 * Counting: what is written down of a run when it settles, of a decision, and of a person's correction, each in its own unit.
 *
 * C1. A run that nobody was asked about costs one record and no look-up.
 * C2. A count never fails the thing that it counts.
 */
import type { EffectSpec } from '../conductor/effect/spec.ts'
import type { EffectRecord } from '../conductor/effect/ledger.ts'
import { causeOf, REVERT_PLAYBOOK } from '../conductor/revert/revert.ts'
import type { Put } from '../journal/put.ts'
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
import { countsOf, isYes, mayBeTouched, outcomePut, touchPut, type Outcome, type Touch } from './row.ts'

/** A decision that nobody opened is taken to have cost this much: nothing would flatter. */
const UNOPENED_MS = 15_000
const REPEAT_MS = 90 * 86_400_000

export const counting: Projections<Environment> = { settled, decided, corrected }

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
    ...(playbook.baselineMs === undefined ? {} : { baselineMs: playbook.baselineMs }),
    ...countsOf(history),
    touches: touches.length + history.takeovers,
    activeMs: touches.reduce((sum, one) => sum + one.activeMs, 0),
  }
  const version = history.reopened ? await versionOf(env, row.workspace, row.id) : 0
  const alerts = await alertsOf(env, row.workspace, outcome)
  const puts = [outcomePut(outcome, row.id, version + 1), ...alerts.puts]
  return { puts, ...(alerts.starts === undefined ? {} : { starts: alerts.starts }) }
}

/** A run settles again only when it was reopened: its first settling left a row. */
async function versionOf(env: Environment, workspace: string, id: string): Promise<number> {
  const [row] = await env.store.records(workspace, { kind: 'outcome', ids: [id], limit: 1 })
  return row?.version ?? 0
}

/** A person had what runs did taken back: one revert of each run whose effects were. */
async function reverted(env: Environment, { row: { workspace, id }, history }: Settling): Promise<Put[]> {
  const { by, input } = history.start
  const cause = causeOf(input)
  if (by.kind !== 'person' || cause === 'test') return []
  const { lines = [] } = input as { lines?: readonly { kind?: string; id?: string }[] }
  const ids = lines.flatMap((one) => (one.kind === 'effect' && one.id !== undefined ? [one.id] : []))
  const effects = await env.store.records(workspace, { kind: 'effect', ids, limit: ids.length })
  const runs = [...new Set(effects.map((row) => (JSON.parse(row.data) as EffectRecord).owner.run))].sort()
  const rows = await env.store.records(workspace, { kind: 'outcome', ids: runs, limit: runs.length })
  const undone = effects.map((row) => JSON.parse(row.data) as EffectRecord)
  const puts: Put[] = []
  for (const row of rows) {
    const { run, playbook, status, baselineMs } = JSON.parse(row.data) as Outcome
    const lost = status === 'completed' && baselineMs !== undefined ? { baselineMs } : {}
    const approved = (await touchesOf(env, workspace, run)).filter(isYes).map((one) => one.action)
    const late = undone.some(({ owner, action }) => owner.run === run && approved.includes(action))
    const about = { run, playbook, cause, ...lost, ...(late ? { caught: true } : {}) }
    puts.push(
      touchPut({ kind: 'revert', at: env.clock.now(), by: by.id, activeMs: 0, ...about }, `revert:${id}:${run}`),
    )
  }
  return puts
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
    activeMs: looked.opened ? looked.lookedMs : UNOPENED_MS,
    ...(run === '' ? {} : { run }),
    ...(row === undefined || row.playbook.startsWith('keelson.') ? {} : { playbook: row.playbook }),
    ...(item.action === undefined ? {} : { action: item.action }),
    verdict: looked.verb,
    ...(looked.stamp ? { rubber: true } : {}),
    ...(item.shadow === true ? { shadow: true } : {}),
  }
  return { puts: [touchPut(touch, `item:${item.id}:${env.ids.id()}`)] }
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

/** A person put a record right that was there: a correction, and a repeated one when its like was needed before. */
async function corrected(env: Environment, workspace: string, correcting: Correcting): Promise<Counted> {
  const { type, id, fields, by, at } = correcting
  if (by.kind !== 'person' || fields.length === 0) return NOTHING
  const mark = (field: string): string => `corrects ${type}.${field}`
  const before = await Promise.all(
    fields.map((field) => {
      const where = { field: mark(field), value: '' }
      return env.store.records(workspace, { kind: 'touch', where, from: at - REPEAT_MS, limit: 1 })
    }),
  )
  const touch: Touch = {
    kind: 'correction',
    at,
    by: by.id,
    activeMs: 0,
    about: `${type}/${id}`,
    ...(before.some((rows) => rows.length > 0) ? { repeat: true } : {}),
  }
  const put = touchPut(touch, `correction:${env.ids.id()}`)
  const index = Object.fromEntries(fields.map((field) => [mark(field), '']))
  return { puts: [{ ...put, index: { ...put.index, ...index } }] }
}
