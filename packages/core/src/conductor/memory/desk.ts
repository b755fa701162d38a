/**
 * Desk: where somebody works on memory: a workspace, the scope that is written, the scopes that are read.
 *
 * D1. A desk for another scope is never wider than the one that it is made from.
 */
import { assertActor as assertNamed, type Actor } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import { sha256 } from '../../base/hash.ts'
import { Bench } from '../../memory/bench.ts'
import { above, isWithin, scopeOf, WORKSPACE_SCOPE } from '../../memory/scope.ts'
import type { ScopeOptions } from '../../memory/handle.ts'
import type { Asked, Reader } from '../../memory/recall/recall.ts'
import type { Environment } from '../environment.ts'

export interface Desk {
  readonly env: Environment
  readonly workspace: string
  readonly scope: string
  readonly reader: Reader
  /** Where it writes, with all that lies below. Undefined: it is held to no scope, and opens any. */
  readonly held?: readonly string[]
}

export function deskOf(
  env: Environment,
  workspace: string,
  path: string = WORKSPACE_SCOPE,
  options: ScopeOptions = {},
): Desk {
  const scope = scopeOf(path)
  const scopes = [scope, ...(options.read ?? []).map(scopeOf)]
  return { env, workspace, scope, reader: { scopes, maxSensitivity: options.maxSensitivity ?? 3 } }
}

/** A desk for another scope: what was kept from the one before stays kept. Throws `MEMORY_OUT_OF_SCOPE`. */
export function narrowed(desk: Desk, path: string, options: ScopeOptions = {}): Desk {
  const most = Math.min(desk.reader.maxSensitivity, options.maxSensitivity ?? 3)
  const made = deskOf(desk.env, desk.workspace, path, { ...options, maxSensitivity: most })
  if (desk.held === undefined) return { ...made, held: [made.scope] }
  for (const scope of made.reader.scopes) if (!isAmong(desk.reader.scopes, scope)) throw outOfScope(scope, desk)
  return { ...made, held: isAmong(desk.held, made.scope) ? [made.scope] : [] }
}

/** A desk that is held to these scopes: it works in the first, and reads them all. */
export function heldTo(desk: Desk, scopes: readonly string[]): Desk {
  const [scope = WORKSPACE_SCOPE] = scopes
  return { ...desk, scope, reader: { ...desk.reader, scopes }, held: scopes }
}

/** As a log of a context keeps it. */
export function placeOf({ scope, reader }: Desk): { scope: string; read: readonly string[]; maxSensitivity: number } {
  return { scope, read: reader.scopes, maxSensitivity: reader.maxSensitivity }
}

/** Is it one of these scopes, or below one of them? */
export function isAmong(scopes: readonly string[], scope: string): boolean {
  return scopes.some((one) => isWithin(scope, one))
}

export function outOfScope(scope: string, { scope: own, reader, held }: Desk): KeelsonError {
  const given = reader.scopes.length === 0 ? 'no scope' : reader.scopes.join(', ')
  const reads = held !== undefined && isAmong(reader.scopes, scope) ? ', which is only read there' : ''
  return new KeelsonError('MEMORY_OUT_OF_SCOPE', `a handle on ${given} does not reach ${scope}${reads}`, {
    hint: 'A handle goes below its own scope, never beside or above it: take one from workspace.memory, which opens any.',
    data: { scope, own },
  })
}

export function askedOf({ env, workspace, reader }: Desk): Asked {
  return { store: env.store, workspace, library: env.library(workspace), reader, now: env.clock.now() }
}

/** The scopes above those that are read: their rules hold here, too. */
export function ruling({ reader }: Desk): string[] {
  return [...new Set(reader.scopes.flatMap(above))]
}

export function benchOf({ env, workspace }: Pick<Desk, 'env' | 'workspace'>): Bench {
  return new Bench((query) => env.store.records(workspace, query))
}

/** Memories of one set stand together, so that a store writes them in one place. */
export function memoryIds(set: string): (at: number) => string {
  const own = `mem_${sha256(set).slice(0, 20)}`
  return (at) => own + at.toString(36).padStart(4, '0')
}

export function assertActor(by: Actor | undefined): void {
  assertNamed(by, 'a change of memory')
}
