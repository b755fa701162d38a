/**
 * Digest: what acted by itself, on the rungs 'veto' and 'automatic', in a time: for whoever was not asked.
 *
 * Maintenance puts one into the inbox where there was any, at most once a day: each goes on where the last one ended.
 *
 * D1. What acts by itself is in one of those, and in no other: its time is closed before it is read. Whatever is recorded after that
 *     expects it to be closed, and acts in the time behind it, also where the clock of its process is late.
 */
import { sha256 } from '../../base/hash.ts'
import type { Actor } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import type { Put } from '../../journal/put.ts'
import type { Expect } from '../../journal/store.ts'
import type { EffectRecord } from '../effect/ledger.ts'
import type { Environment } from '../environment.ts'
import { itemPut } from '../item.ts'
import { allOf } from '../shadow/would.ts'
import { iso } from '../waiting.ts'
import { attention, DIGEST } from './record.ts'

export interface DigestLine {
  readonly action: string
  /** If not the default one. */
  readonly account?: string
  readonly segment: string
  readonly rung: 'veto' | 'automatic'
  /** When it was let go; on 'veto' it could be stopped from then on. */
  readonly at: string
  readonly state: 'waiting' | 'done' | 'stopped' | 'failed' | 'taken back'
  readonly run: string
  readonly effect: string
  /** How it is stopped, or taken back; or that it cannot be. */
  readonly undo: string
}

/** What began to act by itself at or after `from`, before `to`. */
export interface TrustDigest {
  readonly from: string
  readonly to: string
  readonly lines: readonly DigestLine[]
}

export interface DigestSpan {
  /** ISO instants; `to`: default now. What is being recorded at `to` itself may be missing yet: only maintenance waits for it. */
  readonly from: string
  readonly to?: string
}

export async function digest(env: Environment, workspace: string, span: DigestSpan): Promise<TrustDigest> {
  const from = instant(span.from)
  const to = span.to === undefined ? env.clock.now() : instant(span.to)
  return { from: iso(from), to: iso(to), lines: await linesOf(env, workspace, from, to) }
}

function instant(text: string): number {
  const at = Date.parse(text)
  if (Number.isFinite(at)) return at
  throw new KeelsonError('INPUT_INVALID', `"${text}" is not an instant`, { hint: 'Write ISO text with a zone.' })
}

async function linesOf(env: Environment, workspace: string, from: number, to: number): Promise<DigestLine[]> {
  const found: EffectRecord[] = []
  for (const value of ['veto', 'automatic'])
    found.push(
      ...(await allOf<EffectRecord>(env.store, workspace, { kind: 'effect', where: { field: 'trust', value }, from })),
    )
  const within = found
    .filter((one) => one.openedAt < to)
    .sort((a, b) => a.openedAt - b.openedAt || (a.id < b.id ? -1 : 1))
  return within.flatMap((one) => (one.trust === undefined ? [] : [lineOf(env, one, one.trust)]))
}

function lineOf(env: Environment, record: EffectRecord, trust: NonNullable<EffectRecord['trust']>): DigestLine {
  const { action, account, openedAt, owner, id } = record
  const { segment, rung } = trust
  const [state, undo] = stateOf(env, record)
  const of = account === 'default' ? {} : { account }
  return { action, ...of, segment, rung, at: iso(openedAt), state, run: owner.run, effect: id, undo }
}

function stateOf(env: Environment, { state, action, undo, id }: EffectRecord): [DigestLine['state'], string] {
  const known = env.actions.find(action)
  switch (state) {
    case 'open':
      return ['waiting', 'reject it in the inbox while it is held']
    case 'done':
      if (known?.compensate === undefined || (known.undo !== undefined && undo === undefined))
        return ['done', 'it cannot be taken back']
      return ['done', `revert.plan({ effect: '${id}' })`]
    case 'compensated':
      return ['taken back', 'it is']
    case 'failed':
      return ['failed', 'nothing is to be taken back']
    case 'declined':
    case 'cancelled':
    case 'denied':
      return ['stopped', 'nothing is to be taken back']
    default:
      return state satisfies never
  }
}

/** Under which the end of the last one is kept. */
const TOLD = 'trust.digest'
interface Told {
  /** Of its time; records of earlier releases do not say. */
  readonly from?: number
  readonly to: number
  readonly run: string
  /** How many it was. Until that is known its time is closed, but not told. */
  readonly count?: number
}

const DAY_MS = 86_400_000
/** So long after the last one there is another: less than a day, for clocks that are put forward. */
const LEAST_MS = 20 * 3_600_000
const SHOWN = 50

async function toldIn(env: Environment, workspace: string): Promise<{ told?: Told; version: number }> {
  const [row] = await env.store.records(workspace, { kind: 'company', ids: [TOLD], limit: 1 })
  return row === undefined ? { version: 0 } : { told: JSON.parse(row.data) as Told, version: row.version }
}

/** When what acts by itself now is said to act, at the earliest (D1). */
export async function behindTold(env: Environment, workspace: string): Promise<{ from: number; expect: Expect }> {
  const { told, version } = await toldIn(env, workspace)
  return { from: told?.to ?? 0, expect: { record: 'company', id: TOLD, version } }
}

/** Puts what acted since the last one into the inbox, once for `run`. Answers how much that was; undefined where another told it within the day. */
export async function tellDigest(
  env: Environment,
  workspace: string,
  { run, by }: { run: string; by: Actor },
): Promise<number | undefined> {
  await close(env, workspace, { run, by })
  let count: number | undefined
  await env.company(workspace).edit(async () => {
    const { told, version } = await toldIn(env, workspace)
    count = told?.run === run ? told.count : undefined
    if (told?.run !== run || told.count !== undefined) return undefined
    const { from = told.to - DAY_MS, to } = told
    const lines = await linesOf(env, workspace, from, to)
    count = lines.length
    const item = lines.length === 0 ? [] : [itemPut(itemOf(lines, from, to), 1)]
    return {
      drafts: [{ kind: 'trust.told', data: { by, puts: [toldPut({ from, to, run, count }, version), ...item] } }],
    }
  })
  return count
}

/** Closes the time of the next one, unless there was one within the day. One that nobody came to tell is told with it. */
async function close(env: Environment, workspace: string, { run, by }: { run: string; by: Actor }): Promise<void> {
  await env.company(workspace).edit(async () => {
    const { told, version } = await toldIn(env, workspace)
    const to = env.clock.now()
    const isOpen = told !== undefined && told.count === undefined
    if (told?.run === run || (told !== undefined && !isOpen && to - told.to < LEAST_MS)) return undefined
    const from = (isOpen ? told.from : told?.to) ?? to - DAY_MS
    const put = toldPut({ from, to: Math.max(to, told?.to ?? to), run }, version)
    return { drafts: [{ kind: 'trust.told', data: { by, puts: [put] } }] }
  })
}

function toldPut(told: Told, version: number): Put {
  return { kind: 'company', id: TOLD, version: version + 1, data: { ...told } }
}

function itemOf(lines: readonly DigestLine[], from: number, to: number): ReturnType<typeof attention> {
  const text = lines.slice(0, SHOWN).map(({ action, account, segment, rung, at, state, undo }) => {
    const named = account === undefined ? action : `${action}@${account}`
    return `${at} ${segment === 'all' ? named : `${named} (${segment})`}, ${rung}: ${state}; ${undo}`
  })
  const span = `from: '${iso(from)}', to: '${iso(to)}'`
  if (lines.length > SHOWN) text.push(`and ${lines.length - SHOWN} more: trust.digest({ ${span} })`)
  const id = sha256(`trust digest ${to}`).slice(0, 16)
  const title = `${lines.length} ${lines.length === 1 ? 'effect' : 'effects'} went out by trust since ${iso(from).slice(0, 10)}`
  return attention(id, DIGEST, title, text.join('\n'), to, { input: { from: iso(from), to: iso(to) } })
}
