/**
 * Grants: standing approvals with a scope, a cap and an end. One answers an ask that its rule marked `grantable`.
 *
 * B1. A grant never answers a denial, an ask that is not grantable, or an input beyond its `where`.
 * B2. Each use is recorded with the grant in the unit that records the intent, so a cap is never overrun.
 */
import type { Actor, Money } from '../base/actor.ts'
import { durationMs, type Duration } from '../base/duration.ts'
import { KeelsonError } from '../base/errors.ts'
import { canonical, stored } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { Action } from '../connector/action.ts'
import type { Put } from '../journal/put.ts'
import type { Environment } from './environment.ts'

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
  readonly uses: readonly { readonly effect: string; readonly at: number; readonly amount?: Money }[]
}

export interface Grants {
  create<In>(options: GrantOptions<In>): Promise<{ id: string }>
  list(): Promise<readonly Grant[]>
  revoke(id: string, options: { by: Actor }): Promise<void>
}

export function grantsOf(env: Environment, workspace: string): Grants {
  return {
    create: (options) => create(env, workspace, options),
    list: () => all(env, workspace, 'kind', 'grant'),
    revoke: (id, { by }) => revoke(env, workspace, id, by),
  }
}

async function create<In>(env: Environment, workspace: string, options: GrantOptions<In>): Promise<{ id: string }> {
  const until = Date.parse(options.until)
  const { count, amount, per } = options.cap
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

async function all(env: Environment, workspace: string, field: string, value: string): Promise<Grant[]> {
  const rows = await env.store.records(workspace, { kind: 'grant', where: { field, value }, limit: 1000 })
  return rows.map((row) => JSON.parse(row.data) as Grant)
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
    const since = grant.cap.perMs === undefined ? -Infinity : now - grant.cap.perMs
    const uses = grant.uses.filter((one) => one.at > since)
    const amount = moneyIn(use.input)
    if (!withinCap(grant, uses, amount)) continue
    const next = [...uses, { effect: use.effect, at: now, ...(amount === undefined ? {} : { amount }) }]
    return { grant, put: putOf({ ...grant, uses: next }, row.version + 1) }
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

function isMoney(value: unknown): value is Money {
  const money = value as Partial<Money> | null
  return typeof money === 'object' && typeof money?.amount === 'number' && typeof money.currency === 'string'
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
