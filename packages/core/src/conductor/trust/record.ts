/** TrustRecord: where an action stands in one segment, as its record keeps it, and what each happening makes of it. */
import { isMoney, type Actor, type Money } from '../../base/actor.ts'
import { sha256 } from '../../base/hash.ts'
import { totals } from '../../base/money.ts'
import { canonical } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import { shapeOf } from '../../connector/shape.ts'
import type { Draft } from '../../journal/entry.ts'
import type { Put } from '../../journal/put.ts'
import type { TrustRule } from '../../policy/trust-rule.ts'
import {
  advance,
  standingAt,
  type RungChange,
  type Happening,
  type Limits,
  type TrustRung,
  type Standing,
  type Step,
} from '../../policy/trust.ts'
import type { Environment } from '../environment.ts'
import { closing, itemHash, itemPut, type ItemRecord } from '../item.ts'
import { agentsOf, takenIn, versionOf } from './version.ts'

export interface TrustRecord {
  readonly action: string
  /** The account of its connector; left out: 'default'. */
  readonly account?: string
  readonly segment: string
  readonly standing: Standing
  /**
   * The largest amount of each currency ('' for none), and the domains, that people have let pass. One number, of whatever currency, in
   * records of earlier releases: it says nothing of any, so that the next amount is asked about.
   */
  readonly largest: Amounts
  readonly domains: readonly string[]
  /** When it acted by itself in the last week. */
  readonly uses: readonly number[]
  /** The last effects that were held against it as wrong: each is, once. */
  readonly wrong?: readonly string[]
  /** The last audits that have counted, by their items, and what each said. */
  readonly audits?: readonly (readonly [item: string, good: boolean])[]
  /** Mark of how the action was defined; undefined in records from before that was kept. */
  readonly shape?: string
  /** Mark of the agents behind it; undefined where none were known. */
  readonly agents?: string
  readonly version: number
  /** What a person has said of how high it may climb, in place of its rule. */
  readonly ceiling?: Ceiling
}

type Audits = NonNullable<TrustRecord['audits']>
type Amounts = { readonly [currency: string]: number }

export interface Ceiling {
  readonly rung: TrustRung
  readonly by: Actor
  readonly at: number
  /** From then on its rule says it again. */
  readonly until?: number
  readonly reason?: string
}

/** How high it may climb at an instant. */
export function ceilingAt(rule: TrustRule, record: Pick<TrustRecord, 'ceiling'>, at: number): TrustRung {
  return ceilingBy(record, at)?.rung ?? rule.ceiling
}

/** What a person has said of that, where it still counts. */
export function ceilingBy({ ceiling }: Pick<TrustRecord, 'ceiling'>, at: number): Ceiling | undefined {
  return ceiling === undefined || at >= (ceiling.until ?? Infinity) ? undefined : ceiling
}

const DOMAINS_MAX = 500
const AUDITS_MAX = 200

export function ruleOf(env: Environment, action: string | undefined, account = 'default'): TrustRule | undefined {
  return env.trust.find((one) => one.action === action && one.account === account)
}

/** Why an answer about trust is not taken here: in a process that does not know it, nothing would come of it. */
export function whyUnheard(env: Environment, item: ItemRecord, verb: string): string | undefined {
  const isAbout = item.code === PROPOSAL || item.code === PROMOTED || item.code === AUDIT
  if (verb !== 'answer' || !isAbout || ruleOf(env, item.action, item.account) !== undefined) return undefined
  return `nothing would come of it: no defineTrust() of ${item.action ?? ''} is known to this process; answer where it is, or dismiss it`
}

/** An action as it is told apart from itself under another account. */
function nameOf({ action, account }: Pick<TrustRule, 'action' | 'account'>): string {
  return account === 'default' ? action : `${action}@${account}`
}

export function trustId({ action, account }: TrustRule, segment: string): string {
  return account === 'default' ? `${action}|${segment}` : canonical([action, account, segment])
}

/** What is left out where it is the default one. */
export function under({ account }: TrustRule): { account?: string } {
  return account === 'default' ? {} : { account }
}

/** The record as of now: under today's version, and with the time that has passed. */
export async function trustOf(
  env: Environment,
  workspace: string,
  rule: TrustRule,
  segment: string,
): Promise<TrustRecord> {
  const id = trustId(rule, segment)
  const [row] = await env.store.records(workspace, { kind: 'trust', ids: [id], limit: 1 })
  if (row !== undefined) {
    const record = { ...(JSON.parse(row.data) as TrustRecord), version: row.version }
    return isReshaped(env, rule, record) ? { ...record, largest: {}, domains: [], uses: [] } : record
  }
  const agents = agentsOf(env, rule)
  const standing = standingAt(rule.start, versionOf(env, rule, agents), env.clock.now())
  const none = { largest: {}, domains: [], uses: [], version: 0 }
  return {
    action: rule.action,
    ...under(rule),
    segment,
    standing,
    ...none,
    ...(agents === undefined ? {} : { agents }),
  }
}

/** Segment of an input; undefined where the host's function threw: then nothing is trusted. */
export function segmentOf(rule: TrustRule, input: Json): string | undefined {
  try {
    return rule.segment(input)
  } catch {
    return undefined
  }
}

function limitsOf(rule: TrustRule, record: TrustRecord, at: number): Limits {
  const { highRisk, autoPromote } = rule
  return { highRisk, ceiling: ceilingAt(rule, record, at), ...(autoPromote === undefined ? {} : { autoPromote }) }
}

/** The action is defined otherwise than when the record was last written. */
export function isReshaped(env: Environment, rule: TrustRule, { shape: before }: TrustRecord): boolean {
  const now = shapeNow(env, rule)
  return before !== undefined && now !== undefined && before !== now
}

/** Where it stands, whether or not that was recorded yet. */
export function standingNow(env: Environment, rule: TrustRule, record: TrustRecord): Standing {
  const at = env.clock.now()
  const limits = limitsOf(rule, record, at)
  return sinceThen(env, rule, record, at).reduce(
    (one, happening) => advance(one, happening, limits).standing,
    takenIn(env, rule, record),
  )
}

/** What has happened without anybody recording it: another definition, another version, time. */
function sinceThen(env: Environment, rule: TrustRule, record: TrustRecord, at: number): Happening[] {
  return [
    ...(isReshaped(env, rule, record) ? [{ what: 'reshaped', at } as const] : []),
    { what: 'version', version: versionOf(env, rule, agentsOf(env, rule) ?? record.agents), at },
    { what: 'time', at },
  ]
}

function shapeNow(env: Environment, { action }: TrustRule): string | undefined {
  const known = env.actions.find(action)
  return known === undefined ? undefined : shapeOf(known).mark
}

/**
 * The record after what happened, with what a person is asked or told of it; `drafts`: promotions that nobody was asked about.
 * `deciding`: the item that is being decided with it.
 */
export async function happened(
  env: Environment,
  workspace: string,
  rule: TrustRule,
  record: TrustRecord,
  happenings: readonly Happening[],
  more: Partial<TrustRecord> = {},
  deciding?: string,
): Promise<{ record: TrustRecord; puts: Put[]; drafts: Draft[] }> {
  const at = env.clock.now()
  const limits = limitsOf(rule, record, at)
  const puts: Put[] = []
  const drafts: Draft[] = []
  const over = new Set<string>()
  let standing = takenIn(env, rule, record)
  let { audits = [] } = record
  const shape = shapeNow(env, rule)
  for (const one of [...sinceThen(env, rule, record, at), ...happenings]) {
    const step = advance(standing, one, limits)
    for (const id of overBy(rule, record.segment, standing, step)) over.add(id)
    audits = auditsAfter(audits, standing, one, step)
    standing = step.standing
    if (step.change === undefined) continue
    if (step.change.kind === 'promoted') drafts.push(promoted(rule, record.segment, step.change))
    const item = itemOf(rule, { ...record, standing }, step.change, at)
    if (item !== undefined) puts.push(itemPut(item, await nextVersion(env, workspace, item.id)))
  }
  const closed = [...over].filter((id) => id !== deciding)
  if (closed.length > 0) puts.push(...(await closing(env.store, workspace, closed, 'withdrawn')))
  const agents = agentsOf(env, rule) ?? record.agents
  const defined = { ...(shape === undefined ? {} : { shape }), ...(agents === undefined ? {} : { agents }) }
  const next = { ...record, ...more, ...defined, audits, standing, version: record.version + 1 }
  const put: Put = {
    kind: 'trust',
    id: trustId(rule, record.segment),
    version: next.version,
    data: next as unknown as Json,
    index: { all: 'trust' },
  }
  return { record: next, puts: [put, ...puts], drafts }
}

/** Where what was seen counts no more, nor do they. */
function auditsAfter(audits: Audits, before: Standing, { what, ...one }: Happening, { standing }: Step): Audits {
  const left = standing.seen < before.seen ? [] : audits
  const { audit, good } = one as { audit?: string; good?: boolean }
  return what !== 'seen' || audit === undefined ? left : [...left, [audit, good === true] as const].slice(-AUDITS_MAX)
}

/** Items that are about no more what is so: a proposal of before, a promotion that does not stand. */
function overBy(rule: TrustRule, segment: string, before: Standing, { standing, change }: Step): string[] {
  const asked = change === undefined || change.kind === 'proposed' ? [] : [itemId('trust', rule, segment, before)]
  const isOn = (standing.rung === before.rung && standing.since === before.since) || change?.kind === 'promoted'
  return isOn ? asked : [...asked, itemId('promoted', rule, segment, before)]
}

/** Who promotes where no person does. */
const BY_SETTING: Actor = { kind: 'system', id: 'autoPromote' }

function promoted(rule: TrustRule, segment: string, { from, to }: RungChange & { kind: 'promoted' }): Draft {
  const { action, version, autoPromote = 'approve' } = rule
  return {
    kind: 'trust.promoted',
    data: { by: BY_SETTING, action, ...under(rule), segment, from, rung: to, autoPromote, version },
  }
}

async function nextVersion(env: Environment, workspace: string, id: string): Promise<number> {
  const [row] = await env.store.records(workspace, { kind: 'inbox', ids: [id], limit: 1 })
  return (row?.version ?? 0) + 1
}

/** What people let pass widens what is usual. */
export function widened(record: TrustRecord, input: Json, costs: Costs): Partial<TrustRecord> {
  const domains = [...new Set([...record.domains, ...domainsIn(input)])].slice(-DOMAINS_MAX)
  const largest: Record<string, number> = { ...record.largest }
  for (const [currency, amount] of amountsIn(input, costs)) largest[currency] = Math.max(largest[currency] ?? 0, amount)
  return { largest, domains }
}

/** Why this one is not like those that trust was earned with; undefined: it is. */
export function anomalyIn(
  record: TrustRecord,
  { input, costs, untrusted }: { input: Json; costs: Costs; untrusted: boolean },
): string | undefined {
  if (untrusted) return 'text from outside had a part in it'
  if (costs === undefined) return 'its action does not say what it costs'
  const isFar = ([currency, amount]: readonly [string, number]): boolean =>
    amount > 1.5 * (record.largest[currency] ?? 0)
  if (amountsIn(input, costs).some(isFar)) return 'the amount is far above any before'
  const fresh = domainsIn(input).find((one) => !record.domains.includes(one))
  return fresh === undefined ? undefined : `nothing went to ${fresh} before`
}

/** What its action says that it costs; undefined where that code does not tell. */
type Costs = readonly Money[] | undefined

/** What it costs, by currency; and each amount that the input names without a currency, however deep, by its size. */
function amountsIn(input: Json, costs: Costs): (readonly [currency: string, amount: number])[] {
  const bare = partsOf(input).flatMap((part) => {
    const { amount } = (part ?? {}) as { amount?: unknown }
    return typeof amount === 'number' && !isMoney(part) ? [['', Math.abs(amount)] as const] : []
  })
  return [...totals(costs ?? []).map(({ currency, amount }) => [currency, amount] as const), ...bare]
}

/** The domains of the addresses in an input, however deep: bare, with a name, or several in a text. */
function domainsIn(input: Json): string[] {
  return partsOf(input)
    .flatMap((one) => (typeof one === 'string' ? one.split(/[,;\n]/) : []))
    .flatMap((one) => /^(?:mailto:)?[^\s@]+@([^\s@?]+)$/i.exec(bare(one))?.[1]?.toLowerCase() ?? [])
}

/** `Ada <ada@x.org>` without the name. */
function bare(address: string): string {
  return /<([^<>]*)>\s*$/.exec(address)?.[1]?.trim() ?? address.trim()
}

/** A value and all that is in it. */
function partsOf(value: Json): Json[] {
  const inner = typeof value === 'object' && value !== null ? Object.values<Json>(value) : []
  return [value, ...inner.flatMap((one) => partsOf(one))]
}

export const PROPOSAL = 'TRUST_PROPOSAL'
export const PROMOTED = 'TRUST_PROMOTED'
export const DEMOTED = 'TRUST_DEMOTED'
export const AUDIT = 'TRUST_AUDIT'
export const DIGEST = 'TRUST_DIGEST'
/** What is only told. */
const TOLD: readonly string[] = [DEMOTED, DIGEST]

/** Of a proposal to leave a standing ('trust'), or of the promotion to it. */
function itemId(about: 'trust' | 'promoted', rule: TrustRule, segment: string, { rung, since }: Standing): string {
  return sha256(canonical([about, nameOf(rule), segment, rung, since])).slice(0, 16)
}

/** The item that a change puts before a person. */
function itemOf(rule: TrustRule, record: TrustRecord, change: RungChange, at: number): ItemRecord | undefined {
  const { standing } = record
  const where = record.segment === 'all' ? nameOf(rule) : `${nameOf(rule)} (${record.segment})`
  const about = { action: rule.action, ...under(rule), input: { segment: record.segment } as Json }
  if (change.kind === 'withdrawn') return undefined
  if (change.kind !== 'demoted') {
    const { to, seen, good, lower } = change
    const shown = `${good} of ${seen} were as they should be: at least ${percent(lower)}. It may go no higher than ${highest(rule, record, at)}.`
    if (change.kind === 'proposed') {
      const text = `${where} would ${SENTENCE[to]}\n${shown}`
      const input = { segment: record.segment, to }
      const id = itemId('trust', rule, record.segment, standing)
      return attention(id, PROPOSAL, `Let ${where} go to "${to}"?`, text, at, { ...about, input })
    }
    const { from } = change
    const by = `Nobody was asked: autoPromote "${rule.autoPromote}" of its version ${rule.version}.`
    const text = `From now on ${where} will ${SENTENCE[to]}\n${shown} ${by}`
    const input = { segment: record.segment, from, to }
    const id = itemId('promoted', rule, record.segment, standing)
    return attention(id, PROMOTED, `${where} went from "${from}" to "${to}" by itself`, text, at, { ...about, input })
  }
  const id = sha256(canonical(['demoted', nameOf(rule), record.segment, change.from, at])).slice(0, 16)
  return attention(id, DEMOTED, `${where} went from "${change.from}" to "${change.to}"`, change.why, at, about)
}

function highest(rule: TrustRule, record: TrustRecord, at: number): string {
  const why = rule.category === undefined || ceilingBy(record, at) !== undefined ? '' : ` (${rule.category})`
  return `"${ceilingAt(rule, record, at)}"${why}`
}

const SENTENCE: { readonly [R in TrustRung]: string } = {
  shadow: 'be simulated: nothing of it leaves.',
  approve: 'ask each time.',
  batch: 'still ask; several can be decided together.',
  veto: 'happen by itself unless you stop it in time.',
  automatic: 'happen by itself; some are shown to you afterwards.',
}

/** An item that no run waits for. What asks is answered, all are put away. */
export function attention(
  id: string,
  code: string,
  title: string,
  text: string,
  at: number,
  about: { action?: string; account?: string; input: Json; shape?: string },
): ItemRecord {
  const bare: Omit<ItemRecord, 'hash'> = {
    id,
    kind: 'attention',
    state: 'open',
    run: '',
    key: '',
    title,
    openedAt: at,
    onSilence: 'wait',
    reminders: 0,
    allows: TOLD.includes(code) ? ['dismiss'] : ['answer', 'dismiss'],
    why: [],
    preview: { kind: 'text', after: text },
    editSchema: TOLD.includes(code) ? {} : YES_OR_NO,
    code,
    hint: HINTS[code] ?? 'Nothing is to be done.',
    ...about,
  }
  return { ...bare, hash: itemHash(bare) }
}

const HINTS: { readonly [code: string]: string } = {
  [PROPOSAL]: 'Answer { good: true } to allow it; { good: false }, or dismiss it, to leave it as it is.',
  [PROMOTED]: 'Answer { good: false } to take it back; dismiss it to let it stand.',
  [DIGEST]: 'Take back what was not right, as each line says; dismiss it when you have read it.',
  [AUDIT]: 'Answer { good: true } if it was right, { good: false } if not.',
}

const YES_OR_NO = {
  type: 'object',
  properties: { good: { type: 'boolean' } },
  required: ['good'],
  additionalProperties: false,
} as const

function percent(share: number): string {
  return `${Math.floor(share * 100)} %`
}
