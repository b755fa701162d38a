/** Shared: what memories that are erased say in the same words as memories about somebody else: it is nobody's own, and is looked for nowhere else. */
import { pagesOf } from '../../journal/pages.ts'
import type { Erased } from '../../memory/handle.ts'
import { MEMORY_RECORD, type MemoryRecord } from '../../memory/unit.ts'
import type { Desk } from './desk.ts'
import { UNSOUGHT } from './redact.ts'

type Says = (record: MemoryRecord) => string[]

/** Of what these say, what a memory about another subject says as a whole, too. What is about nobody, or noted with a line of its own, counts for none. */
export async function sharedWords(
  { env, workspace }: Pick<Desk, 'env' | 'workspace'>,
  memories: readonly MemoryRecord[],
  says: Says,
): Promise<ReadonlySet<string>> {
  const known = memories.filter(({ kind, subject }) => kind !== 'event' && subject !== undefined)
  const subjects = new Set(known.map(({ subject }) => subject))
  const said = new Set(known.flatMap(says))
  const shared = new Set<string>()
  if (said.size === 0) return shared
  for await (const { data } of pagesOf(env.store, workspace, { kind: MEMORY_RECORD })) {
    const record = JSON.parse(data) as MemoryRecord
    if (record.kind === 'event' || record.subject === undefined || subjects.has(record.subject)) continue
    for (const text of says(record)) if (said.has(text)) shared.add(text)
  }
  return shared
}

export function sharedLeft(shared: ReadonlySet<string>): Erased['left'] {
  const why = 'what is known of somebody else says the same: it goes from its own record, and is not looked for there'
  return shared.size === 0 ? [] : [{ where: UNSOUGHT.where, why }]
}
