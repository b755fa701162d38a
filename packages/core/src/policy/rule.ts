/**
 * Rule: a typed, pure, synchronous function from an action's input, and what it declared to look up, to a verdict.
 *
 * Look-ups are declared, so that core resolves them before the rule runs, stores what was found with the verdict, and
 * can replay the rule from it.
 */
import { durationMs, type Duration } from '../base/duration.ts'
import { KeelsonError } from '../base/errors.ts'
import { sha256 } from '../base/hash.ts'
import { definitionOf, type Action } from '../connector/action.ts'
import type { Settings } from './settings.ts'
import { allow, ask, deny, hold, type Verdict } from './verdict.ts'

/** The least that a look-up must know of an entity; memory's own types fit it. */
export interface EntityType<T> {
  readonly name: string
  readonly '~t'?: T
}

interface Entity<T> {
  readonly id: string
  readonly version: number
  readonly data: T
}

/** A declared look-up; its value reaches the rule as `found`. */
export interface Lookup<T> {
  readonly '~l'?: T
}

export interface Look {
  /** The entity with these index fields, if any. */
  one<T>(type: EntityType<T>, where: Partial<T>): Lookup<Entity<T> | undefined>
  /** How many effects of this action settled or are open since then, with these top-level input fields. */
  count<In, Out>(action: Action<In, Out>, options: { where?: Partial<NoInfer<In>>; since: Duration }): Lookup<number>
}

/** What callers pass to an action. */
type InputOf<A> = A extends Action<infer In, any> ? In : never

type Found<L> = { readonly [K in keyof L]: L[K] extends Lookup<infer T> ? T : never }

/** A look-up as core resolves it. */
export type AnyLookup =
  | { readonly look: 'one'; readonly type: EntityType<unknown>; readonly where: Readonly<Record<string, unknown>> }
  | {
      readonly look: 'count'
      readonly action: string
      readonly where: Readonly<Record<string, unknown>>
      readonly sinceMs: number
    }

export interface Rule {
  readonly name: string
  /** Names of the actions that it speaks of. */
  readonly on: readonly string[]
  /** It speaks of taking back, not of doing. */
  readonly undo: boolean
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

interface PolicyMaker {
  /** A set of rules. Throws `DEFINITION_INVALID` when two rules share a name. */
  (rules: readonly Rule[]): PolicyGate
  /**
   * A rule for one action or several; its input is that of any of them. With `undo`, it speaks of taking their effects
   * back, and not of doing them.
   */
  rule<A extends Action<any, any>, L extends Record<string, Lookup<any>> = Record<never, never>>(
    name: string,
    when: { on: A | readonly A[]; undo?: true; look?: (input: InputOf<A>, look: Look) => L },
    decide: (facts: {
      input: Readonly<InputOf<A>>
      found: Found<L>
      settings: Settings
      labels: ReadonlySet<string>
    }) => Verdict | readonly Verdict[],
  ): Rule
  allow(): Verdict
  /** A person must agree. `grantable`: a standing grant may answer. */
  ask: typeof ask
  /** Executes only after this long; visible and cancellable until then. */
  hold(duration: Duration): Verdict
  deny(reason: string): Verdict
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
}

function rule(
  name: string,
  when: { on: unknown; undo?: true; look?: (input: never, look: Look) => Record<string, unknown> },
  decide: (facts: never) => Verdict | readonly Verdict[],
): Rule {
  const on = (Array.isArray(when.on) ? when.on : [when.on]) as readonly Action<unknown, unknown>[]
  const lookUp = when.look
  return {
    name,
    on: on.map((action) => definitionOf(action).name),
    undo: when.undo === true,
    look: lookUp === undefined ? undefined : (input) => lookUp(input as never, look) as Record<string, AnyLookup>,
    decide: decide as Rule['decide'],
  }
}

function gate(rules: readonly Rule[]): PolicyGate {
  const names = rules.map((one) => one.name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) {
    throw new KeelsonError('DEFINITION_INVALID', `two rules are named "${twice}"`, {
      hint: 'Verdicts cite rules by name.',
    })
  }
  const text = rules.map(
    (one) =>
      `${one.name}\n${one.on.join()}${one.undo ? ' undo' : ''}\n${one.look?.toString() ?? ''}\n${one.decide.toString()}`,
  )
  return Object.freeze({ rules, version: sha256(text.sort().join('\n\n')).slice(0, 12) })
}

export const policy = Object.assign(gate, { rule, allow, ask, hold, deny }) as unknown as PolicyMaker
