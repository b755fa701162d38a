/**
 * Rule: a typed, pure, synchronous function from an action's input, and what it declared to look up, to a verdict.
 *
 * Look-ups are declared, so that core resolves them before the rule runs, stores what was found with the verdict, and
 * can replay the rule from it.
 */
import { durationMs, type Duration } from '../base/duration.ts'
import { KeelsonError } from '../base/errors.ts'
import { sha256 } from '../base/hash.ts'
import { canonical } from '../base/json.ts'
import { assertKnown, isPromise, named, namesOf, noSuch } from '../base/known.ts'
import { parseLabels, type Label } from '../base/labels.ts'
import { definitionOf, isAction, type Action } from '../connector/action.ts'
import type { WallTime } from './hours.ts'
import type { Settings } from './settings.ts'
import type { Verdict } from './verdict.ts'

/** The least that a look-up must know of an entity; memory's own types fit it. */
export interface Lookable<T> {
  readonly name: string
  readonly '~t'?: T
}

interface LookedUp<T> {
  readonly id: string
  readonly version: number
  readonly data: T
}

/** A declared look-up; its value reaches the rule as `found`. */
export interface Lookup<T> {
  readonly '~l'?: T
}

export interface Look {
  /** The entity with these index fields, if any: of several the one that was created first, and that is not archived. */
  one<T>(type: Lookable<T>, where: Partial<T>): Lookup<LookedUp<T> | undefined>
  /** How many effects of this action settled or are open since then, with these top-level input fields. */
  count<In, Out>(action: Action<In, Out>, options: { where?: Partial<NoInfer<In>>; since: Duration }): Lookup<number>
  /** Day and time in the company's zone, when it is judged: once when it is asked for, and again just before it is sent. */
  now(): Lookup<WallTime>
}

/** What callers pass to an action; as it is stored, defaults filled in and codecs encoded, it is what rules judge. */
export type InputOf<A> = A extends Action<infer In, any> ? In : never

export type Found<L> = { readonly [K in keyof L]: L[K] extends Lookup<infer T> ? T : never }

/** A look-up as core resolves it. */
export type AnyLookup =
  | { readonly look: 'one'; readonly type: Lookable<unknown>; readonly where: Readonly<Record<string, unknown>> }
  | {
      readonly look: 'count'
      readonly action: string
      readonly where: Readonly<Record<string, unknown>>
      readonly sinceMs: number
    }
  | { readonly look: 'now' }

/** What a look-up asks for, in one text: the same for the same question, whichever rule asks it. */
export function lookupKey(lookup: AnyLookup): string {
  switch (lookup.look) {
    case 'one':
      return canonical(['one', lookup.type.name, lookup.where])
    case 'count':
      return canonical(['count', lookup.action, lookup.where, lookup.sinceMs])
    case 'now':
      return canonical(['now'])
  }
}

export interface Rule {
  readonly name: string
  /** Names of the actions that it speaks of. */
  readonly on: readonly string[]
  /** It speaks of taking back, not of doing. */
  readonly undo: boolean
  /** Labels that it speaks of: what it says of them counts instead of the ask that both together oblige to. */
  readonly labels: readonly Label[]
  readonly look: ((input: unknown) => Readonly<Record<string, AnyLookup>>) | undefined
  readonly decide: (facts: {
    input: unknown
    found: unknown
    settings: Settings
    labels: ReadonlySet<string>
  }) => Verdict | readonly Verdict[]
}

export interface PolicyGate {
  readonly rules: readonly Rule[]
  /** Changes when a rule is added, removed or rewritten. */
  readonly version: string
}

const look: Look = {
  one: (type, where) => ({ look: 'one', type, where }) as Lookup<never>,
  count: (action, options) =>
    ({
      look: 'count',
      action: action.name,
      where: options.where ?? {},
      sinceMs: durationMs(options.since),
    }) as Lookup<never>,
  now: () => ({ look: 'now' }) as Lookup<never>,
}

export function rule(
  name: string,
  when: {
    on: unknown
    look?: (input: never, look: Look) => Record<string, unknown>
    undo?: true
    labels?: readonly Label[]
  },
  decide: (facts: never) => Verdict | readonly Verdict[],
): Rule {
  assertRule(name, when, decide)
  assertKnown(`rule "${name}"`, when, WHEN)
  const on = (Array.isArray(when.on) ? when.on : [when.on]) as readonly Action<unknown, unknown>[]
  const lookUp = when.look
  const labels = parseLabels(when.labels ?? [])
  if (labels === undefined) {
    throw new KeelsonError('DEFINITION_INVALID', `rule "${name}" names labels that there are not`, {
      hint: "The labels are 'untrusted' and 'private'.",
    })
  }
  return {
    name,
    on: on.map((action) => definitionOf(action).name),
    undo: when.undo === true,
    labels,
    look: lookUp === undefined ? undefined : (input) => lookupsIn(lookUp(input as never, look)),
    decide: decide as Rule['decide'],
  }
}

/** Throws for what names no look-ups: the rule would go by what was never looked up, and may allow for that. */
function lookupsIn(given: unknown): Readonly<Record<string, AnyLookup>> {
  if (isPromise(given)) given.then(undefined, () => {})
  if (isPromise(given) || typeof given !== 'object' || given === null)
    throw new TypeError(
      `its look returned ${named(given)}: it names look-ups, { count: look.count(…) }, and is not async`,
    )
  const stray = Object.entries(given).find(([, one]) => !LOOKS.includes((one as { look?: unknown } | undefined)?.look))
  if (stray === undefined) return given as Record<string, AnyLookup>
  throw new TypeError(`"${stray[0]}" of its look is no look-up: it is made by look.one, look.count or look.now`)
}

const LOOKS: readonly unknown[] = ['one', 'count', 'now'] satisfies AnyLookup['look'][]

const WHEN = namesOf<Parameters<typeof rule>[1]>({ on: true, look: true, undo: true, labels: true })

function assertRule(name: string, when: { on?: unknown } | undefined, decide: unknown): void {
  const on: unknown[] = Array.isArray(when?.on) ? when.on : [when?.on]
  const wrong = on.every(isAction) ? 'has no function that decides' : 'does not say on which actions'
  if (wrong.startsWith('has') && typeof decide === 'function') return
  throw new KeelsonError('DEFINITION_INVALID', `rule "${name}" ${wrong}`, {
    hint: `policy.rule('${name}', { on: send }, () => policy.ask()): "on" takes what action() or defineConnector() returned.`,
  })
}

function assertRules(given: unknown): void {
  if (!Array.isArray(given)) throw noSuch('DEFINITION_INVALID', given, 'a list of rules', 'policy.rule()')
  for (const one of given as (Partial<Rule> | undefined)[])
    if (typeof one?.decide !== 'function') throw noSuch('DEFINITION_INVALID', one, 'a rule', 'policy.rule()')
}

/** A set of rules. Throws `DEFINITION_INVALID` when two rules share a name. */
export function gate(rules: readonly Rule[], options: { version?: string } = {}): PolicyGate {
  assertKnown('policy', options, ['version'])
  assertRules(rules)
  const names = rules.map((one) => one.name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) {
    throw new KeelsonError('DEFINITION_INVALID', `two rules are named "${twice}"`, {
      hint: 'Verdicts cite rules by name.',
    })
  }
  const text = rules.map(
    (one) =>
      `${one.name}\n${one.on.join()}${one.undo ? ' undo' : ''}\n${one.labels.join()}\n${one.look?.toString() ?? ''}\n${one.decide.toString()}`,
  )
  return Object.freeze({ rules, version: sha256([options.version ?? '', ...text.sort()].join('\n\n')).slice(0, 12) })
}
