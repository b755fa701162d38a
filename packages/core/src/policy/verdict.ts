/** Verdict: what policy says of an action: deny, or the obligations to ask and to hold, or allow; always with a reason. */
import type { Actor } from '../base/actor.ts'
import { durationMs, type Duration } from '../base/duration.ts'
import { KeelsonError } from '../base/errors.ts'
import { assertKnown, assertOneOf, namesOf } from '../base/known.ts'
import { isUnlabelled, NO_LABELS, type Labels } from '../base/labels.ts'

export const ON_SILENCE = ['wait', 'remind', 'escalate', 'reject'] as const
export type OnSilence = (typeof ON_SILENCE)[number]

/** One step of a ladder of escalation: so long after it was asked, this person is told, through this channel. */
export interface Rung {
  readonly afterMs: number
  readonly to: Actor
  /** A name in `channels` of createConductor; without one, the item is theirs and `item.escalated` is emitted. */
  readonly via?: string
}

/** A rung as it is written. */
export interface RungOptions {
  readonly after: Duration
  readonly to: Actor | string
  readonly via?: string
}

/** The rungs of a ladder. Throws `DEFINITION_INVALID` when they do not climb. */
export function ladderOf(rungs: readonly RungOptions[] = []): readonly Rung[] {
  for (const rung of rungs) assertKnown('a rung of an escalation', rung, RUNG)
  const ladder = rungs.map(({ after, to, via }) => ({
    afterMs: durationMs(after),
    to: typeof to === 'string' ? ({ kind: 'person', id: to } as const) : to,
    ...(via === undefined ? {} : { via }),
  }))
  if (ladder.every((rung, i) => i === 0 || rung.afterMs > ladder[i - 1]!.afterMs)) return ladder
  throw new KeelsonError('DEFINITION_INVALID', 'the rungs of an escalation are not in the order of their time', {
    hint: "`after` counts from the asking: [{ after: '1h', to: 'lead' }, { after: '1d', to: 'boss' }].",
  })
}

/** What one rule says: `deny`, or an obligation. Several from one rule are returned as an array and all apply. */
export interface Verdict {
  readonly verdict: 'allow' | 'hold' | 'ask' | 'deny'
  readonly reason?: string
  readonly holdMs?: number
  readonly onSilence?: OnSilence
  readonly timeoutMs?: number
  readonly grantable?: boolean
  readonly ladder?: readonly Rung[]
}

/** What all rules say together, as it is journaled. */
export interface Judgement {
  readonly verdict: 'allow' | 'hold' | 'ask' | 'ask-then-hold' | 'deny'
  /** In plain words, naming the rules. */
  readonly reason: string
  /** Rules that oblige to ask, and what they want. */
  readonly asks: readonly {
    rule: string
    reason?: string
    onSilence: OnSilence
    timeoutMs?: number
    grantable: boolean
    ladder?: readonly Rung[]
  }[]
  /** The longest hold, and the rules that want one. */
  readonly holdMs: number
  readonly holds: readonly string[]
  readonly denies: readonly { rule: string; reason: string }[]
  /** Version of the policy set that judged. */
  readonly policy: string
  /** What the rules' look-ups found. */
  readonly found: { readonly [rule: string]: unknown }
  /** What each of them asked for, by rule and name: how another set of rules finds the answer. */
  readonly looked?: { readonly [rule: string]: { readonly [name: string]: string } }
  /** What the input rests on. */
  readonly labels?: Labels
}

/** What one rule said. */
export interface Said {
  readonly rule: string
  readonly verdict: Verdict
}

/** The one `allow`: it says nothing that could differ. */
export const ALLOW: Verdict = Object.freeze({ verdict: 'allow' })

export function allow(): Verdict {
  return ALLOW
}

/** A person must agree. `grantable`: a standing grant may answer. */
export function ask(
  options: {
    onSilence?: OnSilence
    reason?: string
    grantable?: boolean
    timeout?: Duration
    /** Who is told when nobody answers, one after the other. Means `onSilence: 'escalate'`. */
    escalate?: readonly RungOptions[]
  } = {},
): Verdict {
  assertKnown('policy.ask', options, ASK)
  assertOneOf('onSilence of policy.ask', options.onSilence, ON_SILENCE)
  assertOneOf('grantable of policy.ask', options.grantable, [true, false])
  const { onSilence, reason, grantable, timeout, escalate } = options
  const asked: { -readonly [K in keyof Verdict]: Verdict[K] } = { verdict: 'ask' }
  if (onSilence !== undefined) asked.onSilence = onSilence
  if (reason !== undefined) asked.reason = reason
  if (grantable !== undefined) asked.grantable = grantable
  if (timeout !== undefined) asked.timeoutMs = durationMs(timeout)
  if (escalate === undefined) return asked
  return { ...asked, onSilence: 'escalate', ladder: ladderOf(escalate) }
}

/** Executes only after this long; visible and cancellable until then. */
export function hold(duration: Duration): Verdict {
  return { verdict: 'hold', holdMs: durationMs(duration) }
}

export function deny(reason: string): Verdict {
  return { verdict: 'deny', reason }
}

const SILENCES: readonly unknown[] = [undefined, ...ON_SILENCE]

const RUNG = namesOf<RungOptions>({ after: true, to: true, via: true })
const ASK = namesOf<NonNullable<Parameters<typeof ask>[0]>>({
  ...{ onSilence: true, reason: true, grantable: true, timeout: true, escalate: true },
})

/** A rule's answer with nothing in it but what a verdict holds; undefined for what is no verdict. */
export function verdictOf(value: unknown): Verdict | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { verdict, reason, holdMs, onSilence, timeoutMs, grantable, ladder } = value as Verdict
  switch (verdict) {
    case 'allow':
      return ALLOW
    case 'deny':
      return reason === undefined ? { verdict } : { verdict, reason: textOf(reason)! }
    case 'hold':
      return isMs(holdMs) ? { verdict, holdMs } : undefined
    case 'ask': {
      if (!SILENCES.includes(onSilence) || (timeoutMs !== undefined && !isMs(timeoutMs))) return undefined
      if (ladder !== undefined && !isLadder(ladder)) return undefined
      const asked: { -readonly [K in keyof Verdict]: Verdict[K] } = { verdict, grantable: grantable === true }
      if (reason !== undefined) asked.reason = textOf(reason)!
      if (onSilence !== undefined) asked.onSilence = onSilence
      if (ladder !== undefined) asked.ladder = ladder
      if (timeoutMs !== undefined) asked.timeoutMs = timeoutMs
      return asked
    }
    default:
      return undefined
  }
}

function isLadder(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    (value as Rung[]).every(
      ({ afterMs, to, via }) => isMs(afterMs) && typeof to?.id === 'string' && typeof (via ?? '') === 'string',
    )
  )
}

function isMs(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

/** Several rules' verdicts as one, in one go over them. Their order never matters. */
export function combine(
  said: readonly Said[],
  policy: string,
  found: { readonly [rule: string]: unknown },
  labels: Labels = NO_LABELS,
): Judgement {
  const [denies, asks, holds]: [Denied[], Asked[], string[]] = [[], [], []]
  const allows: string[] = []
  let holdMs = 0
  for (const { rule, verdict } of byRule(said)) {
    if (verdict.verdict === 'deny') denies.push({ rule, reason: textOf(verdict.reason) ?? 'denied' })
    else if (verdict.verdict === 'ask') asks.push(askedBy(rule, verdict))
    else if (verdict.verdict === 'allow') allows.push(rule)
    else {
      holds.push(rule)
      holdMs = Math.max(holdMs, verdict.holdMs ?? 0)
    }
  }
  const verdict = strictest(denies.length > 0, asks.length > 0, holdMs > 0)
  const reason =
    verdict === 'deny'
      ? denies.map((one) => `${one.rule}: ${one.reason}`).join('; ')
      : verdict === 'allow'
        ? `allowed by ${rulesOf(allows)}`
        : [...asks.map(whyOf), ...holds].join('; ')
  const rests = isUnlabelled(labels) ? {} : { labels }
  return { verdict, reason, asks, holdMs, holds: once(holds), denies, policy, found, ...rests }
}

type Asked = Judgement['asks'][number]
type Denied = Judgement['denies'][number]

function strictest(denies: boolean, asks: boolean, holds: boolean): Judgement['verdict'] {
  if (denies) return 'deny'
  if (asks) return holds ? 'ask-then-hold' : 'ask'
  return holds ? 'hold' : 'allow'
}

function askedBy(rule: string, { reason, onSilence = 'wait', timeoutMs, grantable, ladder }: Verdict): Asked {
  const asked: { -readonly [K in keyof Asked]: Asked[K] } =
    reason === undefined
      ? { rule, onSilence, grantable: grantable === true }
      : { rule, reason: textOf(reason)!, onSilence, grantable: grantable === true }
  if (timeoutMs !== undefined) asked.timeoutMs = timeoutMs
  if (ladder !== undefined) asked.ladder = ladder
  return asked
}

/** Those of one rule stay as it said them. */
function byRule(said: readonly Said[]): readonly Said[] {
  for (let i = 1; i < said.length; i++)
    if (said[i - 1]!.rule > said[i]!.rule)
      return [...said].sort((a, b) => (a.rule < b.rule ? -1 : a.rule > b.rule ? 1 : 0))
  return said
}

/** Of a sorted list. */
function once(names: readonly string[]): readonly string[] {
  return names.length < 2 ? names : names.filter((name, i) => i === 0 || name !== names[i - 1])
}

/** The name under which it is judged when no rule speaks of an action. */
export const BY_DEFAULT = 'default'

/** Why a rule asks, for people. That no rule spoke is said without a name, which would read like an error. */
export function whyOf({ rule, reason }: { readonly rule: string; readonly reason?: string }): string {
  if (reason === undefined) return rule
  return rule === BY_DEFAULT ? reason : `${rule}: ${reason}`
}

/** A few of the rules by name: the reason is kept with every effect. */
function rulesOf(rules: readonly string[]): string {
  const more = rules.length > NAMES_MAX ? ` and ${rules.length - NAMES_MAX} more` : ''
  return `${rules.slice(0, NAMES_MAX).join(', ') || 'default'}${more}`
}

const NAMES_MAX = 5

/** A reason is often cut from an input: half a character could not be stored. */
function textOf(reason: string | undefined): string | undefined {
  return reason === undefined ? undefined : `${reason}`.toWellFormed()
}
