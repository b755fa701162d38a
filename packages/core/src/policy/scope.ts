/** Scope: names of actions, 'connector.*' for all of a connector, '*' for all. */

/** True when one of the scopes covers the action. */
export function covers(may: readonly string[], actionName: string): boolean {
  return may.some(
    (scope) =>
      scope === '*' || scope === actionName || (scope.endsWith('.*') && actionName.startsWith(scope.slice(0, -1))),
  )
}
