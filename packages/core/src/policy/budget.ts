/**
 * Budget: how much may be spent, in money, tokens and calls, by whom and per what; and its ledger as arithmetic.
 *
 * U1. What is begun is reserved before it begins: used and reserved together never pass the limit.
 * U2. What was reserved is settled by what it came to: spent (as much as it really was), or given back.
 */
import { inMajor } from '../base/money.ts'
import { isCurrency, type Money } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { assertKnown, assertOneOf, named, namesOf, noSuch } from '../base/known.ts'
import { covers } from './scope.ts'
import type { Settings } from './settings.ts'

/** Of each that is named, so much. */
export interface Spending {
  /** Minor units of one currency. */
  readonly money?: Money
  readonly tokens?: number
  /** Effects that are sent, and questions to models. */
  readonly calls?: number
}

/** What each counts for itself. */
export const PERS = ['run', 'playbook', 'persona', 'day'] as const
export type Per = (typeof PERS)[number]

export interface Budget {
  readonly name: string
  /** Each of these counts for itself: ['persona', 'day'] is each persona's day. None: all of the company, for ever. */
  readonly per: readonly Per[]
  /** Actions that it counts, and agents as 'agent.name'. */
  readonly on: readonly string[]
  readonly limit: (settings: Settings) => Spending
  /** Counts for money that cannot be counted: a call without a price, another currency. */
  readonly unpriced: Money | undefined
}

/**
 * Defines a budget. `limit` may follow from a company's settings. A run counts against the budgets of its ancestors, too.
 * Throws `DEFINITION_INVALID`.
 */
export function defineBudget(definition: {
  /** Letters, digits, spaces, ".", "-", "_". */
  readonly name: string
  /** What each counts for itself: 'run', 'playbook', 'persona', 'day', or several together. Default: all of the company, for ever. */
  readonly per?: Per | readonly Per[]
  /** What it counts: actions, agents, and names such as 'email.*' and 'agent.writer'. Default: everything. */
  readonly on?: readonly (string | { readonly name: string })[]
  /** So much `money`, so many `tokens` and `calls`, or how that follows from the company's settings. */
  readonly limit: Spending | ((settings: Settings) => Spending)
  /** What counts for money that cannot be counted: a call without a price, or in another currency. */
  readonly unpriced?: Money
}): Budget {
  assertKnown(`budget ${named(definition?.name)}`, definition, BUDGET)
  const { name, per = [], on = ['*'], limit, unpriced } = definition
  const what = `budget "${name}"`
  if (!/^[\w][\w .-]*$/.test(name)) throw invalid(what, 'has no name', 'Use letters, digits, spaces, ".", "-" and "_".')
  for (const one of [per].flat()) assertOneOf(`"per" of ${what}`, one, PERS)
  const counted: unknown = on
  if (!Array.isArray(counted)) throw invalid(what, 'counts no list of actions', "Write on: ['email.*'].")
  const fixed = typeof limit === 'function' ? undefined : spendingIn(limit, what)
  if (unpriced !== undefined) spendingOf({ money: unpriced }, what)
  return Object.freeze({
    name,
    per: [per].flat(),
    on: on.map((one) => nameIn(one, what)),
    limit: fixed === undefined ? (limit as (settings: Settings) => Spending) : () => fixed,
    unpriced,
  })
}

const BUDGET = namesOf<Parameters<typeof defineBudget>[0]>({
  ...{ name: true, per: true, on: true, limit: true, unpriced: true },
})
const SPENDING = namesOf<Spending>({ money: true, tokens: true, calls: true })

/** The name of an action or an agent, or of many. Throws `DEFINITION_INVALID` for what has none. */
export function nameIn(one: string | { readonly name: string }, what: string): string {
  const name: unknown = typeof one === 'string' ? one : (one as { name?: unknown } | undefined)?.name
  if (typeof name === 'string') return name
  throw noSuch('DEFINITION_INVALID', one, `an action or an agent, and ${what} names it`, 'action() or defineAgent()')
}

/** As `spendingOf`, of what a definition says itself. */
export function spendingIn(given: Spending, what: string): Spending {
  assertKnown(`the limit of ${what}`, given, SPENDING)
  return spendingOf(given, what)
}

/** Throws `DEFINITION_INVALID` for what bounds nothing, or is no amount. */
export function spendingOf(given: Spending, what: string): Spending {
  const { money, tokens, calls } = given
  const numbers = [money?.amount, tokens, calls].filter((one) => one !== undefined)
  if (numbers.length === 0) throw invalid(what, 'limits nothing', 'Name money, tokens or calls.')
  if (numbers.some((one) => typeof one !== 'number' || !Number.isFinite(one) || one < 0))
    throw invalid(what, 'has a limit that is no amount', 'Use numbers from 0; money in minor units.')
  if (money !== undefined && !isCurrency(money.currency))
    throw invalid(what, `counts in "${money.currency}", which is no currency`, "Use its code: 'EUR'.")
  return Object.freeze({
    ...(money === undefined ? {} : { money: Object.freeze({ amount: money.amount, currency: money.currency }) }),
    ...(tokens === undefined ? {} : { tokens }),
    ...(calls === undefined ? {} : { calls }),
  })
}

export function counts(budget: Pick<Budget, 'on'>, name: string): boolean {
  return covers(budget.on, name)
}

/** Units of one kind each; money in the budget's own currency. */
export interface Amount {
  readonly money: number
  readonly tokens: number
  readonly calls: number
}

export const NOTHING: Amount = Object.freeze({ money: 0, tokens: 0, calls: 0 })

/** One budget of one period, as its record keeps it. */
export interface Ledger {
  readonly used: Amount
  readonly reserved: Amount
  /** What people have added to the limit. */
  readonly raised: Amount
}

export const EMPTY_LEDGER: Ledger = Object.freeze({ used: NOTHING, reserved: NOTHING, raised: NOTHING })

export function reserve(ledger: Ledger, amount: Amount): Ledger {
  return { ...ledger, reserved: add(ledger.reserved, amount) }
}

/** Of what was `reserved`, `spent` is used and the rest given back. */
export function settle(ledger: Ledger, reserved: Amount, spent: Amount): Ledger {
  return { ...ledger, reserved: add(ledger.reserved, reserved, -1), used: add(ledger.used, spent) }
}

export function raise(ledger: Ledger, by: Amount): Ledger {
  return { ...ledger, raised: add(ledger.raised, by) }
}

/** What of `limit` would be passed, in words; undefined where there is room. */
export function shortOf(ledger: Ledger, limit: Spending, amount: Amount): string | undefined {
  const { used, reserved, raised } = ledger
  const parts = (['money', 'tokens', 'calls'] as const).flatMap((unit): string[] => {
    const given = unit === 'money' ? limit.money?.amount : limit[unit]
    if (given === undefined || amount[unit] === 0) return []
    const most = round(given + raised[unit])
    const taken = round(used[unit] + reserved[unit])
    if (round(taken + amount[unit]) <= most) return []
    const name = unit === 'money' ? limit.money!.currency : unit
    const show = (value: number): string => (unit === 'money' ? inMajor(value, name) : String(value))
    return [`${show(taken)} of ${show(most)} ${name} are used or reserved, and this takes ${show(amount[unit])}`]
  })
  return parts.length === 0 ? undefined : parts.join('; ')
}

function add(a: Amount, b: Amount, sign: 1 | -1 = 1): Amount {
  const sum = (unit: keyof Amount): number => Math.max(0, round(a[unit] + sign * b[unit]))
  return { money: sum('money'), tokens: sum('tokens'), calls: sum('calls') }
}

/** Millionths of a minor unit are enough, and hide what binary fractions add. */
function round(value: number): number {
  return Math.round(value * 1e6) / 1e6
}

function invalid(what: string, why: string, hint: string): KeelsonError {
  return new KeelsonError('DEFINITION_INVALID', `${what} ${why}`, { hint })
}
