/** Persona: on whose behalf a run acts, and what it may do at most. */
import { KeelsonError } from '../base/errors.ts'
import type { Action } from '../connector/action.ts'

export interface Persona {
  readonly name: string
  /** Names of actions, or 'connector.*'. */
  readonly may: readonly string[]
}

/** Defines a persona by the actions that it may use: actions, their names, or 'connector.*'. */
export function definePersona(definition: {
  readonly name: string
  readonly may: readonly (string | Action<any, any>)[]
}): Persona {
  const may = definition.may.map((one) => (typeof one === 'string' ? one : one.name))
  const wrong = may.find((name) => !/^[\w-]+(\.[\w-]+)*(\.\*)?$|^\*$/.test(name))
  if (wrong !== undefined) {
    throw new KeelsonError('DEFINITION_INVALID', `persona "${definition.name}" names "${wrong}", which is no action`, {
      hint: 'Name actions ("email.send"), or all of a connector ("email.*").',
    })
  }
  return Object.freeze({ name: definition.name, may: Object.freeze(may) })
}

/** True when one of the scopes covers the action. */
export function covers(may: readonly string[], actionName: string): boolean {
  return may.some(
    (scope) =>
      scope === '*' || scope === actionName || (scope.endsWith('.*') && actionName.startsWith(scope.slice(0, -1))),
  )
}
