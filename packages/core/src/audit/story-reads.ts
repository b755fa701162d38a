/**
 * StoryReads: what a run read, in one sentence for all that it read in a row.
 *
 * R1. It says what was looked at, never what was asked or answered: of records the type, id and version, of actions the name, of
 *     memories how many, of what failed the code.
 * R2. However much was read, it stays a line: of each kind a few are named and the others counted.
 */
import { aOr } from '../base/known.ts'
import type { Json } from '../base/value.ts'
import { dataOf, type Entry } from '../journal/entry.ts'
import type { EntryData } from '../journal/kinds.ts'

/** One read. Those of one `how` and `what` are told together. */
export interface Read {
  readonly how: keyof typeof TOLD
  readonly what: string
  /** What was read, each by one name. */
  readonly names: readonly string[]
  readonly cached?: true
  /** By which it took its turn, where it had to. */
  readonly turn?: string
}

const NAMED_MAX = 3

/** What an entry says was read; undefined where it is no read, or one that its own sentence tells of. */
export function readIn(entry: Entry): Read | undefined {
  if (entry.payload === null)
    return entry.kind === 'read.completed' ? { how: 'read', what: 'what was erased since', names: [] } : undefined
  if (entry.kind === 'read.completed') return recordRead(entry.key, dataOf(entry as Entry & { kind: 'read.completed' }))
  if (entry.kind === 'memory.completed')
    return memoryRead(entry.key, dataOf(entry as Entry & { kind: 'memory.completed' }))
  if (entry.kind === 'effect.completed')
    return actionRead(entry.key, dataOf(entry as Entry & { kind: 'effect.completed' }))
  return undefined
}

/** By whom a turn was taken; '' where none was. */
export function turnIn(entry: Entry): string {
  if (entry.kind !== 'limit.taken' || entry.payload === null) return ''
  return dataOf(entry as Entry & { kind: 'limit.taken' }).by
}

/** In the order in which each kind was read first. */
export function readsTold(reads: readonly Read[]): string {
  const kinds = Map.groupBy(reads, ({ how, what }) => `${how} ${what}`)
  return [...kinds.values()].map((all) => TOLD[all[0]!.how](all[0]!.what, all)).join('; ')
}

function recordRead(key: string, { ok, error, reads = [] }: EntryData['read.completed']): Read {
  const { type = key, verb = '' } = PARTS.exec(nameOf(key))?.groups ?? {}
  if (error !== undefined) return { how: 'failed', what: `${type} (${error.code})`, names: [] }
  if (nameOf(key) === 'taxonomy') return { how: 'read', what: 'the taxonomy', names: [] }
  const part = VIEWS[verb]
  if (part !== undefined) return { how: 'read', what: `${part} ${aOr(type)}`, names: [] }
  const names = (reads as readonly { entity?: string; id?: string; version?: number }[]).map(
    ({ id, version }) => `${id} at version ${version}`,
  )
  if (names.length > 0) return { how: 'named', what: type, names }
  return isNothing(ok) ? { how: 'none', what: type, names } : { how: 'read', what: aOr(type), names }
}

function isNothing(answer: Json | undefined): boolean {
  const list = (answer as { entities?: Json } | undefined | null)?.entities ?? answer
  return list === undefined || list === null || (Array.isArray(list) && list.length === 0)
}

function memoryRead(key: string, { reads }: EntryData['memory.completed']): Read | undefined {
  if (reads === undefined) return undefined // a write
  const names = (reads as readonly { memory?: string }[]).map(({ memory = '' }) => memory)
  const { verb } = /^memory\.(?<verb>recall|context)\b/.exec(nameOf(key))?.groups ?? {}
  return { how: (verb ?? 'memories') as 'recall' | 'context' | 'memories', what: '', names }
}

/** A read of a connector has no effect of its own, as nothing was done. */
function actionRead(key: string, { receipt, judged }: EntryData['effect.completed']): Read | undefined {
  const { readAt, cached } = (receipt ?? {}) as { readAt?: string; cached?: boolean }
  if (readAt === undefined) return undefined
  const by = (judged ?? {}) as { action?: string; account?: string; effect?: string }
  const { action = nameOf(key), account = 'default', effect: turn } = by
  const what = account === 'default' ? action : `${action} under ${account}`
  return {
    ...{ how: 'read', what, names: [] },
    ...(cached === true ? { cached } : {}),
    ...(turn === undefined ? {} : { turn }),
  }
}

/** An operation's own name, without its branch and ordinal. */
export function nameOf(key: string): string {
  return key.slice(key.lastIndexOf('].') === -1 ? 0 : key.lastIndexOf('].') + 2).replace(/#\d+$/, '')
}

const PARTS = /^(?<type>.+)\.(?<verb>\w+):[\w-]+$/s

/** What is no record. */
const VIEWS: { readonly [verb: string]: string } = {
  history: 'the history of',
  timeline: 'the timeline of',
  why: 'what accounts for a field of',
  drift: 'what was settled of',
}

type Tell = (what: string, reads: readonly Read[]) => string

const TOLD = {
  named: (what, reads) => {
    const names = distinct(reads)
    const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : ''
    return `read ${what} ${names.slice(0, NAMED_MAX).join(', ')}${more}`
  },
  read: (what, reads) => `read ${what}${times(reads)}${fromCache(reads)}`,
  none: (what, reads) => `looked for ${aOr(what)}${times(reads)} and found none`,
  failed: (what, reads) => `could not read ${aOr(what)}${times(reads)}`,
  recall: (_, reads) => `recalled ${memories(reads)}`,
  memories: (_, reads) => `read ${memories(reads)}`,
  context: (_, reads) =>
    `put ${reads.length === 1 ? 'a context' : `${reads.length} contexts`} together, with ${memories(reads)}`,
} as const satisfies { readonly [how: string]: Tell }

function distinct(reads: readonly Read[]): string[] {
  return [...new Set(reads.flatMap(({ names }) => names))]
}

function times({ length }: readonly Read[]): string {
  return length === 1 ? '' : ` ${length} times`
}

function fromCache(reads: readonly Read[]): string {
  const cached = reads.filter((one) => one.cached === true).length
  if (cached === 0) return ''
  return reads.length === cached ? ' from the cache' : `, ${cached} of them from the cache`
}

function memories(reads: readonly Read[]): string {
  const { length } = distinct(reads)
  return length === 1 ? '1 memory' : `${length === 0 ? 'no' : length} memories`
}
