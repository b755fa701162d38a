/**
 * Gate: decides on every action: deny, or obligations to ask and to hold, or allow; always with a reason.
 *
 * G1. No action runs without a judgement. No matching rule: reads are allowed, writes ask.
 * G2. A rule that throws, or returns junk or a promise, denies a write (and a read). So does an engine that exceeds its time.
 * G3. What rules see is frozen; the order of rules never matters.
 * G4. What rests on untrusted words and on private data, and goes out, asks, unless a rule for it names one of the labels.
 */
import { isUnlabelled, labelsText, NO_LABELS, type Label, type Labels } from '../base/labels.ts'
import { isPromise } from '../base/known.ts'
import { canonicalAround, deepFreeze, parseStored } from '../base/json.ts'
import type { Settings } from './settings.ts'
import { lookupKey, type AnyLookup, type PolicyGate, type Rule } from './rule.ts'
import { ALLOW, BY_DEFAULT, combine, verdictOf, type Judgement, type Said } from './verdict.ts'

/** What is about to happen. */
export interface Intended {
  readonly workspace: string
  readonly action: string
  readonly account: string
  readonly effect: 'read' | 'reversible' | 'irreversible'
  /** As it is stored and hashed: defaults filled in, codecs encoded. Frozen. */
  readonly input: unknown
  readonly settings: Settings
  readonly labels: ReadonlySet<string>
  /** What brought each label. */
  readonly sources?: Labels
  /** What the input says leaves the company: a write, or a read whose question does. Default: writes. */
  readonly outgoing?: boolean
  readonly persona: string | undefined
  /** It was done, and is to be taken back: `input` is what was done. */
  readonly undo?: boolean
}

/** Judges intents. The default one is a set of typed rules; others may be plugged in. */
export interface PolicyEngine {
  /** Changes when its rules change. */
  readonly version: string
  judge(intended: Intended, find: Find): Promise<Judgement> | Judgement
}

/** Resolves a declared look-up. */
export type Find = (lookup: AnyLookup) => Promise<unknown>

/** What is known of one action: its rules, and the judgement where all of them allow. */
interface Known {
  readonly rules: readonly Rule[]
  readonly looks: boolean
  readonly allowed: Judgement
  /** Labels that a rule speaks of. */
  readonly names: ReadonlySet<Label>
}

const own = new WeakSet<PolicyEngine>()

/** The engine of a set of typed rules. It answers at once where no rule looks anything up. */
export function ruleEngine(gate: PolicyGate | undefined): PolicyEngine {
  const version = gate?.version ?? 'none'
  const rules = gate?.rules ?? []
  const doing = knownActions(
    rules.filter((one) => !one.undo),
    version,
  )
  const undoing = knownActions(
    rules.filter((one) => one.undo),
    version,
  )
  const engine: PolicyEngine = {
    version,
    judge(intended, find) {
      const known = (intended.undo === true ? undoing : doing).get(intended.action)
      if (known === undefined) return combine([byDefault(intended), ...trifecta(intended, undefined)], version, {})
      if (known.looks) return lookAndJudge(known, intended, find, version)
      const said = decideAll(known.rules, intended)
      if (said === undefined && intended.labels.size < 2) return known.allowed
      return concluded(known, intended, said, version)
    },
  }
  own.add(engine)
  return engine
}

function knownActions(rules: readonly Rule[], version: string): Map<string, Known> {
  const byAction = new Map<string, Rule[]>()
  for (const rule of rules) {
    for (const name of rule.on) byAction.set(name, [...(byAction.get(name) ?? []), rule])
  }
  return new Map(
    [...byAction].map(([name, list]): [string, Known] => {
      const allowed = deepFreeze(combine(allow(list), version, {}))
      const looks = list.some((rule) => rule.look !== undefined)
      return [name, { rules: list, looks, allowed, names: new Set(list.flatMap((rule) => rule.labels)) }]
    }),
  )
}

function allow(rules: readonly Rule[]): Said[] {
  return rules.map(({ name }) => ({ rule: name, verdict: ALLOW }))
}

/** What the rules say beyond `allow`; undefined where all of them allow. */
function decideAll(rules: readonly Rule[], intended: Intended, found?: Found): Said[] | undefined {
  const { input, settings, labels } = intended
  const nothing = Object.freeze({ input, found: NOTHING, settings, labels })
  let said: Said[] | undefined
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!
    const facts = rule.look === undefined ? nothing : factsOf(rule, intended, found)
    const answer = 'broken' in facts ? broken(facts.broken) : ask(rule, facts)
    if (answer === ALLOW) continue
    said ??= []
    const list = (Array.isArray(answer) ? answer : [answer]) as readonly Said['verdict'][]
    for (const verdict of list) said.push({ rule: rule.name, verdict: sourced(rule, verdict, intended) })
  }
  return said
}

/** What a rule that speaks of labels asks or denies names where they come from. */
function sourced(rule: Rule, verdict: Said['verdict'], { sources = NO_LABELS }: Intended): Said['verdict'] {
  const speaks = rule.labels.length > 0 && (verdict.verdict === 'ask' || verdict.verdict === 'deny')
  if (!speaks || isUnlabelled(sources)) return verdict
  const from = `it rests on ${labelsText(sources)}`
  return { ...verdict, reason: verdict.reason === undefined ? from : `${verdict.reason}; ${from}` }
}

type Answer = Said['verdict'] | readonly Said['verdict'][]
type Facts = Parameters<Rule['decide']>[0]
const NOTHING = Object.freeze({})

/** G2: what one rule answers, or the denial that its failure is. */
function ask(rule: Rule, facts: Facts): Answer {
  try {
    const answer: unknown = rule.decide(facts)
    return answer === ALLOW ? ALLOW : checked(answer)
  } catch (thrown) {
    return broken(thrown)
  }
}

function checked(answer: unknown): Answer {
  const one = verdictOf(answer)
  if (one !== undefined) return one === ALLOW ? [one] : one
  const given = Array.isArray(answer) ? (answer as unknown[]) : [answer]
  const list = given.map(verdictOf)
  if (list.length > 0 && list.every((each) => each !== undefined)) return list
  const promises = given.filter(isPromise)
  if (promises.length > 0) return { verdict: 'deny', reason: dropped(promises) }
  return { verdict: 'deny', reason: 'the rule returned no verdict' }
}

/** Nobody waits for what it comes to: that it fails must not end the process. */
function dropped(promises: readonly PromiseLike<unknown>[]): string {
  for (const one of promises) void one.then(undefined, () => {})
  return 'the rule returned a promise: a rule is not async; what it has to look up, it declares as look'
}

function broken(thrown: unknown): Answer {
  return { verdict: 'deny', reason: `the rule threw: ${thrown instanceof Error ? thrown.message : String(thrown)}` }
}

/** What the look-ups of each rule found, or what they threw. */
type Found = Map<string, { readonly values: Record<string, unknown> } | { readonly broken: unknown }>

function factsOf(rule: Rule, intended: Intended, found: Found | undefined): Facts | { readonly broken: unknown } {
  const of = found?.get(rule.name)
  if (of === undefined || 'broken' in of) return of ?? { broken: 'nothing was looked up' }
  const { input, settings, labels } = intended
  return Object.freeze({ input, found: deepFreeze(of.values), settings, labels })
}

async function lookAndJudge(known: Known, intended: Intended, find: Find, version: string): Promise<Judgement> {
  const found: Found = new Map()
  const looked: Record<string, Record<string, string>> = {}
  const once = new Map<string, Promise<unknown>>()
  for (const rule of known.rules) {
    if (rule.look === undefined) continue
    try {
      const values: Record<string, unknown> = {}
      const keys: Record<string, string> = {}
      for (const [name, lookup] of Object.entries(rule.look(intended.input))) {
        const key = lookupKey(lookup)
        const value = once.get(key) ?? find(lookup)
        once.set(key, value)
        values[name] = await value
        keys[name] = key
      }
      found.set(rule.name, { values })
      looked[rule.name] = keys
    } catch (thrown) {
      found.set(rule.name, { broken: thrown })
    }
  }
  const judged = concluded(known, intended, decideAll(known.rules, intended, found), version)
  const values = [...found].flatMap(([rule, of]) => ('values' in of ? [[rule, of.values] as const] : []))
  return { ...judged, found: Object.fromEntries(values), ...(values.length === 0 ? {} : { looked }) }
}

function concluded(known: Known, intended: Intended, said: Said[] | undefined, version: string): Judgement {
  const more = trifecta(intended, known.names)
  const all = said ?? allow(known.rules)
  return combine(more.length === 0 ? all : [...all, ...more], version, {}, intended.sources ?? NO_LABELS)
}

/** G4. */
function trifecta(intended: Intended, names: ReadonlySet<Label> | undefined): Said[] {
  const { labels, sources = NO_LABELS, outgoing = intended.effect !== 'read' } = intended
  if (!outgoing || intended.undo === true || !labels.has('untrusted') || !labels.has('private')) return []
  if (names !== undefined && (names.has('untrusted') || names.has('private'))) return []
  const reason = `it goes out and rests on ${labelsText(sources) || 'untrusted and private data'}`
  return [{ rule: 'labels', verdict: { verdict: 'ask', reason } }]
}

/** `engine` held to G2: a throw, junk or a late answer is a denial. `late` is asked for where the engine takes its time. */
export async function judgeSafely(
  engine: PolicyEngine,
  intended: Intended,
  find: Find,
  late: () => { readonly ended: Promise<void>; cancel(): void },
): Promise<Judgement> {
  const denied = (reason: string): Judgement =>
    combine([{ rule: 'policy.error', verdict: { verdict: 'deny', reason } }], engine.version, {})
  let limit: ReturnType<typeof late> | undefined
  try {
    const answer = engine.judge(intended, find)
    if (own.has(engine) && !isPromise(answer)) return answer
    limit = late()
    const judged = await Promise.race([answer, limit.ended.then(() => 'late' as const)])
    if (judged === 'late') return denied('the policy engine exceeded its time')
    if (!isJudgement(judged)) return denied('the policy engine returned no judgement')
    // By whose version it was judged is not for the answer to say: what is open would never be known to be judged by this one.
    const whole = { ...judged, policy: engine.version }
    return parseStored(canonicalAround(whole)) as unknown as Judgement // junk in it cannot be stored, and throws
  } catch (thrown) {
    return denied(`the policy engine threw: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
  } finally {
    limit?.cancel()
  }
}

/** The labels as rules see them: a set that cannot be changed. */
export function labelSet(labels: readonly Label[]): ReadonlySet<string> {
  return labels.length === 0 ? NO_LABEL_SET : unchangeable(labels)
}

function unchangeable(labels: readonly Label[]): ReadonlySet<string> {
  const set = new Set<string>(labels)
  const refuse = (): never => {
    throw new TypeError('labels cannot be changed')
  }
  return Object.freeze(Object.assign(set, { add: refuse, delete: refuse, clear: refuse }))
}

const NO_LABEL_SET = unchangeable([])

function byDefault(intended: Intended): Said {
  return intended.effect === 'read'
    ? { rule: BY_DEFAULT, verdict: ALLOW }
    : { rule: BY_DEFAULT, verdict: { verdict: 'ask', reason: 'no rule covers it yet, so you decide' } }
}

function isJudgement(value: unknown): value is Judgement {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Judgement).verdict === 'string' &&
    typeof (value as Judgement).reason === 'string' &&
    Number.isFinite((value as Judgement).holdMs) &&
    Array.isArray((value as Judgement).asks) &&
    Array.isArray((value as Judgement).holds) &&
    Array.isArray((value as Judgement).denies)
  )
}
