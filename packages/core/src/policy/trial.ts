/** Trial: a table of inputs and what policy is to say of each, as a unit test without a store. */
import { durationMs, type Duration } from '../base/duration.ts'
import { KeelsonError } from '../base/errors.ts'
import { deepFreeze, parseStored } from '../base/json.ts'
import { labelled, type Label } from '../base/labels.ts'
import { toStored } from '../base/schema.ts'
import { definitionOf, type Action } from '../connector/action.ts'
import { labelSet, ruleEngine } from './gate.ts'
import type { AnyLookup, PolicyGate, Rule } from './rule.ts'
import type { Settings } from './settings.ts'
import { asUndo } from './undo.ts'
import type { Judgement } from './verdict.ts'

/** One row: this input, with these finds, is to be judged like this. */
export type Trial<In = any> = Doing<In> | TakingBack<In>

interface Row<In> {
  readonly action: Action<In, any>
  readonly input: NoInfer<In>
  /** What look-ups find, by the name that rules give them. */
  readonly found?: Readonly<Record<string, unknown>>
  readonly settings?: Settings
  readonly expect: Judgement['verdict'] | Expected
}

interface Doing<In> extends Row<In> {
  readonly undo?: false
  readonly labels?: readonly Label[]
}

interface TakingBack<In> extends Row<In> {
  /**
   * `input` was done, and is to be taken back: rules that speak of taking back (`undo: true`) are asked, and where there is none it is
   * allowed, as whoever applies a revert has agreed to it. No labels count then.
   */
  readonly undo: true
  readonly labels?: undefined
}

export interface Expected {
  readonly verdict: Judgement['verdict']
  /** A part of the reason, or a pattern. */
  readonly reason?: string | RegExp
  readonly hold?: Duration
}

/** Judges each row. Throws `POLICY_TEST_FAILED`, listing what differs; answers how many rows there were. */
export function tryPolicy(gate: PolicyGate, table: readonly Trial[]): { rows: number } {
  const failures = table.flatMap((row, i) => {
    const wrong = failureOf(gate, row)
    return wrong === undefined
      ? []
      : [
          `${i + 1}. ${row.undo === true ? 'taking back ' : ''}${row.action.name} ${JSON.stringify(row.input)}: ${wrong}`,
        ]
  })
  if (failures.length === 0) return { rows: table.length }
  const text = [`${failures.length} of ${table.length} rows are judged otherwise:`, ...failures].join('\n  ')
  throw new KeelsonError('POLICY_TEST_FAILED', text, { hint: 'Change the rule, or what the row expects of it.' })
}

function failureOf(gate: PolicyGate, row: Trial): string | undefined {
  const expected: Expected = typeof row.expect === 'string' ? { verdict: row.expect } : row.expect
  try {
    const judged = judgeRow(gate, row)
    const said = `${judged.verdict} (${judged.reason})`
    if (judged.verdict !== expected.verdict) return `expected ${expected.verdict}, got ${said}`
    if (expected.hold !== undefined && judged.holdMs !== durationMs(expected.hold))
      return `expected a hold of ${expected.hold}, got ${judged.holdMs / 1000}s`
    const { reason } = expected
    const fits =
      reason === undefined || (typeof reason === 'string' ? judged.reason.includes(reason) : reason.test(judged.reason))
    return fits ? undefined : `expected a reason with ${String(reason)}, got ${said}`
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown)
  }
}

function judgeRow(gate: PolicyGate, row: Trial): Judgement {
  const action = definitionOf(row.action)
  const text = toStored(action.input, row.input, 'INPUT_INVALID', 'its input')
  const undo = row.undo === true
  const labels = row.labels ?? []
  if (undo && labels.length > 0) throw new TypeError('no labels count where it is taken back')
  if (undo && action.compensate === undefined)
    throw new TypeError('it cannot be taken back: its action has no compensate')
  const sources = labelled(labels, 'the row')
  // What a look-up finds is said by the row, so nothing has to be waited for.
  const engine = ruleEngine({ ...gate, rules: gate.rules.map((rule) => given(rule, row.found ?? {})) })
  const judged = engine.judge(
    {
      workspace: 'test',
      action: action.name,
      account: action.account,
      effect: action.effect,
      input: parseStored(text),
      settings: row.settings ?? {},
      labels: labelSet(labels),
      sources,
      outgoing: action.outgoing,
      persona: undefined,
      undo,
    },
    () => Promise.reject(new TypeError('nothing is looked up')),
  ) as Judgement
  return undo ? asUndo(judged) : judged
}

/** The rule with its look-ups answered by `found`. */
function given(rule: Rule, found: Readonly<Record<string, unknown>>): Rule {
  const { look, decide } = rule
  if (look === undefined) return rule
  return {
    ...rule,
    look: undefined,
    decide(facts) {
      const wanted: Readonly<Record<string, AnyLookup>> = look(facts.input)
      const missing = Object.keys(wanted).filter((name) => !Object.hasOwn(found, name))
      if (missing.length > 0) throw new TypeError(`the row does not say what "${missing.join('", "')}" finds`)
      const values = Object.fromEntries(Object.keys(wanted).map((name) => [name, found[name]]))
      return decide({ ...facts, found: deepFreeze(values) })
    },
  }
}
