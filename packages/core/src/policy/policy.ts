/** Policy: what users write rules with. */
import type { Duration } from '../base/duration.ts'
import type { Label } from '../base/labels.ts'
import type { Action } from '../connector/action.ts'
import { gate, rule, type Found, type InputOf, type Look, type Lookup, type PolicyGate, type Rule } from './rule.ts'
import type { Settings } from './settings.ts'
import { tryPolicy, type Trial } from './trial.ts'
import { allow, ask, deny, hold, type Verdict } from './verdict.ts'

interface PolicyMaker {
  /**
   * A set of rules. Throws `DEFINITION_INVALID` when two rules share a name. Its version follows from the text of the rules;
   * name one where something that they use changes and they do not.
   */
  (rules: readonly Rule[], options?: { version?: string }): PolicyGate
  /**
   * A rule for one action or several; its input is that of any of them. With `undo`, it speaks of taking their effects
   * back, and not of doing them. One that names labels says what becomes of them instead of the ask of both together.
   */
  rule<A extends Action<any, any>, L extends Record<string, Lookup<any>> = Record<never, never>>(
    name: string,
    when: { on: A | readonly A[]; undo?: true; look?: (input: InputOf<A>, look: Look) => L; labels?: readonly Label[] },
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
  /** Judges each row of a table without a store; with `undo`, as a revert does. Throws `POLICY_TEST_FAILED` with all that differs. */
  test(gate: PolicyGate, table: readonly Trial[]): { rows: number }
}

export const policy = Object.assign(gate, { rule, allow, ask, hold, deny, test: tryPolicy }) as unknown as PolicyMaker
