/**
 * Format: the version of what core itself writes, entries and records of its own kinds, as each company says it of itself.
 *
 * F1. It stands in the entry that opens a company, before its first run, and so in every bundle of it. Where there is none, it is 1.
 * F2. Kinds and fields are only ever added under one number. A release that writes what this one could not read has a higher
 *     one, and puts it into the record of each company before anything else.
 */
import type { Put } from './put.ts'

export const FORMAT = 1

const ID = { kind: 'company', id: 'format' } as const

export function formatPut(): Put {
  return { ...ID, version: 1, data: { format: FORMAT } }
}

/** Where a store has it. */
export const FORMAT_RECORD = { kind: ID.kind, ids: [ID.id], limit: 1 }

/** What a record's data say. */
export function formatIn(data: unknown): number {
  const { format = 1 } = (data ?? {}) as { format?: number }
  return format
}

/** What a put says; undefined for one of anything else. */
export function formatOf({ kind, id, data }: Pick<Put, 'kind' | 'id' | 'data'>): number | undefined {
  return kind === ID.kind && id === ID.id ? formatIn(data) : undefined
}
