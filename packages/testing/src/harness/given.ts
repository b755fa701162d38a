/** Given: what the verbs of a harness are given, checked before they begin: a slip in a test would make it say something else. */
import { agentOf, assertCallable, assertKnown, assertOneOf, definitionOf, namesOf } from '@keelson/core/ports'
import { FAULTS } from '../fake/world.ts'
import type { Picked, PlanDecision } from './people.ts'

type Verb = (...given: readonly unknown[]) => unknown
type Check = (given: unknown, where: string) => void

const takes =
  (...names: readonly string[]): Check =>
  (given, where) =>
    given === undefined || assertKnown(where, given, names, 'INPUT_INVALID')
const of =
  (list: readonly unknown[]): Check =>
  (given, where) =>
    assertOneOf(where, given ?? null, list, 'INPUT_INVALID')
/** Undefined is what an import cycle passes; what else is none, the verb says. */
const action: Check = (given) => void (given === undefined && definitionOf(given as unknown as { name: string }))
const any: Check = () => {}
/** Scripts go by the names of agents: what has none is none. */
const agent: Check = (given) =>
  void (typeof (given as { name?: unknown } | undefined)?.name !== 'string' && agentOf(given as { name: string }))
const answer: Check = (given) => assertCallable('t.script', { answer: given ?? null }, ['answer'])
const usage: Check = (given, where) => {
  takes('usage')(given, where)
  assertCallable('t.script', given ?? {}, ['usage'])
}

const PLAN = namesOf<PlanDecision>({ title: true, skip: true, edit: true, reject: true, respond: true, by: true })
const PICKED = namesOf<Picked>({ kind: true, title: true, action: true })

const CHECKS: { readonly [verb: string]: readonly Check[] | undefined } = {
  send: [any, any, takes('id', 'by', 'times')],
  approve: [action, takes('edit', 'by')],
  reject: [action, any, takes('by')],
  respond: [action, any, takes('by')],
  answer: [any, takes('question', 'by')],
  plan: [takes(...PLAN)],
  decide: [takes(...PICKED), any, takes('by')],
  batch: [action, takes('by')],
  sendNow: [action, takes('by')],
  cancelHold: [action, any, takes('by')],
  reschedule: [action, any, takes('by')],
  outcome: [action, of(['happened', 'did-not-happen', 'look-again']), takes('output', 'by')],
  fault: [action, of(FAULTS), takes('call')],
  fresh: [action],
  script: [agent, answer, usage],
  latency: [action],
  world: [action],
}
/** They answer what is no promise. */
const AT_ONCE: ReadonlySet<string> = new Set(['fault', 'fresh', 'latency', 'world', 'script'])

/** The same verbs, which refuse (`INPUT_INVALID`) an option that they do not have. */
export function checkedVerbs<T extends object>(verbs: T): T {
  const checked = Object.entries(verbs).map(([name, verb]: [string, unknown]) => {
    const checks = CHECKS[name]
    return [name, checks === undefined ? verb : checking(name, verb as Verb, checks)]
  })
  return Object.fromEntries(checked) as T
}

function checking(name: string, verb: Verb, checks: readonly Check[]): Verb {
  const look = (given: readonly unknown[]): void => {
    for (const [at, check] of checks.entries()) check(given[at], `argument ${at + 1} of t.${name}`)
  }
  if (!AT_ONCE.has(name))
    return async (...given) => {
      look(given)
      return verb(...given)
    }
  return (...given) => {
    look(given)
    return verb(...given)
  }
}
