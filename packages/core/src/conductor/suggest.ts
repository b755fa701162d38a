/**
 * Suggest: standing approvals that past decisions speak for, each with a sentence that says what it rests on.
 *
 * G1. Only decisions that a person looked at count: no rubber stamp, no batch, no silence. What was left out is said.
 * G2. One rejection, or edits of more than one in twenty, and nothing is suggested.
 * G3. It suggests; only a person makes a grant.
 */
import { isMoney, type Money } from '../base/actor.ts'
import { durationMs, type Duration } from '../base/duration.ts'
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import { moneyText } from '../base/money.ts'
import type { AnyAction } from '../connector/action.ts'
import { costsKnown } from '../connector/cost.ts'
import { shapeOf } from '../connector/shape.ts'
import { amountOf } from '../policy/grant.ts'
import type { Judgement } from '../policy/verdict.ts'
import type { Environment } from './environment.ts'
import { itemsWhere, type ItemRecord } from './item.ts'
import { lookedAt } from './looked.ts'

const DAY_MS = 86_400_000
const MONTH_MS = 30 * DAY_MS
/** More values than this are not a list that anybody would agree to. */
const VALUES_MAX = 3

export interface SuggestOptions {
  /** How far back. Default '90d'. */
  readonly since?: Duration
  /** Approvals that were looked at and not changed, at least. Default 10. */
  readonly least?: number
}

export interface GrantSuggestion {
  readonly action: string
  /** Under which all of it was decided, and for which a grant would be made (`action.account(…)`); absent: the default one. */
  readonly account?: string
  /** As `grants.create` takes it. */
  readonly where: { readonly [field: string]: Json }
  /** `amount`: where each of those that were approved costs money, in one currency. */
  readonly cap: { readonly count: number; readonly amount?: Money; readonly per: '30d' }
  /** ISO date, in ninety days. */
  readonly until: string
  /** What it rests on, and what it leaves open. */
  readonly sentence: string
  readonly evidence: {
    readonly lookedAt: number
    readonly approved: number
    readonly edited: number
    readonly rejected: number
    /** Approved without a look, or in a batch: not counted. */
    readonly notCounted: number
    readonly from: string
    readonly to: string
    /** Fields that it does not narrow. */
    readonly open: readonly string[]
  }
}

export async function suggestions(
  env: Environment,
  workspace: string,
  { since = '90d', least = 10 }: SuggestOptions,
): Promise<GrantSuggestion[]> {
  const now = env.clock.now()
  const closed = await itemsWhere(
    env.store,
    workspace,
    { field: 'state', value: 'closed' },
    Math.max(0, now - durationMs(since)),
  )
  const speaks = (item: ItemRecord): boolean => grantable(item) && isOfNow(env, item)
  const apart = Map.groupBy(closed.filter(speaks), ({ action, account }) => canonical([action, account]))
  return [...apart.keys()].sort().flatMap((key) => {
    const made = suggestion(env, apart.get(key)!, least, now)
    return made === undefined ? [] : [made]
  })
}

/** A grant could have answered it. */
function grantable(item: ItemRecord): boolean {
  if (item.kind !== 'approval' || item.action === undefined || item.dueAt !== undefined || item.shadow === true)
    return false
  if (item.undo === true) return false
  if (item.account === undefined || item.changed !== undefined || item.state !== 'decided') return false
  const { asks } = item.verdict as unknown as Judgement
  return asks.length > 0 && asks.every((one) => one.grantable)
}

/** What was decided on an action that is defined otherwise now says nothing of it. */
function isOfNow(env: Environment, { action, shape }: ItemRecord): boolean {
  const known = action === undefined ? undefined : env.actions.find(action)
  return shape === undefined || known === undefined || shapeOf(known).mark === shape
}

/** Of the items of one action under one account. */
function suggestion(
  env: Environment,
  items: readonly ItemRecord[],
  least: number,
  now: number,
): GrantSuggestion | undefined {
  const { action = '', account = 'default' } = items[0]!
  const looks = items.map((item) => ({ item, looked: lookedAt(item) }))
  const counted = looks.filter(
    ({ item, looked }) => looked?.opened === true && !looked.stamp && item.decided?.batch === undefined,
  )
  const said = (...verbs: string[]): typeof counted => counted.filter(({ looked }) => verbs.includes(looked!.verb))
  const [approved, edited] = [said('approve'), said('edit')]
  // A no counts, however short the look was.
  const rejected = looks.filter(({ looked }) => looked?.verb === 'reject' || looked?.verb === 'respond')
  if (approved.length < least || rejected.length > 0 || edited.length * 20 > counted.length) return undefined
  const inputs = approved.map(({ item }) => (item.input ?? {}) as { [field: string]: Json })
  const { where, narrowed, open } = ranges(inputs)
  const at = approved.map(({ item }) => item.decided!.at)
  const [from, to] = [Math.min(...at), Math.max(...at)]
  const months = Math.max(1, (to - from) / MONTH_MS)
  const { amount, said: cost } = costOf(env.actions.find(action), inputs, months)
  const notCounted = items.length - counted.length
  const evidence = {
    lookedAt: counted.length,
    approved: approved.length,
    edited: edited.length,
    rejected: 0,
    notCounted,
    from: day(from),
    to: day(to),
    open,
  }
  const under = account === 'default' ? {} : { account }
  const name = account === 'default' ? action : `${action} under ${account}`
  return {
    action,
    ...under,
    where,
    cap: { count: Math.ceil(approved.length / months), ...(amount === undefined ? {} : { amount }), per: '30d' },
    until: day(now + 90 * DAY_MS),
    sentence: sentence(name, evidence, narrowed, cost),
    evidence,
  }
}

/**
 * What caps the money, counted as each use of the grant will be: what a month came to, and the dearest of them at least. One that cannot
 * be counted would never be answered under such a cap, so then there is none.
 */
function costOf(
  action: AnyAction | undefined,
  inputs: readonly { [field: string]: Json }[],
  months: number,
): { readonly amount?: Money; readonly said: string } {
  if (action === undefined) return { said: ' What they cost is not known here: no amount would cap it.' }
  const costs = inputs.map((input) => costsKnown(action, input))
  if (costs.every((all) => all?.every(({ amount }) => amount === 0))) return { said: '' }
  const counted = inputs.flatMap((input, at) => amountOf({ costs: costs[at] ?? null, input }) ?? [])
  const { currency } = counted[0] ?? { currency: '' }
  const sum = counted.reduce((all, one) => all + one.amount, 0)
  const dearest = Math.max(...counted.map(({ amount }) => amount))
  const most = Math.max(Math.ceil(sum / months), Math.ceil(dearest))
  if (counted.length < inputs.length || counted.some((one) => one.currency !== currency) || !Number.isSafeInteger(most))
    return { said: ' What they cost cannot be added up: no amount would cap it.' }
  const text = (amount: number): string => moneyText({ amount, currency }) ?? `${amount} ${currency} in minor units`
  return {
    amount: { amount: most, currency },
    said: ` They cost ${text(sum)} together, ${text(dearest)} at most: up to ${text(most)} in 30 days could be spent.`,
  }
}

function sentence(
  action: string,
  evidence: GrantSuggestion['evidence'],
  narrowed: readonly string[],
  cost: string,
): string {
  const { lookedAt: looked, approved, edited, notCounted, from, to, open } = evidence
  const left =
    notCounted === 0 ? '' : ` ${notCounted} more were decided without a look or in a batch, and do not count.`
  const range = narrowed.length === 0 ? '' : ` In them ${narrowed.join(', ')}.`
  const any = open.length === 0 ? '' : ` It would cover any ${open.join(', ')}.`
  return (
    `From ${from} to ${to} somebody looked at ${looked} of ${action}: ${approved} were approved as they were, ` +
    `${edited} edited, none rejected.${left}${range}${cost}${any}`
  )
}

/** The narrowest `where` over all inputs, field by field. */
function ranges(inputs: readonly { [field: string]: Json }[]): {
  where: { [field: string]: Json }
  narrowed: string[]
  open: string[]
} {
  const where: { [field: string]: Json } = {}
  const narrowed: string[] = []
  const open: string[] = []
  for (const field of [...new Set(inputs.flatMap((input) => Object.keys(input)))].sort()) {
    const found = rangeOf(inputs.map((input) => input[field]))
    if (found === undefined) {
      open.push(field)
      continue
    }
    where[field] = found.bound
    narrowed.push(`${field} was ${found.text}`)
  }
  return { where, narrowed, open }
}

function rangeOf(values: readonly (Json | undefined)[]): { bound: Json; text: string } | undefined {
  if (values.includes(undefined)) return undefined
  if (values.every((value) => typeof value === 'number')) return numbers(values)
  const amounts = values.flatMap((value): Money[] => (isMoney(value) ? [value] : []))
  if (amounts.length === values.length) return money(amounts)
  const different = [...new Set(values.map((value) => canonical(value)))].map((text) => JSON.parse(text) as Json)
  const repeats = different.every((one) => values.filter((value) => canonical(value) === canonical(one)).length > 1)
  if (different.length <= VALUES_MAX && repeats) return { bound: different, text: different.map(shown).join(' or ') }
  return domain(values)
}

function numbers(values: readonly number[]): { bound: Json; text: string } {
  const [min, max] = [Math.min(...values), Math.max(...values)]
  return { bound: { min, max }, text: `${min} to ${max}` }
}

function money(values: readonly Money[]): { bound: Json; text: string } | undefined {
  const [{ currency }] = values as [Money]
  if (values.some((value) => value.currency !== currency)) return undefined
  const most = Math.max(...values.map((value) => value.amount))
  return { bound: { max: { amount: most, currency } }, text: `at most ${most} ${currency} in minor units` }
}

/** Addresses of one domain. */
function domain(values: readonly (Json | undefined)[]): { bound: Json; text: string } | undefined {
  const ends = new Set(values.map((value) => (typeof value === 'string' ? /@[^@\s]+$/.exec(value)?.[0] : undefined)))
  const [end] = ends
  return ends.size === 1 && end !== undefined ? { bound: { endsWith: end }, text: `an address of ${end}` } : undefined
}

function shown(value: Json): string {
  return typeof value === 'string' ? value : canonical(value)
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}
