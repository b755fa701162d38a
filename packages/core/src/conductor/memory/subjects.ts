/** Subjects: under which names what is known of an entity stands: its own, and those of the records that were made one with it. */
import type { EntityRecord } from '../../memory/entity.ts'
import type { Desk } from './desk.ts'

const REDIRECTS_MAX = 100

/** The one that it is today first. A subject that is no entity is itself. */
export async function subjectsOf(
  { env, workspace }: Pick<Desk, 'env' | 'workspace'>,
  subject: string,
): Promise<string[]> {
  if (!subject.includes('/')) return [subject]
  let at = subject
  for (let hops = 0; hops < REDIRECTS_MAX; hops++) {
    const [row] = await env.store.records(workspace, { kind: 'entity', ids: [at], limit: 1 })
    if (row === undefined) return [subject]
    const { type, merged = [], mergedInto } = JSON.parse(row.data) as EntityRecord
    if (mergedInto === undefined) return [...new Set([at, ...merged.map((id) => `${type}/${id}`), subject])]
    at = `${type}/${mergedInto}`
  }
  return [subject]
}
