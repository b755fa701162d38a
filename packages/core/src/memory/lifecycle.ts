/** Lifecycle: the states that a field of an entity may be in, and the ways between them. */
import { KeelsonError } from '../base/errors.ts'
import { assertKnown } from '../base/known.ts'
import type { Json } from '../base/value.ts'

/** One way from states to a state. */
export interface Transition<S extends string> {
  readonly from: S | readonly S[]
  readonly to: S
  /** A person must agree before a run may take it. */
  readonly approval?: boolean
}

/** A state machine on a field: `defineEntity({ lifecycle: { status: invoiceFlow } })`. */
export interface Lifecycle<S extends string> {
  readonly states: readonly S[]
  /** The states in which a new record may be. */
  readonly initial: readonly S[]
  /** The names of the transitions that lead away from a state. */
  from(state: S): readonly string[]
  /** The diagram in Mermaid's language, for documents. */
  mermaid(): string
}

export interface AnyLifecycle {
  readonly states: readonly string[]
  readonly initial: readonly string[]
  readonly transitions: readonly { name: string; from: readonly string[]; to: string; approval: boolean }[]
}

const definitions = new WeakMap<object, AnyLifecycle>()

/** Defines a state machine. Without `initial`, records begin in the first of the states. */
export function lifecycle<const S extends string>(definition: {
  readonly states: readonly S[]
  readonly initial?: NoInfer<S> | readonly NoInfer<S>[]
  readonly transitions: { readonly [name: string]: Transition<NoInfer<S>> }
}): Lifecycle<S> {
  assertKnown('a lifecycle', definition, ['states', 'initial', 'transitions'])
  const { states } = definition
  if (!Array.isArray(states) || states.length === 0)
    throw new KeelsonError('DEFINITION_INVALID', 'a lifecycle has no states', { hint: "states: ['open', 'done']" })
  for (const [name, one] of Object.entries(definition.transitions ?? {}))
    assertKnown(`transition "${name}" of a lifecycle`, one, ['from', 'to', 'approval'])
  const transitions = Object.entries(definition.transitions ?? {}).map(([name, one]) => ({
    name,
    from: [one.from].flat(),
    to: one.to,
    approval: one.approval ?? false,
  }))
  const initial = [definition.initial ?? states[0]!].flat() as S[]
  for (const state of [...initial, ...transitions.flatMap(({ from, to }) => [...from, to])]) {
    if ((states as readonly string[]).includes(state)) continue
    throw new KeelsonError('DEFINITION_INVALID', `a lifecycle names "${state}", which is none of its states`, {
      hint: `Its states are ${states.join(', ')}.`,
    })
  }
  const known: AnyLifecycle = { states, initial, transitions }
  const made: Lifecycle<S> = Object.freeze({
    states,
    initial,
    from: (state: S) => transitions.filter(({ from }) => from.includes(state)).map(({ name }) => name),
    mermaid: () => mermaid(known),
  })
  definitions.set(made, known)
  return made
}

export function lifecycleOf(value: object): AnyLifecycle {
  const found = definitions.get(value)
  if (found !== undefined) return found
  throw new KeelsonError('DEFINITION_INVALID', 'a lifecycle was given that is none', {
    hint: 'Pass what lifecycle() returned.',
  })
}

/** The transition between two states; undefined when it stays where it is. Throws `TRANSITION_ILLEGAL`. */
export function transitionOf(
  flow: AnyLifecycle,
  what: string,
  from: string | undefined,
  to: string,
): AnyLifecycle['transitions'][number] | undefined {
  if (from === to) return undefined
  if (from === undefined) {
    if (flow.initial.includes(to)) return undefined
    throw illegal(`${what} cannot begin as "${to}"`, `It begins as ${flow.initial.join(' or ')}.`, null, to)
  }
  const found = flow.transitions.filter((one) => one.to === to && one.from.includes(from))
  const [first] = found
  if (first === undefined) {
    const ways = flow.transitions.filter((one) => one.from.includes(from))
    const hint =
      ways.length === 0
        ? `"${from}" is final: nothing leads away from it.`
        : `From "${from}" it may ${ways.map(({ name, to: state }) => `${name} (to "${state}")`).join(', ')}.`
    throw illegal(`${what} cannot go from "${from}" to "${to}"`, hint, from, to)
  }
  return found.find(({ approval }) => !approval) ?? first
}

/** Throws `TRANSITION_ILLEGAL` for a state that there is not. */
export function assertState(flow: AnyLifecycle, what: string, state: Json): void {
  if (state === null || flow.states.some((one) => one === state)) return
  const shown = typeof state === 'string' ? state : JSON.stringify(state)
  throw illegal(`${what} cannot be "${shown}"`, `Its states are ${flow.states.join(', ')}.`, null, shown)
}

function illegal(message: string, hint: string, from: string | null, to: string): KeelsonError {
  return new KeelsonError('TRANSITION_ILLEGAL', message, { hint, data: { from, to } })
}

function mermaid(flow: AnyLifecycle): string {
  const ids = new Map(flow.states.map((state, n) => [state, /^[A-Za-z]\w*$/.test(state) ? state : `s${n}`]))
  const named = [...ids]
    .filter(([state, id]) => state !== id)
    .map(([state, id]) => `  state ${JSON.stringify(state)} as ${id}`)
  const begins = flow.initial.map((state) => `  [*] --> ${ids.get(state)}`)
  const ways = flow.transitions.flatMap(({ name, from, to, approval }) =>
    from.map((state) => `  ${ids.get(state)} --> ${ids.get(to)}: ${name}${approval ? ' (approval)' : ''}`),
  )
  const ends = flow.states
    .filter((state) => !flow.transitions.some(({ from }) => from.includes(state)))
    .map((state) => `  ${ids.get(state)} --> [*]`)
  return ['stateDiagram-v2', ...named, ...begins, ...ways, ...ends].join('\n')
}
