/** Consolidate: proposals to say the same in fewer memories. What a consolidator answers is never applied by itself. */
import type { ChangeOp } from './change-set.ts'
import { termsOf } from './recall/words.ts'
import type { Memory } from './unit.ts'

/** Looks at what stands in some scopes and answers what it would change, with a reason; nothing when all is well. */
export interface Consolidator {
  readonly name: string
  propose(memories: readonly Memory[]): readonly ChangeOp[] | Promise<readonly ChangeOp[]>
}

/**
 * Merges semantic memories that say the same in the same words: the strongest stays, the others go to the bin.
 *
 * Two say the same when kind, scope, subject and predicate are equal and their texts hold the same terms. That is
 * narrow on purpose: false merges lose what was told apart ("invoice 260" and "invoice 480" share most of their words).
 */
export const sameWords: Consolidator = {
  name: 'same-words',
  propose(memories) {
    const groups = new Map<string, Memory[]>()
    for (const memory of memories) {
      if (memory.kind === 'event' || memory.pinned) continue
      const key = JSON.stringify([
        memory.kind,
        memory.scope,
        memory.subject,
        memory.predicate,
        memory.functional,
        termSet(memory.text),
        memory.value ?? null,
      ])
      groups.set(key, [...(groups.get(key) ?? []), memory])
    }
    return [...groups.values()].flatMap((group) => {
      if (group.length < 2) return []
      const [, ...others] = [...group].sort(strongestFirst)
      return others.map(({ id }): ChangeOp => ({ op: 'forget', id }))
    })
  },
}

const AUTHORITIES = ['operator', 'import', 'agent']

function strongestFirst(a: Memory, b: Memory): number {
  return (
    AUTHORITIES.indexOf(a.authority) - AUTHORITIES.indexOf(b.authority) ||
    (a.recordedAt < b.recordedAt ? -1 : a.recordedAt > b.recordedAt ? 1 : a.id < b.id ? -1 : 1)
  )
}

function termSet(text: string): string[] {
  return [...new Set(termsOf(text))].sort()
}
