/** Persona: on whose behalf a run acts, and what it may do at most: which actions, how much, how often, when. */
import { KeelsonError } from '../base/errors.ts'
import { rateOf, type Rate, type RateLimit } from '../base/rate.ts'
import type { Action } from '../connector/action.ts'
import { spendingOf, type Spending } from './budget.ts'
import { hoursOf, type Hours, type OpenHours } from './hours.ts'

export interface Persona {
  readonly name: string
  /** Names of actions, or 'connector.*'. */
  readonly may: readonly string[]
  /** Names of agents that it may ask; undefined: any. */
  readonly agents?: readonly string[]
  /** Per day in the company's zone. */
  readonly limits?: Spending
  /** When its writes may go out; outside of them they are held until they begin. */
  readonly hours?: OpenHours
  readonly rates?: readonly PersonaRate[]
}

export interface PersonaRate extends Rate {
  readonly on: readonly string[]
}

type Names = readonly (string | Action<any, any>)[]

/** Defines a persona by the actions that it may use: actions, their names, or 'connector.*'. */
export function definePersona(definition: {
  readonly name: string
  readonly may: Names
  readonly agents?: readonly (string | { readonly name: string })[]
  readonly limits?: Spending
  readonly hours?: Hours
  readonly rates?: readonly (RateLimit & { readonly on: Names })[]
}): Persona {
  const { name, agents, limits, hours, rates } = definition
  const what = `persona "${name}"`
  const persona: Persona = {
    name,
    may: namesOf(definition.may, what),
    ...(agents === undefined ? {} : { agents: agents.map((one) => (typeof one === 'string' ? one : one.name)) }),
    ...(limits === undefined ? {} : { limits: spendingOf(limits, what) }),
    ...(hours === undefined ? {} : { hours: hoursOf(hours, what) }),
    ...(rates === undefined
      ? {}
      : { rates: rates.map((one) => ({ on: namesOf(one.on, what), ...plain(rateOf(one, what)) })) }),
  }
  return Object.freeze(persona)
}

/** A rate as JSON keeps it: no limit is the largest number. */
function plain(rate: Rate): Rate {
  return { ...rate, count: Math.min(rate.count, Number.MAX_SAFE_INTEGER) }
}

export function namesOf(given: Names, what: string): readonly string[] {
  const names = given.map((one) => (typeof one === 'string' ? one : one.name))
  const wrong = names.find((name) => !/^[\w-]+(\.[\w-]+)*(\.\*)?$|^\*$/.test(name))
  if (wrong !== undefined) {
    throw new KeelsonError('DEFINITION_INVALID', `${what} names "${wrong}", which is no action`, {
      hint: 'Name actions ("email.send"), or all of a connector ("email.*").',
    })
  }
  return Object.freeze(names)
}
