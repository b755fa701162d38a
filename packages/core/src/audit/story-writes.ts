/** StoryWrites: what a run wrote into memory: how many memories, by ids, and never a word of them. */
import type { EntryData } from '../journal/kinds.ts'
import type { Remembered } from '../memory/change-set.ts'
import { nameOf } from './story-reads.ts'

const NAMED_MAX = 3

/** Undefined of what is no such write. */
export function memoryWritten({ ok, error }: EntryData['memory.completed'], key: string): string | undefined {
  const verb = /^memory\.(?<verb>append|remember|promote|propose)$/.exec(nameOf(key))?.groups?.['verb']
  if (verb === undefined) return undefined
  if (error !== undefined) return `${key} failed: ${error.code}`
  if (verb === 'propose') return `proposed change set ${(ok as { changeSet?: string } | undefined)?.changeSet}`
  const made = Map.groupBy((ok ?? []) as unknown as readonly Remembered[], ({ status }) => status)
  const parts = [...made].map(([status, all]) => TOLD[status](verb === 'append' ? 'noted' : 'remembered', all))
  return parts.length === 0 ? undefined : parts.join('; ')
}

type Tell = (did: string, all: readonly Remembered[]) => string

const TOLD = {
  applied: (did, all) => `${did} ${memories(all)} (${named(all.map(({ id }) => id))})`,
  known: (_, all) => `knew ${memories(all)} already (${named(all.map(({ id }) => id))})`,
  proposed: (_, all) =>
    `asked a person whether to remember ${memories(all)} (change set ${named(all.map(({ changeSet = '' }) => changeSet))})`,
} as const satisfies { readonly [status in Remembered['status']]: Tell }

function memories({ length }: readonly Remembered[]): string {
  return length === 1 ? '1 memory' : `${length} memories`
}

function named(ids: readonly string[]): string {
  const all = [...new Set(ids)]
  const more = all.length > NAMED_MAX ? ` and ${all.length - NAMED_MAX} more` : ''
  return `${all.slice(0, NAMED_MAX).join(', ')}${more}`
}
