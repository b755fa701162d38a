/** Behalf: on whose behalf a run acts: the personas that bound it, and the runs that called it. */
import { canonicalAround } from '../base/json.ts'
import type { EntryData } from '../journal/kinds.ts'
import type { Persona } from '../policy/persona.ts'
import { isWithin } from '../memory/scope.ts'
import { covers } from '../policy/scope.ts'
import type { Environment } from './environment.ts'
import type { Pass } from './pass.ts'

export interface Behalf {
  /** Each of them bounds; rights are what all of them cover. */
  readonly personas: readonly Persona[]
  /** The run itself, and those that called it. */
  readonly line: readonly { readonly run: string; readonly playbook: string }[]
}

export function behalfOf(pass: Pass): Behalf {
  return { personas: boundNow(pass), line: lineOf(pass) }
}

/** A run of an older release has only the lists. */
export function personasOf(start: EntryData['run.started']): readonly Persona[] {
  if (start.personas !== undefined) return start.personas as unknown as readonly Persona[]
  return (start.scopes ?? []).map((may) => ({ name: start.persona ?? '', may }))
}

/** Those under which it began, and the one of the version that runs now: a run that was moved has no more rights than either. */
export function boundNow(pass: Pass): readonly Persona[] {
  const began = personasOf(pass.history.start)
  const { persona } = pass.task.playbook
  if (persona === undefined || began.some((one) => canonicalAround(one) === canonicalAround(persona))) return began
  return [...began, persona]
}

export function lineOf(pass: Pass): Behalf['line'] {
  const { row } = pass.task.claimed
  return [{ run: row.id, playbook: `${row.playbook}@${row.version}` }, ...(pass.history.start.ancestors ?? [])]
}

/** Scopes of memory that all of them cover; undefined where none names any. As the run began: its journal names what was read by them. */
export function memoryOf(personas: readonly Persona[]): readonly string[] | undefined {
  const named = personas.flatMap(({ memory }) => (memory === undefined ? [] : [memory]))
  return named.length === 0 ? undefined : named.reduce(shared)
}

function shared(some: readonly string[], others: readonly string[]): readonly string[] {
  const within = (own: readonly string[], of: readonly string[]): string[] =>
    own.filter((scope) => of.some((one) => isWithin(scope, one)))
  return [...new Set([...within(some, others), ...within(others, some)])]
}

/** The personas as this process defines them, or else as they were when the run began. */
export function asDefined(env: Environment, personas: readonly Persona[]): readonly Persona[] {
  const byName = new Map(personas.map((one) => [one.name, env.personas.get(one.name) ?? one]))
  return [...byName.values()]
}

/** Who of them may not use the action: as they were when they came to bound the run, and as they are now. */
export function whoMayNot(env: Environment, personas: readonly Persona[], action: string): Persona | undefined {
  return [...personas, ...asDefined(env, personas)].find((one) => !covers(one.may, action))
}

/** Who of them may not ask the agent. */
export function whoMayNotAsk(env: Environment, personas: readonly Persona[], agent: string): Persona | undefined {
  const all = [...personas, ...asDefined(env, personas)]
  return all.find((one) => one.agents !== undefined && !one.agents.includes(agent))
}
