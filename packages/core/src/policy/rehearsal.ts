/** Rehearsal: what other rules would have said of a judgement that is on record, from what was looked up then. */
import { actorText } from '../base/actor.ts'
import { canonicalAround } from '../base/json.ts'
import { labelNames } from '../base/labels.ts'
import { labelSet, ruleEngine, type Intended } from './gate.ts'
import { lookupKey, type PolicyGate } from './rule.ts'
import type { Judgement } from './verdict.ts'

/** Of the candidate: its judgement, or why nobody can tell. */
export type Rejudged = Judgement | { readonly verdict: 'unknown'; readonly reason: string }

/** An intent as it was judged. */
export type Recorded = Omit<Intended, 'labels' | 'sources'>

/** A set of rules that judges again what was judged. */
export function rehearsal(candidate: PolicyGate): (recorded: Recorded, judged: Judgement) => Promise<Rejudged> {
  const engine = ruleEngine(candidate)
  return async (recorded, judged) => {
    const known = answers(judged)
    const missing: string[] = []
    const sources = judged.labels ?? {}
    const intended: Intended = { ...recorded, sources, labels: labelSet(labelNames(sources)) }
    const again = await engine.judge(intended, (lookup) => {
      const key = lookupKey(lookup)
      if (known.has(key)) return Promise.resolve(known.get(key))
      missing.push(key)
      return Promise.reject(new NotRecorded(key))
    })
    if (missing.length === 0) return again
    const firm = again.denies.filter((one) => !missing.some((key) => one.reason.includes(key)))
    // A denial that needs no look-up stands, whatever the others would have found.
    if (firm.length > 0) return again
    return { verdict: 'unknown', reason: `nobody looked up ${missing.join(', ')} then` }
  }
}

class NotRecorded extends Error {}

function answers(judged: Judgement): Map<string, unknown> {
  const known = new Map<string, unknown>()
  for (const [rule, names] of Object.entries(judged.looked ?? {})) {
    const values = judged.found[rule] as Record<string, unknown> | undefined
    for (const [name, key] of Object.entries(names)) known.set(key, values?.[name])
  }
  return known
}

/** What differs between two judgements, in words; undefined where nothing does. */
export function difference(before: Judgement, after: Rejudged): string | undefined {
  if (after.verdict === 'unknown') return after.reason
  if (felt(before) === felt(after)) return undefined
  const text = `${before.verdict} (${before.reason}) would be ${after.verdict} (${after.reason})`
  const [was, is] = [silenceText(before), silenceText(after)]
  return was === is ? text : `${text}; where nobody answers: ${was || 'nothing'}, then ${is || 'nothing'}`
}

/** Whom silence goes on to, in words. */
function silenceText({ asks }: Judgement): string {
  const rungs = asks.flatMap(({ ladder = [] }) => ladder)
  const told = rungs.map(
    ({ afterMs, to, via }) => `${actorText(to)} after ${afterMs / 60_000} min${via === undefined ? '' : ` by ${via}`}`,
  )
  return [...new Set(told)].join(', ')
}

/**
 * What a judgement obliges to, as one text: equal where whoever is asked would notice no difference. Whom silence goes on to is none: an
 * open question follows another ladder as it is.
 */
export function obligations(judged: Judgement): string {
  const asks = judged.asks.map(({ rule, onSilence, timeoutMs, grantable }) => [
    rule,
    onSilence,
    timeoutMs ?? 0,
    grantable,
  ])
  const denies = judged.denies.length > 0
  return JSON.stringify(denies ? 'deny' : [asks, judged.holdMs, judged.holdMs === 0 ? [] : judged.holds])
}

/** As `obligations`, whichever rules oblige, and with whom silence goes on to. */
function felt(judged: Judgement): string {
  const asks = judged.asks.map(({ onSilence, timeoutMs, grantable, ladder = [] }) =>
    canonicalAround([onSilence, timeoutMs ?? '', grantable, ladder]),
  )
  return JSON.stringify([judged.verdict, judged.verdict === 'deny' ? 0 : [judged.holdMs, [...new Set(asks)].sort()]])
}
