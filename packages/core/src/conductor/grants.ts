/**
 * Grants: standing approvals with a scope, a cap and an end. One answers an ask that its rule marked `grantable`.
 *
 * B1. A grant never answers a denial, an ask that is not grantable, or an input beyond its `where`.
 * B2. Each use is recorded with the grant, and with those that it was passed on from, in the unit that records the intent: a
 *     cap is never overrun.
 * B3. Revoking ends what was passed on from it as well.
 */
import { assertActor, isActor, isCurrency, type Actor, type Money } from '../base/actor.ts'
import { durationMs, type Duration } from '../base/duration.ts'
import { KeelsonError } from '../base/errors.ts'
import { stored } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import { definitionOf, type Action } from '../connector/action.ts'
import { shapeOf } from '../connector/shape.ts'
import type { Put } from '../journal/put.ts'
import type { Expect, RecordRow } from '../journal/store.ts'
import {
  answering,
  below,
  beyond,
  inPeriod,
  lineOf,
  withUse,
  type Grant,
  type Holder,
  type Use,
} from '../policy/grant.ts'
import type { EffectRecord } from './effect/ledger.ts'
import type { Edit } from './company.ts'
import type { Environment } from './environment.ts'
import { assertWhere, invalid } from './grant-where.ts'
import { suggestions, type GrantSuggestion, type SuggestOptions } from './suggest.ts'
import { iso } from './waiting.ts'

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

export interface GrantCap {
  readonly count?: number
  readonly amount?: Money
  readonly per?: Duration
}

/** Who may use it: runs of this persona, of this playbook; neither: whoever asks. What they call holds it only if it is passed on. */
export interface GrantHolder {
  readonly persona?: string | { readonly name: string }
  readonly playbook?: string | { readonly name: string }
}

export interface GrantOptions<In> extends GrantHolder {
  readonly action: Action<In, any>
  /** Inputs that it covers; an empty one covers all. */
  readonly where: Where<NoInfer<In>>
  /** At most so many uses, or so much money, per period (over its whole life without `per`). */
  readonly cap: GrantCap
  /** ISO date or instant at which it ends. */
  readonly until: string
  readonly by: Actor
}

/** What is left out is as in the grant that is passed on. */
export interface AttenuateOptions extends GrantHolder {
  /** Narrows what it covers further. */
  readonly where?: { readonly [field: string]: Json }
  /** Of this one alone; each use counts against the cap of the other, too. */
  readonly cap?: GrantCap
  readonly until?: string
  readonly by: Actor
}

/** A grant as it stands. */
export interface GrantStatus extends Omit<Grant, 'until' | 'uses' | 'used'> {
  /** ISO instant at which it ends. */
  readonly until: string
  /** Uses that count against the cap now, each with its ISO instant; of an effect that a person decided after all, too. */
  readonly uses: readonly (Omit<Grant['uses'][number], 'at'> & { readonly at: string })[]
  /** Of its whole life. */
  readonly used: Omit<Grant['used'], 'lastAt'> & { readonly lastAt?: string }
  /** 'changed': the action is defined otherwise than when it was made, so that it answers nothing. */
  readonly state: 'active' | 'ended' | 'revoked' | 'changed'
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
  /**
   * Passes a grant on, narrower: another holder, fewer inputs, a smaller cap, an earlier end. Never more: `GRANT_WIDER`.
   * Throws `GRANT_NOT_FOUND`.
   */
  attenuate(id: string, options: AttenuateOptions): Promise<{ id: string }>
  /** All of them, with what they were used for and what is left. */
  list(): Promise<readonly GrantStatus[]>
  /** What it decided itself, the oldest first; `after` is the `next` of the page before. Throws `GRANT_NOT_FOUND`. */
  uses(id: string, options?: { after?: string; limit?: number }): Promise<{ uses: GrantUse[]; next?: string }>
  /** Ends it, and what was passed on from it, at once; a held effect that it decided is asked for instead of sent. */
  revoke(id: string, options: { by: Actor }): Promise<void>
  /** Grants that past decisions speak for, each with a sentence that says what it rests on. Makes none. */
  suggest(options?: SuggestOptions): Promise<readonly GrantSuggestion[]>
}

export function grantsOf(env: Environment, workspace: string): Grants {
  return {
    create: (options) => create(env, workspace, options),
    attenuate: (id, options) => attenuate(env, workspace, id, options),
    list: async () => {
      const all = await grantsWhere(env, workspace, 'kind', 'grant')
      return all.map(({ grant }) => statusOf(env, grant))
    },
    uses: (id, options = {}) => usesOf(env, workspace, id, options),
    suggest: (options = {}) => suggestions(env, workspace, options),
    revoke: (id, { by }) => revoke(env, workspace, id, by),
  }
}

async function create<In>(env: Environment, workspace: string, options: GrantOptions<In>): Promise<{ id: string }> {
  const cap = capOf(options.cap)
  if (cap.count === undefined && cap.amount === undefined)
    throw invalid('it has no cap', 'Cap it by count or amount, per period.')
  assertWhere(definitionOf(options.action), options.where)
  const grant = newGrant(env, options, {
    action: options.action.name,
    ...under(definitionOf(options.action).account),
    where: stored(options.where),
    cap,
    until: endOf(env, options.until),
    shape: shapeOf(env.actions.find(options.action.name) ?? definitionOf(options.action)).mark,
  })
  await env.company(workspace).edit(async () => made(grant))
  return { id: grant.id }
}

/** How often a grant may be passed on from one to the next. */
const LINE_MAX = 8

async function attenuate(
  env: Environment,
  workspace: string,
  id: string,
  options: AttenuateOptions,
): Promise<{ id: string }> {
  let newId: string | undefined
  await env.company(workspace).edit(async () => {
    const parent = (await grantOf(env, workspace, id)).grant
    const all = await grantsWhere(env, workspace, 'action', parent.action)
    const line = lineOf(new Map(all.map(({ grant }) => [grant.id, grant])), parent)
    if (line === undefined || line.some((one) => one.revoked)) throw wider(id, 'it has been revoked')
    if (line.length >= LINE_MAX) throw wider(id, `it was passed on ${LINE_MAX} times already`)
    const action = env.actions.find(parent.action)
    if (action !== undefined) assertWhere(action, options.where ?? {})
    const grant = newGrant(env, options, {
      action: parent.action,
      ...under(parent.account),
      where: { ...(parent.where as object), ...(stored(options.where ?? {}) as object) },
      cap: options.cap === undefined ? parent.cap : capOf(options.cap),
      until: options.until === undefined ? parent.until : endOf(env, options.until),
      parent: id,
      ...(parent.shape === undefined ? {} : { shape: parent.shape }),
      ...(parent.holder === undefined ? {} : { holder: parent.holder }),
    })
    const more = beyond(grant, parent)
    if (more !== undefined) throw wider(id, more)
    newId = grant.id
    return made(grant)
  })
  return { id: newId! }
}

type Terms = Pick<Grant, 'action' | 'account' | 'where' | 'cap' | 'until' | 'parent' | 'holder' | 'shape'>

function newGrant(env: Environment, given: GrantHolder & { by: Actor }, terms: Terms): Grant {
  if (!isActor(given.by) || given.by.kind === 'agent')
    throw invalid('an agent may not make one', 'Pass the person who allows it: { kind, id, name }.')
  const holder: Holder = { ...terms.holder, ...named('persona', given.persona), ...named('playbook', given.playbook) }
  const held = Object.keys(holder).length === 0 ? {} : { holder }
  return { id: env.ids.id(), ...terms, ...held, by: given.by, revoked: false, uses: [], used: { count: 0 } }
}

function under(account = 'default'): { account?: string } {
  return account === 'default' ? {} : { account }
}

function named(what: 'persona' | 'playbook', one: string | { readonly name: string } | undefined): Holder {
  return one === undefined ? {} : { [what]: typeof one === 'string' ? one : one.name }
}

function capOf({ count, amount, per }: GrantCap): Grant['cap'] {
  if (count !== undefined && !(Number.isSafeInteger(count) && count > 0))
    throw invalid(`"${count}" is no number of uses`, 'Cap it by a whole number from 1.')
  if (
    amount !== undefined &&
    !(Number.isSafeInteger(amount.amount) && amount.amount > 0 && isCurrency(amount.currency))
  )
    throw invalid('its amount is no money', 'Cap it by minor units: { amount: 4200, currency: "EUR" } is 42 euros.')
  return {
    ...(count === undefined ? {} : { count }),
    ...(amount === undefined ? {} : { amount }),
    ...(per === undefined ? {} : { perMs: durationMs(per) }),
  }
}

function endOf(env: Environment, text: string): number {
  const until = Date.parse(text)
  if (!Number.isFinite(until)) throw invalid(`"${text}" is not a date`, "Write ISO text: '2027-01-01'.")
  if (until <= env.clock.now()) throw invalid('it would have ended already', 'Choose an end in the future.')
  return until
}

function made(grant: Grant): Edit {
  return { drafts: [{ kind: 'grant.made', data: { by: grant.by, puts: [putOf(grant, 1)] } }] }
}

/** B3. */
async function revoke(env: Environment, workspace: string, id: string, by: Actor): Promise<void> {
  assertActor(by, 'the end of a grant')
  await env.company(workspace).edit(async () => {
    const { grant } = await grantOf(env, workspace, id)
    const all = await grantsWhere(env, workspace, 'action', grant.action)
    const ids = new Set([
      id,
      ...below(
        all.map((one) => one.grant),
        id,
      ).map((one) => one.id),
    ])
    const puts = all
      .filter((one) => ids.has(one.grant.id) && !one.grant.revoked)
      .map((one) => putOf({ ...one.grant, revoked: true }, one.row.version + 1))
    return puts.length === 0 ? undefined : { drafts: [{ kind: 'grant.revoked', data: { by, puts } }] }
  })
}

interface Kept {
  readonly grant: Grant
  readonly row: RecordRow
}

async function grantOf(env: Environment, workspace: string, id: string): Promise<Kept> {
  const [row] = await env.store.records(workspace, { kind: 'grant', ids: [id], limit: 1 })
  if (row === undefined) throw new KeelsonError('GRANT_NOT_FOUND', `there is no grant "${id}"`, { data: { grant: id } })
  return { grant: JSON.parse(row.data) as Grant, row }
}

async function grantsWhere(
  env: Environment,
  workspace: string,
  field: 'kind' | 'action',
  value: string,
): Promise<Kept[]> {
  const found: Kept[] = []
  let after: { sort: number; id: string } | undefined
  for (;;) {
    const page = after === undefined ? {} : { after }
    const rows = await env.store.records(workspace, { kind: 'grant', where: { field, value }, limit: 500, ...page })
    found.push(...rows.map((row) => ({ grant: JSON.parse(row.data) as Grant, row })))
    const last = rows.at(-1)
    if (last === undefined || rows.length < 500) return found
    after = { sort: last.sort, id: last.id }
  }
}

/**
 * A grant that was revoked, has ended, or is gone, decides nothing any more; nor does one passed on from such a one.
 * While it stands: what the unit that sends must expect, so that a revocation of that moment is seen.
 */
export async function stands(
  env: Environment,
  workspace: string,
  id: string,
): Promise<{ readonly over: boolean; readonly expect: readonly Expect[] }> {
  const expect: Expect[] = []
  for (let at: string | undefined = id; at !== undefined;) {
    const [row]: readonly RecordRow[] = await env.store.records(workspace, { kind: 'grant', ids: [at], limit: 1 })
    if (row === undefined) return { over: true, expect: [] }
    const grant = JSON.parse(row.data) as Grant
    if (grant.revoked || env.clock.now() >= grant.until) return { over: true, expect: [] }
    expect.push({ record: 'grant', id: at, version: row.version })
    at = grant.parent
  }
  return { over: false, expect }
}

function statusOf(env: Environment, grant: Grant): GrantStatus {
  const now = env.clock.now()
  const action = env.actions.find(grant.action)
  const changed = grant.shape !== undefined && action !== undefined && shapeOf(action).mark !== grant.shape
  const { count, amount } = grant.cap
  const uses = inPeriod(grant, now)
  const spent = uses.reduce((sum, one) => sum + (one.amount?.amount ?? 0), 0)
  const { lastAt, ...used } = grant.used
  return {
    ...grant,
    until: iso(grant.until),
    uses: uses.map((one) => ({ ...one, at: iso(one.at) })),
    used: { ...used, ...(lastAt === undefined ? {} : { lastAt: iso(lastAt) }) },
    state: grant.revoked ? 'revoked' : now >= grant.until ? 'ended' : changed ? 'changed' : 'active',
    left: {
      ...(count === undefined ? {} : { count: Math.max(0, count - uses.length) }),
      ...(amount === undefined ? {} : { amount: { ...amount, amount: Math.max(0, amount.amount - spent) } }),
    },
  }
}

async function usesOf(
  env: Environment,
  workspace: string,
  id: string,
  { after, limit = 50 }: { after?: string; limit?: number },
): Promise<{ uses: GrantUse[]; next?: string }> {
  await grantOf(env, workspace, id)
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
    return { effect, run: owner.run, step: owner.key, input, at: iso(openedAt), state }
  })
  const end = page.at(-1)
  return rows.length > limit && end !== undefined ? { uses, next: `${end.sort}:${end.id}` } : { uses }
}

/** A grant that covers this input now, and the puts that record its use; undefined: a person is asked. */
export async function useGrant(
  env: Environment,
  workspace: string,
  use: Use,
): Promise<{ grant: Grant; puts: readonly Put[] } | undefined> {
  const all = await grantsWhere(env, workspace, 'action', use.action)
  const now = env.clock.now()
  const line = answering(
    all.map((one) => one.grant),
    use,
    now,
  )
  const grant = line?.[0]
  if (line === undefined || grant === undefined) return undefined
  const version = new Map(all.map((one) => [one.grant.id, one.row.version]))
  return { grant, puts: line.map((one) => putOf(withUse(one, use, now, grant.id), version.get(one.id)! + 1)) }
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

function wider(id: string, what: string): KeelsonError {
  return new KeelsonError('GRANT_WIDER', `grant "${id}" cannot be passed on like this: ${what}`, {
    hint: 'What is passed on may be narrower, never more. For more, a person makes a grant with create().',
    data: { grant: id },
  })
}
