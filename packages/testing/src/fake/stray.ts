/**
 * Strays: actions that a test reaches and neither fakes nor passes. They refuse to run, and the test hears of it.
 *
 * What a test does outside it says: a fake records, and an action or connector that was passed really runs.
 */
import type { Connector } from '@keelson/core'
import { KeelsonError, type AnyAction } from '@keelson/core/ports'
import { recipeOf, type Recipe } from './fake.ts'

export class Strays {
  #first: KeelsonError | undefined
  #isTold = false

  /** Throws `ACTION_NOT_FAKED` when one was asked to run, whatever the playbook made of it. */
  assertNone(): void {
    if (this.#first === undefined) return
    this.#isTold = true
    throw this.#first
  }

  /** The same, for a test that has not heard of it. */
  assertTold(): void {
    if (!this.#isTold) this.assertNone()
  }

  /** The action, refusing all that would reach outside. Its facts and its preview stay. */
  readonly refusing = (action: AnyAction): AnyAction => {
    const refuse = (): Promise<never> => {
      const error = notFaked(action, 'would really run, and the test neither fakes nor passes it')
      this.#first ??= error
      return Promise.reject(error)
    }
    return {
      ...action,
      run: refuse,
      reconcile: action.reconcile === undefined ? undefined : refuse,
      compensate: action.compensate === undefined ? undefined : refuse,
      fresh: action.fresh === undefined ? undefined : refuse,
      classify: () => ({ class: 'final' }),
    }
  }
}

interface Faked {
  readonly connectors: readonly Connector[]
  readonly recipes: readonly Recipe[]
  readonly discovering?: boolean | undefined
}

/** Throws `ACTION_NOT_FAKED` where nothing of an action is recorded, and no fault of it could be made. */
export function assertFaked({ connectors, recipes, discovering }: Faked, action: { readonly name: string }): void {
  if (discovering === true) return
  const fakes = [...connectors.map((one) => recipeOf(one)), ...recipes]
  if (fakes.some((one) => one?.actions.some(({ name }) => name === action.name) === true)) return
  throw notFaked(action, 'is not faked in this test: nothing of it is recorded')
}

function notFaked({ name }: { readonly name: string }, why: string): KeelsonError {
  return new KeelsonError('ACTION_NOT_FAKED', `${name} ${why}`, {
    hint: 'connectors: [fake(it)] records it instead, by the action or its connector; actions: [it] really runs it.',
    data: { action: name },
  })
}
