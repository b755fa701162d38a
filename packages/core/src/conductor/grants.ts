/**
 * Grants: standing approvals with a scope, a cap and an end. One answers an ask that its rule marked `grantable`.
 *
 * B1. A grant never answers a denial, an ask that is not grantable, or an input beyond its `where`.
 * B2. Each use is recorded with the grant in the unit that records the intent, so a cap is never overrun.
 */
import { isMoney, type Actor, type Money } from '../base/actor.ts'
import { durationMs, type Duration } from '../base/duration.ts'
import { KeelsonError } from '../base/errors.ts'
import { canonical, stored } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { Action } from '../connector/action.ts'
import type { Put } from '../journal/put.ts'
import type { EffectRecord } from './effect/ledger.ts'
import type { Environment } from './environment.ts'
import { suggestions, type GrantSuggestion, type SuggestOptions } from './suggest.ts'

type Where<T> = {
  readonly [K in keyof T]?:
    | T[K]
    | readonly T[K][]
    | (T[K] extends number
        ? { max?: number; min?: number }
        : T[K] extends Money
          ? { max?: Money }
          : T[K] extends string
            ? { endsWith?: string }
            : never)
}

export interface GrantOptions<In> {
  readonly action: Action<In, any>
  /** Inputs that it covers; an empty one covers all. */
  readonly where: Where<NoInfer<In>>
  /** At most so many uses, or so much money, per period (over its whole life without `per`). */
  readonly cap: { readonly count?: number; readonly amount?: Money; readonly per?: Duration }
  /** ISO date or instant at which it ends. */
  readonly until: string
  readonly by: Actor
}

export interface Grant {
  readonly id: string
  readonly action: string
  readonly where: Json
  readonly cap: { readonly count?: number; readonly amount?: Money; readonly perMs?: number }
  readonly until: number
  readonly by: Actor
  readonly revoked: boolean
  /** Uses that count against the cap now: those of the period. */
  readonly uses: readonly { readonly effect: string; readonly at: number; readonly amount?: Money }[]
  /** Of its whole life. */
  readonly used: { readonly count: number; readonly amount?: number; readonly lastAt?: number }
}

/** A grant as it stands. */
export interface GrantStatus extends Grant {
  readonly state: 'active' | 'ended' | 'revoked'
  /** What is left of the cap in this period. */
  readonly left: { readonly count?: number; readonly amount?: Money }
}

/** One effect that a grant decided. */
export interface GrantUse {
  readonly effect: string
  readonly run: string
  readonly step: string
  readonly input: Json
  readonly at: string
  readonly state: EffectRecord['state']
}

export interface Grants {
  create<In>(options: GrantOptions<In>): Promise<{ id: string }>
  /** All of them, with what they were used for and what is left. */
  list(): Promise<readonly GrantStatus[]>
  /** What it decided, the oldest first; `after` is the `next` of the page before. Throws `GRANT_NOT_FOUND`. */
  uses(id: string, options?: { after?: string; limit?: number }): Promise<{ uses: GrantUse[]; next?: string }>
  /** Ends it at once; a held effect that it decided is asked for instead of sent. */
  revoke(id: string, options: { by: Actor }): Promise<void>
  /** Grants that past decisions speak for, each with a sentence that says what it rests on. Makes none. */
  suggest(options?: SuggestOptions): Promise<readonly GrantSuggestion[]>
}

export function grantsOf(env: Environment, workspace: string): Grants {
  return {
    create: (options) => create(env, workspace, options),
    list: async () => (await all(env, workspace)).map((grant) => statusOf(grant, env.clock.now())),
    uses: (id, options = {}) => usesOf(env, workspace, id, options),
    suggest: (options = {}) => suggestions(env, workspace, options),
    revoke: (id, { by }) => revoke(env, workspace, id, by),
  }
}

async function create<In>(env: Environment, workspace: string, options: GrantOptions<In>): Promise<{ id: string }> {
  const until = Date.parse(options.until)
  const { count, amount, per } = options.cap
  if (options.by?.id === undefined || options.by.kind === 'agent')
    throw invalid('an agent may not make one', 'Pass the person who allows it: { kind, id, name }.')
  if (count !== undefined && !(Number.isSafeInteger(count) && count > 0))
    throw invalid(`"${count}" is no number of uses`, 'Cap it by a whole number from 1.')
  if (amount !== undefined && !(Number.isSafeInteger(amount.amount) && amount.amount > 0))
    throw invalid('its amount is no money', 'Cap it by minor units: { amount: 4200, currency: "EUR" } is 42 euros.')
  if (!Number.isFinite(until)) throw invalid(`"${options.until}" is not a date`, "Write ISO text: '2027-01-01'.")
  if (until <= env.clock.now()) throw invalid('it would have ended already', 'Choose an end in the future.')
  if (count === undefined && amount === undefined)
    throw invalid('it has no cap', 'Cap it by count or amount, per period.')
  const grant: Grant = {
    id: env.ids.id(),
    action: options.action.name,
    where: stored(options.where),
    cap: {
      ...(count === undefined ? {} : { count }),
      ...(amount === undefined ? {} : { amount }),
      ...(per === undefined ? {} : { perMs: durationMs(per) }),
    },
    until,
    by: options.by,
    revoked: false,
    uses: [],
    used: { count: 0 },
  }
  await env
    .company(workspace)
    .edit(async () => ({ drafts: [{ kind: 'grant.made', data: { by: options.by, puts: [putOf(grant, 1)] } }] }))
  return { id: grant.id }
}

async function revoke(env: Environment, workspace: string, id: string, by: Actor): Promise<void> {
  await env.company(workspace).edit(async () => {
    const [row] = await env.store.records(workspace, { kind: 'grant', ids: [id], limit: 1 })
    if (row === undefined)
      throw new KeelsonError('GRANT_NOT_FOUND', `there is no grant "${id}"`, { data: { grant: id } })
    const grant = JSON.parse(row.data) as Grant
    if (grant.revoked) return undefined
    return {
      drafts: [{ kind: 'grant.revoked', data: { by, puts: [putOf({ ...grant, revoked: true }, row.version + 1)] } }],
    }
  })
}

async function all(env: Environment, workspace: string): Promise<Grant[]> {
  const where = { field: 'kind', value: 'grant' }
  const rows = await env.store.records(workspace, { kind: 'grant', where, limit: 1000 })
  return rows.map((row) => JSON.parse(row.data) as Grant)
}

/** A grant that was revoked, or is gone, decides nothing any more. */
export async function isRevoked(env: Environment, workspace: string, id: string): Promise<boolean> {
  const [row] = await env.store.records(workspace, { kind: 'grant', ids: [id], limit: 1 })
  return row === undefined || (JSON.parse(row.data) as Grant).revoked
}

function statusOf(grant: Grant, now: number): GrantStatus {
  const { count, amount } = grant.cap
  const uses = inPeriod(grant, now)
  const spent = uses.reduce((sum, one) => sum + (one.amount?.amount ?? 0), 0)
  return {
    ...grant,
    uses,
    state: grant.revoked ? 'revoked' : now >= grant.until ? 'ended' : 'active',
    left: {
      ...(count === undefined ? {} : { count: Math.max(0, count - uses.length) }),
      ...(amount === undefined ? {} : { amount: { ...amount, amount: Math.max(0, amount.amount - spent) } }),
    },
  }
}

/** A period is the time before now, sliding: `per: '30d'` counts what was used in the last thirty days. */
function inPeriod(grant: Grant, now: number): Grant['uses'] {
  const { perMs } = grant.cap
  return perMs === undefined ? grant.uses : grant.uses.filter((one) => one.at > now - perMs)
}

async function usesOf(
  env: Environment,
  workspace: string,
  id: string,
  { after, limit = 50 }: { after?: string; limit?: number },
): Promise<{ uses: GrantUse[]; next?: string }> {
  const [grant] = await env.store.records(workspace, { kind: 'grant', ids: [id], limit: 1 })
  if (grant === undefined)
    throw new KeelsonError('GRANT_NOT_FOUND', `there is no grant "${id}"`, { data: { grant: id } })
  const [sort, last] = after === undefined ? [] : [Number(after.split(':')[0]), after.slice(after.indexOf(':') + 1)]
  const rows = await env.store.records(workspace, {
    kind: 'effect',
    where: { field: 'grant', value: id },
    limit: limit + 1,
    ...(sort === undefined || last === undefined ? {} : { after: { sort, id: last } }),
  })
  const page = rows.slice(0, limit)
  const uses = page.map((row): GrantUse => {
    const { id: effect, owner, input, openedAt, state } = JSON.parse(row.data) as EffectRecord
    return { effect, run: owner.run, step: owner.key, input, at: new Date(openedAt).toISOString(), state }
  })
  const end = page.at(-1)
  return rows.length > limit && end !== undefined ? { uses, next: `${end.sort}:${end.id}` } : { uses }
}

/** A grant that covers this input now, and the put that records its use; undefined: a person is asked. */
export async function useGrant(
  env: Environment,
  workspace: string,
  use: { action: string; input: Json; effect: string },
): Promise<{ grant: Grant; put: Put } | undefined> {
  const rows = await env.store.records(workspace, {
    kind: 'grant',
    where: { field: 'action', value: use.action },
    limit: 1000,
  })
  const now = env.clock.now()
  for (const row of rows) {
    const grant = JSON.parse(row.data) as Grant
    if (grant.revoked || now >= grant.until || !coversInput(grant.where, use.input)) continue
    const uses = inPeriod(grant, now)
    const amount = moneyIn(use.input)
    if (!withinCap(grant, uses, amount)) continue
    const next = [...uses, { effect: use.effect, at: now, ...(amount === undefined ? {} : { amount }) }]
    const spent = amount === undefined ? {} : { amount: (grant.used?.amount ?? 0) + amount.amount }
    const used = { ...grant.used, count: (grant.used?.count ?? 0) + 1, lastAt: now, ...spent }
    return { grant, put: putOf({ ...grant, uses: next, used }, row.version + 1) }
  }
  return undefined
}

function withinCap(grant: Grant, uses: Grant['uses'], amount: Money | undefined): boolean {
  const { count, amount: most } = grant.cap
  if (count !== undefined && uses.length >= count) return false
  if (most === undefined) return true
  if (amount?.currency !== most.currency) return false
  const spent = uses.reduce((sum, one) => sum + (one.amount?.amount ?? 0), 0)
  return amount.amount >= 0 && spent + amount.amount <= most.amount
}

/** The money of an input: its first field that is money, in order of name. */
function moneyIn(input: Json): Money | undefined {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return undefined
  return Object.values(input).find(isMoney) as Money | undefined
}

function coversInput(where: Json, input: Json): boolean {
  const fields = (typeof input === 'object' && input !== null ? input : {}) as Record<string, Json>
  return Object.entries(where as Record<string, Json>).every(([name, wanted]) => coversField(wanted, fields[name]))
}

function coversField(wanted: Json, value: Json | undefined): boolean {
  if (value === undefined) return false
  if (canonical(wanted) === canonical(value)) return true
  if (Array.isArray(wanted)) return wanted.some((one: Json) => canonical(one) === canonical(value))
  if (typeof wanted !== 'object' || wanted === null) return false
  const bound = wanted as { max?: number | Money; min?: number; endsWith?: string }
  if (typeof value === 'number') {
    const known = typeof bound.max === 'number' || typeof bound.min === 'number'
    return known && value <= ((bound.max as number | undefined) ?? Infinity) && value >= (bound.min ?? -Infinity)
  }
  if (isMoney(value))
    return (
      isMoney(bound.max) &&
      bound.max.currency === value.currency &&
      value.amount >= 0 &&
      value.amount <= bound.max.amount
    )
  return (
    typeof value === 'string' &&
    typeof bound.endsWith === 'string' &&
    bound.endsWith !== '' &&
    value.endsWith(bound.endsWith)
  )
}

function putOf(grant: Grant, version: number): Put {
  return {
    kind: 'grant',
    id: grant.id,
    version,
    data: grant as unknown as Json,
    index: { action: grant.action, kind: 'grant' },
  }
}

function invalid(what: string, hint: string): KeelsonError {
  return new KeelsonError('INPUT_INVALID', `this grant cannot be made: ${what}`, { hint })
}
