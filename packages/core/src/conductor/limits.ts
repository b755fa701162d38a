/**
 * Limits: what stands between an allowed effect and its sending: working hours, budgets, rates; what it takes of them is
 * recorded in the unit that records the sending.
 *
 * L1. A reservation is a record of its own, made once for an effect or a question, and settled by what came of it.
 * L2. Ledgers and slots are records: two who take of one at a time conflict, and the second is judged again.
 * L3. What has a reservation has passed: a second try takes nothing. What a person changed after it was sent, and did not
 *     happen, gives up its reservation for one of what it takes now.
 */
import { KeelsonError } from '../base/errors.ts'
import { canonical } from '../base/json.ts'
import { slotFor, type Rate, type Slot } from '../base/rate.ts'
import type { Json } from '../base/value.ts'
import type { Put } from '../journal/put.ts'
import type { NewRun } from '../journal/store.ts'
import { EMPTY_LEDGER, NOTHING, reserve, settle, shortOf, type Amount } from '../policy/budget.ts'
import { dayOf, opensAt } from '../policy/hours.ts'
import { covers } from '../policy/scope.ts'
import { asDefined, type Behalf } from './behalf.ts'
import { budgetRun } from './budget-run.ts'
import { amountOf, linesOf, type Line } from './budget-lines.ts'
import type { BudgetRecord, Charge, Spend } from './charge.ts'
import type { Environment } from './environment.ts'

/** Why it may not be sent now. */
export type Limit =
  | { readonly kind: 'hours'; readonly persona: string; readonly until: number }
  | { readonly kind: 'rate'; readonly what: string; readonly until: number }
  | {
      readonly kind: 'budget'
      readonly budget: string
      readonly epoch: number
      readonly what: string
      readonly run: string
      readonly until?: number
      /** Somebody has said that it will not be raised. */
      readonly refused?: string
    }
  | { readonly kind: 'unpriced'; readonly what: string }

export interface Cleared {
  readonly limit?: Limit
  /** Belong into the unit whether or not there is a limit. */
  readonly puts: readonly Put[]
  readonly starts: readonly NewRun[]
}

interface Reservation {
  readonly name: string
  readonly state: 'reserved' | 'spent' | 'released'
  readonly lines: readonly { readonly budget: string; readonly amount: Amount; readonly currency?: string }[]
}

const CLEAR: Cleared = { puts: [], starts: [] }

/** Whether it may be sent now, and what is recorded with that. `exempt`: a person has said that hours do not matter. */
export async function clear(env: Environment, workspace: string, charge: Charge, exempt = false): Promise<Cleared> {
  if (isUnlimited(env, charge)) return CLEAR
  const { value: settings } = await env.company(workspace).settings()
  const zone = env.zone(settings)
  const now = env.clock.now()
  const hours = charge.inHours && !exempt ? closed(env, charge.behalf, zone, now) : undefined
  if (hours !== undefined) return { ...CLEAR, limit: hours }
  const lines = linesFor(env, charge, settings, dayOf(zone, now))
  if ('limit' in lines) return lines
  const budgets = await reserved(env, workspace, charge, lines)
  if (budgets.limit !== undefined) return budgets
  const turn = await slots(env, workspace, charge, now)
  return turn.limit === undefined ? { puts: [...budgets.puts, ...turn.puts], starts: [] } : turn
}

/** L3: the same of what was sent before, did not happen, and is another input since. Its turn and its hours it has had. */
export async function clearAnew(env: Environment, workspace: string, charge: Charge): Promise<Cleared> {
  if (isUnlimited(env, charge)) return CLEAR
  const { value: settings } = await env.company(workspace).settings()
  const lines = linesFor(env, charge, settings, dayOf(env.zone(settings), env.clock.now()))
  return 'limit' in lines ? lines : reserved(env, workspace, charge, lines, true)
}

/** A budget that cannot say its limit lets nothing out. */
function linesFor(...of: Parameters<typeof linesOf>): Line[] | (Cleared & { limit: Limit }) {
  try {
    return linesOf(...of)
  } catch (thrown) {
    if (!KeelsonError.is(thrown, 'DEFINITION_INVALID')) throw thrown
    return { ...CLEAR, limit: { kind: 'unpriced', what: thrown.message } }
  }
}

function isUnlimited(env: Environment, { behalf, rate }: Charge): boolean {
  return (
    rate === undefined &&
    behalf.personas.length === 0 &&
    env.budgets.length === 0 &&
    behalf.line.every(({ playbook }) => env.budgetOf(playbook) === undefined)
  )
}

function closed(env: Environment, behalf: Behalf, zone: string, now: number): Limit | undefined {
  return asDefined(env, behalf.personas)
    .flatMap(({ name, hours }): Limit[] => {
      const until = hours === undefined ? now : opensAt(hours, zone, now)
      return until > now ? [{ kind: 'hours', persona: name, until }] : []
    })
    .sort((a, b) => (b.kind === 'hours' && a.kind === 'hours' ? b.until - a.until : 0))[0]
}

/** L1, L3. `anew`: what it has reserved is given back before. */
async function reserved(
  env: Environment,
  workspace: string,
  charge: Charge,
  lines: readonly Line[],
  anew = false,
): Promise<Cleared> {
  const had = await reservationOf(env, workspace, charge.id)
  const before = had?.data.state === 'reserved' ? had.data.lines : []
  if (before.length > 0 && !anew) return CLEAR
  if (lines.length === 0 && before.length === 0) return CLEAR
  const ids = [...lines.map(({ id }) => ({ id })), ...before.map(({ budget }) => ({ id: budget }))]
  const ledgers = await recordsOf(env, workspace, ids)
  for (const { budget, amount } of before) {
    const { data, version } = ledgers.get(budget)!
    ledgers.set(budget, { data: { ...data, ...settle(data, amount, NOTHING) }, version })
  }
  const taken: Reservation['lines'][number][] = []
  for (const line of lines) {
    const amount = amountOf(line, charge.spend)
    if (amount === undefined) return { ...CLEAR, limit: { kind: 'unpriced', what: cannotCount(line, charge) } }
    const { data, version } = ledgers.get(line.id)!
    const short = shortOf(data, line.limit, amount)
    if (short !== undefined) return reached(env, workspace, charge, line, data, short)
    ledgers.set(line.id, { data: { ...reserve(data, amount), ...about(line, data) }, version })
    const { money } = line.limit
    taken.push({ budget: line.id, amount, ...(money === undefined ? {} : { currency: money.currency }) })
  }
  if (canonical(taken) === canonical(before)) return CLEAR
  const data = { name: charge.name, state: 'reserved', lines: taken } as const
  const puts = [...ledgers].map(([id, one]) => budgetPut(id, one.data, one.version + 1))
  return { puts: [...puts, reservationPut(charge.id, data, (had?.version ?? 0) + 1)], starts: [] }
}

function reached(
  env: Environment,
  workspace: string,
  charge: Charge,
  line: Line,
  data: BudgetRecord,
  short: string,
): Cleared {
  const { epoch, refused } = data
  const what = `budget ${line.what} is reached: ${short}`
  const until = line.until === undefined ? {} : { until: line.until }
  const input = { budget: line.id, epoch, what, name: charge.name, units: unitsOf(line), ...until }
  const run = budgetRun(env, workspace, { ...input, run: charge.behalf.line[0]?.run ?? '' })
  const limit: Limit = { kind: 'budget', budget: line.id, epoch, what, run: run.id, ...until }
  if (refused !== undefined) return { ...CLEAR, limit: { ...limit, refused } }
  return { puts: [], starts: [run], limit }
}

function unitsOf({ limit }: Line): { money?: string; tokens?: true; calls?: true } {
  return {
    ...(limit.money === undefined ? {} : { money: limit.money.currency }),
    ...(limit.tokens === undefined ? {} : { tokens: true as const }),
    ...(limit.calls === undefined ? {} : { calls: true as const }),
  }
}

function cannotCount(line: Line, charge: Charge): string {
  const { money, why: unknown } = charge.spend
  const other = money?.find((one) => one.currency !== line.limit.money?.currency)
  const none = unknown === undefined ? 'has no price' : `has no price (${unknown})`
  const why = other === undefined ? none : `is in ${other.currency}`
  return `budget ${line.what} counts ${line.limit.money?.currency}, and ${charge.name} ${why}; no worst case (unpriced) is configured`
}

/** L2. */
async function slots(env: Environment, workspace: string, charge: Charge, now: number): Promise<Cleared> {
  const rates = [...(charge.rate === undefined ? [] : [charge.rate]), ...personaRates(env, charge)]
  if (rates.length === 0) return CLEAR
  const ids = rates.map((one) => one.of)
  const rows = await env.store.records(workspace, { kind: 'rate', ids, limit: ids.length })
  const puts: Put[] = []
  let late: Limit | undefined
  for (const { of, rate } of rates) {
    const row = rows.find((one) => one.id === of)
    const had = row === undefined ? [] : (JSON.parse(row.data) as { slots: readonly Slot[] }).slots
    const { at, slots: next } = slotFor(had, rate, charge.id, now)
    if (next !== had)
      puts.push({ kind: 'rate', id: of, version: (row?.version ?? 0) + 1, data: { slots: next } as unknown as Json })
    if (at > now && (late?.kind !== 'rate' || at > late.until))
      late = { kind: 'rate', what: `the rate of ${of}`, until: at }
  }
  return late === undefined ? { puts, starts: [] } : { puts, starts: [], limit: late }
}

function personaRates(env: Environment, { behalf, name }: Charge): { of: string; rate: Rate }[] {
  return asDefined(env, behalf.personas).flatMap((persona) =>
    (persona.rates ?? [])
      .filter(({ on }) => covers(on, name))
      .map((rate) => ({ of: `persona ${persona.name}: ${rate.on.join(', ')}`, rate })),
  )
}

/**
 * What came of a charge: all of it was spent, none, or so much. What nobody knows stays reserved: do not call this then. What
 * was given back counts after all where it is said to have been spent.
 */
export async function settled(
  env: Environment,
  workspace: string,
  id: string,
  outcome: 'spent' | 'released' | Spend,
): Promise<Put[]> {
  const had = await reservationOf(env, workspace, id)
  const given = had?.data.state === 'released'
  if (had === undefined || had.data.state === 'spent' || (given && outcome !== 'spent')) return []
  const ids = had.data.lines.map(({ budget }) => ({ id: budget }))
  const found = await recordsOf(env, workspace, ids)
  const puts = had.data.lines.map(({ budget, amount, currency }) => {
    const { data, version } = found.get(budget)!
    const spent = outcome === 'spent' ? amount : outcome === 'released' ? NOTHING : really(outcome, amount, currency)
    return budgetPut(budget, { ...data, ...settle(data, given ? NOTHING : amount, spent) }, version + 1)
  })
  const state = outcome === 'released' ? 'released' : 'spent'
  return [...puts, reservationPut(id, { ...had.data, state }, had.version + 1)]
}

/** What is not known of it counts as reserved. */
function really(spend: Spend, reservedFor: Amount, currency: string | undefined): Amount {
  return {
    calls: reservedFor.calls,
    tokens: reservedFor.tokens === 0 ? 0 : (spend.tokens ?? reservedFor.tokens),
    money:
      reservedFor.money === 0
        ? 0
        : (spend.money?.find((one) => one.currency === currency)?.amount ?? reservedFor.money),
  }
}

async function recordsOf(
  env: Environment,
  workspace: string,
  lines: readonly { id: string }[],
): Promise<Map<string, { data: BudgetRecord; version: number }>> {
  const ids = [...new Set(lines.map((one) => one.id))]
  const rows = await env.store.records(workspace, { kind: 'budget', ids, limit: ids.length })
  return new Map(
    ids.map((id) => {
      const row = rows.find((one) => one.id === id)
      const data = row === undefined ? { ...EMPTY_LEDGER, what: '', epoch: 0 } : (JSON.parse(row.data) as BudgetRecord)
      return [id, { data, version: row?.version ?? 0 }]
    }),
  )
}

async function reservationOf(
  env: Environment,
  workspace: string,
  id: string,
): Promise<{ data: Reservation; version: number } | undefined> {
  const [row] = await env.store.records(workspace, { kind: 'reservation', ids: [id], limit: 1 })
  return row === undefined ? undefined : { data: JSON.parse(row.data) as Reservation, version: row.version }
}

function about(
  line: Line,
  { epoch, refused }: BudgetRecord,
): Pick<BudgetRecord, 'what' | 'epoch' | 'until' | 'currency' | 'refused'> {
  const until = line.until === undefined ? {} : { until: line.until }
  const { money } = line.limit
  const currency = money === undefined ? {} : { currency: money.currency }
  return { what: line.what, epoch, ...until, ...currency, ...(refused === undefined ? {} : { refused }) }
}

export function budgetPut(id: string, record: BudgetRecord, version: number): Put {
  return { kind: 'budget', id, version, data: record as unknown as Json, index: { all: 'budget' } }
}

function reservationPut(id: string, data: Reservation, version: number): Put {
  return { kind: 'reservation', id, version, data: data as unknown as Json }
}
