/**
 * Scope: the place of a memory in a company: `workspace`, `customer:acme`, `customer:acme/project:site`.
 *
 * The first part is the root. A scope reads itself and what lies below; of what lies above only what is always loaded.
 */
import { KeelsonError } from '../base/errors.ts'
import { isScopePath } from '../base/scope-path.ts'

/** Where memories are that name no scope. */
export const WORKSPACE_SCOPE = 'workspace'

/** Throws `INPUT_INVALID` unless it is a path. */
export function scopeOf(path: string | undefined): string {
  if (path === undefined) return WORKSPACE_SCOPE
  if (isScopePath(path)) return path
  throw new KeelsonError('INPUT_INVALID', `"${String(path).slice(0, 60).toWellFormed()}" is not a scope`, {
    hint: 'Use up to eight names joined by "/", as in "customer:acme/project:site".',
  })
}

export function rootOf(scope: string): string {
  const slash = scope.indexOf('/')
  return slash === -1 ? scope : scope.slice(0, slash)
}

/** Is `scope` the same as `of`, or below it? */
export function isWithin(scope: string, of: string): boolean {
  return scope === of || scope.startsWith(`${of}/`)
}

/** The scopes above, the root first. */
export function above(scope: string): string[] {
  const parts = scope.split('/')
  return parts.slice(1).map((_, at) => parts.slice(0, at + 1).join('/'))
}
