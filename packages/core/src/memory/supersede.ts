/**
 * Supersede: what a fact may take the place of, and where in time one belongs that begins before the one which stands, or was told when
 * none does any more.
 */
import { canonical } from '../base/json.ts'
import type { Bench } from './bench.ts'
import { endOf, yields, type MemoryRecord } from './unit.ts'

export interface Place {
  /** Until then it holds: there the next one begins. Undefined: there is none, and it stands. */
  readonly to: number | undefined
  /** What held when it begins, and holds no longer from there on. */
  readonly prior: MemoryRecord | undefined
}

/** Undefined of what takes the place of `old`, which stands. */
export function placeOf(bench: Bench, record: MemoryRecord, old: MemoryRecord | undefined): Place | undefined {
  if (old === undefined ? record.functional !== true : record.from >= old.from) return undefined
  const held = (record.functional === true ? bench.under(record) : []).flatMap((one) => {
    const to = heldUntil(one)
    return to === undefined || to <= one.from ? [] : [{ one, to }]
  })
  const next = held.filter(({ one }) => one.from > record.from).map(({ one }) => one.from)
  const prior = held.filter(({ one, to }) => one.from <= record.from && to > record.from)
  const from = old === undefined ? next : [...next, old.from]
  return {
    to: from.length === 0 ? undefined : Math.min(record.to ?? Infinity, ...from),
    prior: prior.sort((a, b) => a.one.recordedAt - b.one.recordedAt).at(-1)?.one,
  }
}

/** Undefined: it was taken away, and never held as far as is known now. */
function heldUntil(record: MemoryRecord): number | undefined {
  if (record.erased !== undefined) return undefined
  const end = endOf(record)
  const to = record.to ?? Infinity
  if (end === undefined) return to
  return end.how === 'closed' && end.to !== undefined ? Math.min(end.to, to) : undefined
}

/** Is `old` the word of somebody that counts for more, or pinned? */
export function mayNotClose(record: MemoryRecord, old: MemoryRecord): boolean {
  return yields(record.authority, old.authority) || old.pinned === true
}

/** Does `record` say nothing that `old` does not? */
export function isSame(old: MemoryRecord, record: MemoryRecord): boolean {
  return (
    (record.terms === undefined || canonical(old.terms ?? {}) === canonical(record.terms)) &&
    old.text === record.text &&
    canonical(old.value ?? null) === canonical(record.value ?? null) &&
    old.to === record.to
  )
}
