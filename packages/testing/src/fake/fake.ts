/**
 * fake: a connector whose effects happen in a World instead of outside.
 *
 * In a harness each test has a world of its own, even where tests share the fake; elsewhere the fake has one.
 */
import {
  assertKnown,
  definitionOf,
  isAction,
  KeelsonError,
  systemClock,
  withActions,
  type AnyAction,
} from '@keelson/core/ports'
import type { Action, Connector, Returned } from '@keelson/core'
import type { Clock } from '@keelson/core/ports'
import { World, type Answer, type Answers, type AnswersOf } from './world.ts'

interface Recipe {
  readonly name: string
  readonly actions: readonly AnyAction[]
  readonly answers: Answers
}

const recipes = new WeakMap<object, Recipe>()

/**
 * A connector of the same actions that reaches nothing outside: what happens is recorded under the effect's key.
 *
 * An action of no connector is faked by itself: `fake(order)`; a harness takes several of one connector. `answers` says what actions
 * answer: `fake(calendar, { findTime: () => slot })`, or by an action's whole name; of one action a function does:
 * `fake(order, () => ({ number: '7' }))`. Any other answers with the smallest value that fits its output.
 */
export function fake<In, Out, const R extends Returned<Out>>(
  action: Action<In, Out>,
  answer: (input: NoInfer<In>, about: Parameters<Answer>[1]) => R,
): Connector
export function fake<C extends { readonly name: string }>(connector: C, answers?: AnswersOf<NoInfer<C>>): Connector
export function fake(connector: { readonly name: string }, answers?: object): Connector {
  const name = isAction(connector) ? connectorIn(connector.name) : connector.name
  const recipe: Recipe = { name, actions: actionsIn(connector), answers: byName(connector, answers ?? {}) }
  assertAnswers(recipe)
  const world = new World()
  const made = fakeIn(recipe, world, systemClock)
  recipes.set(made, recipe)
  return made
}

/** What is called as the connector calls it, under the name of its action. */
function byName(connector: { readonly name: string }, answers: object): Answers {
  if (typeof answers === 'function') return ofOne(connector, answers as Answer)
  if (typeof answers !== 'object' || answers === null) return answers
  const held = isAction(connector) ? new Map<string, unknown>() : new Map<string, unknown>(Object.entries(connector))
  return Object.fromEntries(
    Object.entries(answers as Answers).map(([key, answer]) => {
      const action = held.get(key)
      return [isAction(action) ? action.name : key, answer]
    }),
  )
}

function ofOne(connector: { readonly name: string }, answer: Answer): Answers {
  if (isAction(connector)) return { [connector.name]: answer }
  const [first] = actionsIn(connector)
  throw new KeelsonError('DEFINITION_INVALID', `fake(${connector.name}) does not say which of its actions answers so`, {
    hint: `Write { '${first!.name}': (input) => … }, or fake that action by itself.`,
  })
}

/** An answer of no action would be given to nobody, and the action that was meant answers with the smallest value. */
function assertAnswers({ name, actions, answers }: Recipe): void {
  const known = actions.map((one) => one.name)
  assertKnown(`fake(${name})`, answers, known)
  const wrong = Object.entries(answers).find(([, answer]) => typeof answer !== 'function')?.[0]
  if (wrong === undefined) return
  throw new KeelsonError('DEFINITION_INVALID', `what fake(${name}) answers to ${wrong} is no function`, {
    hint: `Write { '${wrong}': (input) => … }.`,
  })
}

/** The actions of a fake; undefined for a connector that is real. */
export function recipeOf(connector: Connector): Recipe | undefined {
  return recipes.get(connector)
}

/** A fake of one action that no connector brings. */
export function recipeFor(action: AnyAction): Recipe {
  return { name: connectorIn(action.name), actions: [action], answers: {} }
}

/** Recipes of one connector are one. */
export function joined(recipes: readonly Recipe[]): Recipe[] {
  const all = new Map<string, Recipe>()
  for (const { name, actions, answers } of recipes) {
    const before = all.get(name)
    const more = { actions: [...(before?.actions ?? []), ...actions], answers: { ...before?.answers, ...answers } }
    all.set(name, { name, ...more })
  }
  return [...all.values()]
}

export type { Recipe }

/** The fake of `recipe` in `world`, as one process sees it. */
export function fakeIn(recipe: Recipe, world: World, clock: Clock): Connector {
  world.answer(recipe.answers)
  return withActions(
    { name: recipe.name },
    recipe.actions.map((action) => inWorld(action, world, clock)),
  )
}

/** An action whose effects happen in a world. Its facts (idempotency, timeout, undo …) stay. */
function inWorld(action: AnyAction, world: World, clock: Clock): AnyAction {
  const reconciles = action.reconcile !== undefined || action.idempotency.by === 'lookup'
  return {
    ...action,
    run: (input, options) => world.run(action, input, options, clock),
    reconcile: reconciles ? (_input, { key }) => world.reconcile(action, key) : undefined,
    fresh: action.fresh === undefined ? undefined : () => world.fresh.get(action.name) ?? null,
    compensate: action.compensate === undefined ? undefined : (undo) => world.compensate(action, undo),
  }
}

function connectorIn(action: string): string {
  return action.slice(0, action.indexOf('.'))
}

function actionsIn(connector: { readonly name: string }): AnyAction[] {
  if (isAction(connector)) return [definitionOf(connector)]
  if (typeof connector !== 'object' || connector === null)
    throw new KeelsonError('DEFINITION_INVALID', `${JSON.stringify(connector)} is no connector and no action`, {
      hint: 'Pass what defineConnector() or action() returned, not its name.',
    })
  const held = 'actions' in connector && Array.isArray(connector.actions) ? connector.actions : Object.values(connector)
  const actions = held.filter(isAction).map((one) => definitionOf(one))
  if (actions.length > 0) return actions
  throw new KeelsonError('DEFINITION_INVALID', `"${connector.name}" has no actions to fake`, {
    hint: 'Pass what defineConnector() returned, or what its connect() did, or an action.',
  })
}
