/** Persona: on whose behalf a run acts, and what it may do at most: which actions, how much, how often, when. */
import { KeelsonError } from '../base/errors.ts'
import { assertKnown, named, namesOf } from '../base/known.ts'
import { isScopePath } from '../base/scope-path.ts'
import { rateOf, type Rate, type RateLimit } from '../base/rate.ts'
import type { Action } from '../connector/action.ts'
import { nameIn, spendingIn, type Spending } from './budget.ts'
import { hoursOf, type Hours, type OpenHours } from './hours.ts'

export interface Persona {
  readonly name: string
  /** Names of actions, or 'connector.*'. */
  readonly may: readonly string[]
  /** Names of agents that it may ask; undefined: any. */
  readonly agents?: readonly string[]
  /** Scopes of memory that its runs are held to, with all that lies below; undefined: any. */
  readonly memory?: readonly string[]
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
  /** Policy and inbox cite it by that. */
  readonly name: string
  /** What it may use: actions, their names, or all of a connector as 'email.*'. */
  readonly may: Names
  /** Agents that it may ask. Default: any. */
  readonly agents?: readonly (string | { readonly name: string })[]
  /** Scopes of memory that its runs are held to, with all that lies below. Default: any. */
  readonly memory?: readonly string[]
  /** What its runs may spend together per day in the company's zone. */
  readonly limits?: Spending
  /** When its writes may go out; outside of them they are held until they begin. Default: always. */
  readonly hours?: Hours
  /** For actions, `on`: how many per time, and the pause after each (`count`, `per`, `coolDown`), over all its runs. */
  readonly rates?: readonly (RateLimit & { readonly on: Names })[]
}): Persona {
  const what = `persona ${named(definition?.name)}`
  assertKnown(what, definition, PERSONA)
  const { name, agents, memory, limits, hours, rates } = definition
  if (typeof name !== 'string' || name === '')
    throw new KeelsonError('DEFINITION_INVALID', 'a persona has no name', { hint: 'Policy and inbox cite it by name.' })
  const persona: Persona = {
    name,
    may: actionNames(definition.may, what),
    ...(agents === undefined ? {} : { agents: agents.map((one) => nameIn(one, what)) }),
    ...(memory === undefined ? {} : { memory: scopesIn(memory, what) }),
    ...(limits === undefined ? {} : { limits: spendingIn(limits, what) }),
    ...(hours === undefined ? {} : { hours: hoursOf(hours, what) }),
    ...(rates === undefined
      ? {}
      : { rates: rates.map((one) => ({ on: actionNames(one.on, what), ...plain(rateOf(limitIn(one), what)) })) }),
  }
  return Object.freeze(persona)
}

const PERSONA = namesOf<Parameters<typeof definePersona>[0]>({
  ...{ name: true, may: true, agents: true, memory: true, limits: true, hours: true, rates: true },
})

function scopesIn(given: readonly string[], what: string): readonly string[] {
  if (Array.isArray(given) && given.every(isScopePath)) return Object.freeze([...given])
  throw new KeelsonError('DEFINITION_INVALID', `${what} names memory that is no list of scopes`, {
    hint: 'Name scopes: { memory: ["customer:acme"] }.',
  })
}

function limitIn({ on: _, ...limit }: RateLimit & { readonly on: Names }): RateLimit {
  return limit
}

/** A rate as JSON keeps it: no limit is the largest number. */
function plain(rate: Rate): Rate {
  return { ...rate, count: Math.min(rate.count, Number.MAX_SAFE_INTEGER) }
}

export function actionNames(given: Names, what: string): readonly string[] {
  if (!Array.isArray(given))
    throw new KeelsonError('DEFINITION_INVALID', `${what} names no list of actions`, {
      hint: 'Name actions (["email.send"]), or all of a connector (["email.*"]).',
    })
  const names = (given as Names).map((one) => nameIn(one, what))
  const wrong = names.find((name) => !/^[\w-]+(\.[\w-]+)*(\.\*)?$|^\*$/.test(name))
  if (wrong !== undefined) {
    throw new KeelsonError('DEFINITION_INVALID', `${what} names "${wrong}", which is no action`, {
      hint: 'Name actions ("email.send"), or all of a connector ("email.*").',
    })
  }
  return Object.freeze(names)
}
