/**
 * Digest: what acted by itself, on the rungs 'veto' and 'automatic', in a time: for whoever was not asked.
 *
 * Maintenance puts one into the inbox where there was any, at most once a day: each goes on where the last one ended.
 *
 * D1. What acts by itself is in one of those, and in no other, whatever the clocks of those who record and tell: it carries the
 *     number of the digest that is open, and expects that to be so still. A digest is closed before it is read.
 * D2. An intent has one record. What acted, was taken back and acted again before a digest is one line, of the last time.
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
  for (const value of ['veto', 'automatic']) found.push(...(await actsBy(env, workspace, 'trust', value, from)))
  return linesFrom(
    env,
    found.filter((one) => one.openedAt < to),
  )
}

function actsBy(
  env: Environment,
  workspace: string,
  field: 'trust' | 'digest',
  value: string,
  from = 0,
): Promise<EffectRecord[]> {
  return allOf<EffectRecord>(env.store, workspace, { kind: 'effect', where: { field, value }, from })
}

function linesFrom(env: Environment, found: EffectRecord[]): DigestLine[] {
  const sorted = found.sort((a, b) => a.openedAt - b.openedAt || (a.id < b.id ? -1 : 1))
  return sorted.flatMap((one) => (one.trust === undefined ? [] : [lineOf(env, one, one.trust)]))
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

/** Under which the last one is kept. */
const TOLD = 'trust.digest'
interface Told {
  /** It tells of what carries a number from `first` to `last`; a digest of an earlier release has none. */
  readonly first?: number
  readonly last?: number
  /** When it was closed. */
  readonly to: number
  readonly run: string
  /** How many it was. Until that is known it is closed, but not told. */
  readonly count?: number
  /** It tells also of what carries no number, and was let go since then. */
  readonly from?: number
}

/** So long after the last one there is another: less than a day, for clocks that are put forward. */
const LEAST_MS = 20 * 3_600_000
const SHOWN = 50

async function toldIn(env: Environment, workspace: string): Promise<{ told?: Told; version: number }> {
  const [row] = await env.store.records(workspace, { kind: 'company', ids: [TOLD], limit: 1 })
  return row === undefined ? { version: 0 } : { told: JSON.parse(row.data) as Told, version: row.version }
}

/** The number that what acts by itself now carries (D1). */
export async function openDigest(env: Environment, workspace: string): Promise<{ digest: number; expect: Expect }> {
  const { told, version } = await toldIn(env, workspace)
  return { digest: (told?.last ?? 0) + 1, expect: { record: 'company', id: TOLD, version } }
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
    const lines = await closedIn(env, workspace, told)
    count = lines.length
    const item = lines.length === 0 ? [] : [itemPut(itemOf(lines, told), 1)]
    return { drafts: [{ kind: 'trust.told', data: { by, puts: [toldPut({ ...told, count }, version), ...item] } }] }
  })
  return count
}

/** What a closed one tells. */
async function closedIn(env: Environment, workspace: string, { first, last, from }: Told): Promise<DigestLine[]> {
  const found: EffectRecord[] = []
  for (let n = first!; n <= last!; n++) found.push(...(await actsBy(env, workspace, 'digest', `${n}`)))
  if (from === undefined) return linesFrom(env, found)
  for (const value of ['veto', 'automatic']) {
    const all = await actsBy(env, workspace, 'trust', value, from)
    found.push(...all.filter((one) => one.digest === undefined))
  }
  return linesFrom(env, found)
}

/** Closes the one that is open, unless there was one within the day. One that was closed, and that nobody came to tell, is told with it. */
async function close(env: Environment, workspace: string, { run, by }: { run: string; by: Actor }): Promise<void> {
  await env.company(workspace).edit(async () => {
    const { told, version } = await toldIn(env, workspace)
    const to = env.clock.now()
    const isUntold = told !== undefined && told.count === undefined
    if (told?.run === run && (!isUntold || told.last !== undefined)) return undefined
    if (told !== undefined && !isUntold && Math.abs(to - told.to) < LEAST_MS) return undefined
    const next = (told?.last ?? 0) + 1
    const first = isUntold ? (told.first ?? next) : next
    const from = isUntold ? told.from : (told?.to ?? 0)
    const put = toldPut({ first, last: next, to, run, ...(first === 1 ? { from: from ?? 0 } : {}) }, version)
    return { drafts: [{ kind: 'trust.told', data: { by, puts: [put] } }] }
  })
}

function toldPut(told: Told, version: number): Put {
  return { kind: 'company', id: TOLD, version: version + 1, data: { ...told } }
}

function itemOf(lines: readonly DigestLine[], { last, to }: Told): ReturnType<typeof attention> {
  const text = lines.slice(0, SHOWN).map(({ action, account, segment, rung, at, state, undo }) => {
    const named = account === undefined ? action : `${action}@${account}`
    return `${at} ${segment === 'all' ? named : `${named} (${segment})`}, ${rung}: ${state}; ${undo}`
  })
  const input = { from: lines[0]!.at, to: iso(Date.parse(lines.at(-1)!.at) + 1) }
  const span = `from: '${input.from}', to: '${input.to}'`
  if (lines.length > SHOWN) text.push(`and ${lines.length - SHOWN} more: trust.digest({ ${span} })`)
  const id = sha256(`trust digest ${last}`).slice(0, 16)
  const title = `${lines.length} ${lines.length === 1 ? 'effect' : 'effects'} went out by trust since ${input.from.slice(0, 10)}`
  return attention(id, DIGEST, title, text.join('\n'), to, { input })
}
