/**
 * Gate: decides on every action: deny, or obligations to ask and to hold, or allow; always with a reason.
 *
 * G1. No action runs without a judgement. No matching rule: reads are allowed, writes ask.
 * G2. A rule that throws, or returns junk or a promise, denies a write (and a read). So does an engine that exceeds its time.
 * G3. What rules see is frozen; the order of rules never matters.
 */
import { canonicalAround, deepFreeze, parseStored } from '../base/json.ts'
import type { Settings } from './settings.ts'
import type { AnyLookup, PolicyGate, Rule } from './rule.ts'
import { combine, type Judgement, type Verdict } from './verdict.ts'

/** What is about to happen. */
export interface Intended {
  readonly workspace: string
  readonly action: string
  readonly account: string
  readonly effect: 'read' | 'reversible' | 'irreversible'
  /** Parsed and frozen. */
  readonly input: unknown
  readonly settings: Settings
  readonly labels: ReadonlySet<string>
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

/** The engine of a set of typed rules. */
export function ruleEngine(gate: PolicyGate | undefined): PolicyEngine {
  const version = gate?.version ?? 'none'
  const byAction = new Map<string, Rule[]>()
  for (const rule of gate?.rules ?? []) {
    for (const name of rule.on) byAction.set(name, [...(byAction.get(name) ?? []), rule])
  }
  return {
    version,
    async judge(intended, find) {
      const rules = (byAction.get(intended.action) ?? []).filter((rule) => rule.undo === (intended.undo === true))
      if (rules.length === 0) return combine([byDefault(intended)], version, {})
      const found: Record<string, unknown> = {}
      const said: { rule: string; verdict: Verdict }[] = []
      for (const rule of rules) {
        for (const verdict of await apply(rule, intended, find, found)) said.push({ rule: rule.name, verdict })
      }
      return combine(said, version, found)
    },
  }
}

/** `engine` held to G2: a throw, junk or a late answer is a denial. `within` ends the wait. */
export async function judgeSafely(
  engine: PolicyEngine,
  intended: Intended,
  find: Find,
  within: Promise<'late'>,
): Promise<Judgement> {
  const denied = (reason: string): Judgement =>
    combine([{ rule: 'policy.error', verdict: { verdict: 'deny', reason } }], engine.version, {})
  try {
    const answer = await Promise.race([engine.judge(intended, find), within])
    if (answer === 'late') return denied('the policy engine exceeded its time')
    if (!isJudgement(answer)) return denied('the policy engine returned no judgement')
    return parseStored(canonicalAround(answer)) as unknown as Judgement // junk in it cannot be stored, and throws
  } catch (thrown) {
    return denied(`the policy engine threw: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
  }
}

/** The name under which it asks when no rule speaks of an action. */
export const BY_DEFAULT = 'default'

function byDefault(intended: Intended): { rule: string; verdict: Verdict } {
  return intended.effect === 'read'
    ? { rule: BY_DEFAULT, verdict: { verdict: 'allow' } }
    : { rule: BY_DEFAULT, verdict: { verdict: 'ask', reason: 'no rule speaks of this action' } }
}

async function apply(rule: Rule, intended: Intended, find: Find, found: Record<string, unknown>): Promise<Verdict[]> {
  try {
    const values: Record<string, unknown> = {}
    for (const [name, lookup] of Object.entries(rule.look?.(intended.input) ?? {})) values[name] = await find(lookup)
    if (rule.look !== undefined) found[rule.name] = values
    const facts = {
      input: intended.input,
      found: deepFreeze(values),
      settings: intended.settings,
      labels: intended.labels,
    }
    const answer: unknown = rule.decide(facts)
    const list = Array.isArray(answer) ? (answer as unknown[]) : [answer]
    if (list.length > 0 && list.every(isVerdict)) return list
    return [{ verdict: 'deny', reason: 'the rule returned no verdict' }]
  } catch (thrown) {
    return [{ verdict: 'deny', reason: `the rule threw: ${thrown instanceof Error ? thrown.message : String(thrown)}` }]
  }
}

const VERDICTS: readonly unknown[] = ['allow', 'hold', 'ask', 'deny']

function isVerdict(value: unknown): value is Verdict {
  if (typeof value !== 'object' || value === null || !VERDICTS.includes((value as Verdict).verdict)) return false
  const { verdict, holdMs } = value as Verdict
  return verdict !== 'hold' || (typeof holdMs === 'number' && Number.isFinite(holdMs))
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
