/** Tags: under which cached reads count, until somebody moves them on. */
import { KeelsonError } from '../../base/errors.ts'
import { keyedHash } from '../../base/hash.ts'
import { canonical } from '../../base/json.ts'
import type { AnyAction } from '../../connector/action.ts'
import type { Put } from '../../journal/put.ts'
import type { Environment } from '../environment.ts'

/** Under which every answer stands. */
const ANY_READ = 'any read:'

/** The tags that an answer stands under: those that its action declares, one for the action itself, and one for all. */
export function tagsOf(action: AnyAction, input: unknown): string[] {
  try {
    return [...new Set([ANY_READ, actionTag(action.name), ...(action.cache?.tags(input) ?? []).map(String)])].sort()
  } catch (cause) {
    throw new KeelsonError('ACTION_FAILED', `cache.tags() of ${action.name} threw: ${String(cause)}`, {
      hint: 'Nothing was read. Mend cache.tags(), then retry.',
      cause,
    })
  }
}

export function actionTag(name: string): string {
  return `action:${name}`
}

/** Where tags stand now. Ids are keyed: of a workspace that was deleted and begun anew, they are others. */
export async function marksOf(env: Environment, workspace: string, tags: readonly string[]): Promise<string> {
  const rows = await rowsOf(env, workspace, tags)
  return rows.map(({ id, version }) => `${id.slice(0, 12)}:${version}`).join(',')
}

/** What moves tags on: whatever was kept under them counts no more. */
export async function invalidations(
  env: Environment,
  workspace: string,
  tags: readonly string[],
  at: number,
): Promise<Put[]> {
  if (tags.length === 0) return []
  const rows = await rowsOf(env, workspace, [...new Set(tags)])
  return rows.map(({ id, version }) => ({ kind: 'invalidation', id, version: version + 1, data: { at } }))
}

/** What makes all that reads have answered count no more, in every process. */
export function forgettingReads(env: Environment, workspace: string): Promise<Put[]> {
  return invalidations(env, workspace, [ANY_READ], env.clock.now())
}

/** Tags may name people: their records are keyed hashes. */
async function rowsOf(
  env: Environment,
  workspace: string,
  tags: readonly string[],
): Promise<{ id: string; version: number }[]> {
  const key = await env.company(workspace).key()
  const ids = tags.map((tag) => keyedHash(key, canonical(['tag', tag])))
  const rows = await env.store.records(workspace, { kind: 'invalidation', ids, limit: ids.length })
  const versions = new Map(rows.map((row) => [row.id, row.version]))
  return ids.map((id) => ({ id, version: versions.get(id) ?? 0 }))
}
