/** Desk: where somebody works on memory: a workspace, the scope that is written, the scopes that are read. */
import { assertActor as assertNamed, type Actor } from '../../base/actor.ts'
import { sha256 } from '../../base/hash.ts'
import { Bench } from '../../memory/bench.ts'
import { above, scopeOf, WORKSPACE_SCOPE } from '../../memory/scope.ts'
import type { ScopeOptions } from '../../memory/handle.ts'
import type { Asked, Reader } from '../../memory/recall/recall.ts'
import type { Environment } from '../environment.ts'

export interface Desk {
  readonly env: Environment
  readonly workspace: string
  readonly scope: string
  readonly reader: Reader
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

/** A desk for another scope: what was kept from the one before stays kept. */
export function narrowed(desk: Desk, path: string, options: ScopeOptions = {}): Desk {
  const most = Math.min(desk.reader.maxSensitivity, options.maxSensitivity ?? 3)
  return deskOf(desk.env, desk.workspace, path, { ...options, maxSensitivity: most })
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
