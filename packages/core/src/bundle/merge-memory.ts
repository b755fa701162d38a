/** Memories of a bundle as what an import takes: those that hold, and what was said; what is gone stays gone. */
import type { ImportItem } from '../memory/handle.ts'
import type { MemoryRecord } from '../memory/unit.ts'

export type Remembering = MemoryRecord

export function itemsOf(records: readonly Remembering[], ids: ReadonlyMap<string, string>): ImportItem[] {
  const open = records.filter(
    ({ ends, erased }) => erased === undefined && ends.every((end) => end.undoneAt !== undefined),
  )
  return open.map((record) => (record.kind === 'event' ? eventOf(record, ids) : memoryOf(record, ids)))
}

function iso(instant: number): string {
  return new Date(instant).toISOString()
}

/** The subject as the target knows it; entities are `type/id`. */
function subjectOf({ subject }: MemoryRecord, ids: ReadonlyMap<string, string>): string | undefined {
  if (subject === undefined) return undefined
  const [type] = subject.split('/')
  const here = ids.get(subject)
  return here === undefined ? subject : `${type}/${here}`
}

function eventOf(record: MemoryRecord, ids: ReadonlyMap<string, string>): ImportItem {
  const { text, role, speaker, thread, ord, scope, sensitivity, from } = record
  const about = subjectOf(record, ids)
  return {
    type: 'event',
    ...{ text, scope, sensitivity, at: iso(from) },
    ...(role === undefined ? {} : { role }),
    ...(speaker === undefined ? {} : { speaker }),
    ...(thread === undefined ? {} : { thread }),
    ...(ord === undefined ? {} : { ord }),
    ...(about === undefined ? {} : { about }),
  }
}

function memoryOf(record: MemoryRecord, ids: ReadonlyMap<string, string>): ImportItem {
  const { kind, text, predicate, value, functional, scope, load, confidence, sensitivity, outside, evidence } = record
  const subject = subjectOf(record, ids)
  return {
    type: 'memory',
    ...{
      kind: kind as Exclude<typeof kind, 'event'>,
      text,
      scope,
      load,
      sensitivity,
      evidence,
      validFrom: iso(record.from),
    },
    ...(subject === undefined ? {} : { subject }),
    ...(predicate === undefined ? {} : { predicate }),
    ...(value === undefined ? {} : { value }),
    ...(functional === undefined ? {} : { functional }),
    ...(confidence === undefined ? {} : { confidence }),
    ...(outside === undefined ? {} : { outside }),
    ...(record.to === undefined ? {} : { validTo: iso(record.to) }),
    ...(record.expiresAt === undefined ? {} : { expiresAt: iso(record.expiresAt) }),
  }
}
