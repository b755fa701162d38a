/**
 * Grant: what a standing approval answers for, and how one is passed on: narrower, never more.
 *
 * V1. A grant that was passed on answers only where all those above it do: where, cap, end; each use counts for all of them.
 * V2. It answers for the action under the account that it was made for, and as that was defined then: another input, effect or
 *     wording is another action.
 * V3. It answers for whom it was given to, and for nobody else whom they call: to those it is passed on.
 */
import { isMoney, type Actor, type Money } from '../base/actor.ts'
import { moneyIn, totals } from '../base/money.ts'
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'

/** Who may use it; both where both are given. Nobody named: whoever asks. */
export interface Holder {
  readonly persona?: string
  readonly playbook?: string
}

export interface Grant {
  readonly id: string
  readonly action: string
  /** The account of its connector; left out: 'default'. */
  readonly account?: string
  readonly where: Json
  readonly cap: { readonly count?: number; readonly amount?: Money; readonly perMs?: number }
  readonly until: number
  readonly by: Actor
  readonly revoked: boolean
  /** The grant that it was passed on from. */
  readonly parent?: string
  readonly holder?: Holder
  /** Mark of how the action was defined when it was made (at its first use, of one from before that was kept). */
  readonly shape?: string
  /** Uses that count against the cap now: those of the period. `via`: by a grant that was passed on from this one. */
  readonly uses: readonly {
    readonly effect: string
    readonly at: number
    readonly amount?: Money
    readonly via?: string
  }[]
  /** Of its whole life. */
  readonly used: { readonly count: number; readonly amount?: number; readonly lastAt?: number }
}

/** What asks for an answer. */
export interface Use {
  readonly action: string
  readonly account: string
  readonly input: Json
  /** What it costs: of what does not say so, all money in its input. Null: its action could not say. */
  readonly costs?: readonly Money[] | null
  readonly effect: string
  /** Mark of how the action is defined now. */
  readonly shape: string
  /** Who acts: the nearest persona and the playbook itself, not those that called it. */
  readonly holder: Holder
}

/** The first grant that answers now, and those above it, nearest first. `grants` are all of the action. */
export function answering(grants: readonly Grant[], use: Use, now: number): readonly Grant[] | undefined {
  const byId = new Map(grants.map((one) => [one.id, one]))
  for (const grant of grants) {
    const line = lineOf(byId, grant)
    if (line !== undefined && isHeldBy(grant, use.holder) && line.every((one) => answers(one, use, now))) return line
  }
  return undefined
}

/** The grant and all above it; undefined where one of them is gone. */
export function lineOf(byId: ReadonlyMap<string, Grant>, grant: Grant): readonly Grant[] | undefined {
  const line = [grant]
  for (let above = grant.parent; above !== undefined; above = line.at(-1)!.parent) {
    const found = byId.get(above)
    if (found === undefined || line.includes(found)) return undefined
    line.push(found)
  }
  return line
}

/** Those that were passed on from it, and on from those. */
export function below(grants: readonly Grant[], id: string): readonly Grant[] {
  const own = grants.filter((one) => one.parent === id)
  return [...own, ...own.flatMap((one) => below(grants, one.id))]
}

/** The grant with one more use. */
export function withUse(grant: Grant, use: Use, now: number, via: string): Grant {
  const amount = amountOf(use)
  const one = { effect: use.effect, at: now, ...(amount === undefined ? {} : { amount }) }
  const spent = amount === undefined ? {} : { amount: (grant.used?.amount ?? 0) + amount.amount }
  return {
    ...grant,
    shape: grant.shape ?? use.shape,
    uses: [...inPeriod(grant, now), via === grant.id ? one : { ...one, via }],
    used: { ...grant.used, count: (grant.used?.count ?? 0) + 1, lastAt: now, ...spent },
  }
}

/** A period is the time before now, sliding: `per: '30d'` counts what was used in the last thirty days. */
export function inPeriod(grant: Grant, now: number): Grant['uses'] {
  const { perMs } = grant.cap
  return perMs === undefined ? grant.uses : grant.uses.filter((one) => one.at > now - perMs)
}

/** In what a grant would be more than the one that it is passed on from, in words; undefined: in nothing. */
export function beyond(
  child: Pick<Grant, 'where' | 'cap' | 'until'>,
  parent: Pick<Grant, 'where' | 'cap' | 'until'>,
): string | undefined {
  if (child.until > parent.until) return `it would end later than ${new Date(parent.until).toISOString()}`
  const { count, amount } = child.cap
  if (count !== undefined && parent.cap.count !== undefined && count > parent.cap.count)
    return `${count} uses are more than ${parent.cap.count}`
  if (amount !== undefined && parent.cap.amount !== undefined) {
    const { amount: most, currency } = parent.cap.amount
    if (amount.currency !== currency) return `its cap is in ${amount.currency}, not in ${currency}`
    if (amount.amount > most) return `${amount.amount} ${currency} are more than ${most}`
  }
  const above = parent.where as Record<string, Json>
  const wider = Object.entries(child.where as Record<string, Json>).find(
    ([field, wanted]) => Object.hasOwn(above, field) && !isWithin(wanted, above[field]!),
  )
  return wider === undefined ? undefined : `its where lets more of "${wider[0]}" through`
}

function isHeldBy({ holder = {} }: Grant, acting: Holder): boolean {
  const { persona, playbook } = holder
  return (persona ?? acting.persona) === acting.persona && (playbook ?? acting.playbook) === acting.playbook
}

function answers(grant: Grant, use: Use, now: number): boolean {
  if (grant.revoked || now >= grant.until || grant.action !== use.action) return false
  if ((grant.account ?? 'default') !== use.account) return false
  if (grant.shape !== undefined && grant.shape !== use.shape) return false
  return coversInput(grant.where, use.input) && hasRoom(grant, inPeriod(grant, now), amountOf(use))
}

function hasRoom(grant: Grant, uses: Grant['uses'], amount: Money | undefined): boolean {
  const { count, amount: most } = grant.cap
  if (count !== undefined && uses.length >= count) return false
  if (most === undefined) return true
  if (amount?.currency !== most.currency) return false
  const spent = uses.reduce((sum, one) => sum + (one.amount?.amount ?? 0), 0)
  return spent + amount.amount <= most.amount
}

/** What it takes of a cap. Undefined where it costs nothing, in several currencies, or something negative: it could not be added up. */
export function amountOf({ costs, input }: Pick<Use, 'costs' | 'input'>): Money | undefined {
  const money = costs === undefined ? moneyIn(input) : (costs ?? [])
  const [sum, ...others] = totals(money)
  return others.length > 0 || money.some(({ amount }) => amount < 0) ? undefined : sum
}

function coversInput(where: Json, input: Json): boolean {
  const fields = (typeof input === 'object' && input !== null ? input : {}) as Record<string, Json>
  return Object.entries(where as Record<string, Json>).every(([name, wanted]) => coversField(wanted, fields[name]))
}

interface Bound {
  readonly max?: number | Money
  readonly min?: number
  readonly endsWith?: string
}

function coversField(wanted: Json, value: Json | undefined): boolean {
  if (value === undefined) return false
  if (canonical(wanted) === canonical(value)) return true
  if (Array.isArray(wanted)) return wanted.some((one: Json) => canonical(one) === canonical(value))
  if (typeof wanted !== 'object' || wanted === null) return false
  const bound = wanted as Bound
  if (typeof value === 'number') {
    const known = typeof bound.max === 'number' || typeof bound.min === 'number'
    return known && value <= ((bound.max as number | undefined) ?? Infinity) && value >= floorOf(bound)
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

/** A ceiling alone begins at nothing, as one of money does: who allows up to 100 has not thought of -5,000. */
function floorOf({ min, max }: Bound): number {
  return min ?? (typeof max === 'number' && max >= 0 ? 0 : -Infinity)
}

/** Does one condition let nothing through that the other does not? */
function isWithin(wanted: Json, above: Json): boolean {
  if (canonical(wanted) === canonical(above) || coversField(above, wanted)) return true
  if (Array.isArray(wanted)) return wanted.every((one: Json) => coversField(above, one))
  if (typeof wanted !== 'object' || wanted === null || typeof above !== 'object' || above === null) return false
  const [a, b] = [wanted as Bound, above as Bound]
  if (typeof a.endsWith === 'string') return typeof b.endsWith === 'string' && coversField(above, a.endsWith)
  if (isMoney(a.max)) return coversField(above, a.max as unknown as Json)
  const ceiling = b.max === undefined || (typeof a.max === 'number' && typeof b.max === 'number' && a.max <= b.max)
  return (b.min !== undefined || b.max !== undefined) && floorOf(a) >= floorOf(b) && ceiling
}
