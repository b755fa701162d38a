/** Input: what callers hand in to be remembered, checked, and made into records. */
import type { z } from 'zod'
import type { Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { isUnlabelled, NO_LABELS, type Labels } from '../base/labels.ts'
import { canonical, stored } from '../base/json.ts'
import { parse } from '../base/schema.ts'
import { termsFrom, type Terms } from '../base/taxonomy.ts'
import type { Json } from '../base/value.ts'
import { withZod } from '../base/zod.ts'
import { scopeOf } from './scope.ts'
import {
  authorityOf,
  MEMORY_KINDS,
  without,
  type Evidence,
  type Load,
  type Loose,
  type MemoryKind,
  type MemoryRecord,
  type Role,
  type Source,
} from './unit.ts'

/** What a memory is about: an entity, or a text that names the subject. */
export type Subject = string | { readonly id: string; readonly type?: string; readonly name?: string }

/** A fact, preference, rule, note, summary or decision. */
export interface NewMemory {
  /** Default: 'fact' with a predicate, else 'note'. */
  readonly kind?: Exclude<MemoryKind, 'event'>
  /** What is found and read. Default: made of subject, predicate and value. */
  readonly text?: string
  readonly subject?: Subject
  readonly predicate?: string
  readonly value?: unknown
  /** Only one value of this subject and predicate holds at a time: a new one closes the old. */
  readonly functional?: boolean
  readonly scope?: string
  /** Default 'search'; of rules 'always'. */
  readonly load?: Load
  /** 0 to 1. */
  readonly confidence?: number
  /** 0 to 3. Default 0. */
  readonly sensitivity?: number
  /** Its text came from outside of the company. */
  readonly outside?: boolean
  /** ISO instants. `validFrom` defaults to now. */
  readonly validFrom?: string
  readonly validTo?: string
  readonly expiresAt?: string
  /** Terms of the workspace's taxonomy by which it is sorted; another is `TAXONOMY_UNKNOWN`. */
  readonly terms?: Terms
  readonly evidence?: readonly Evidence[]
}

/** Something that was said or that happened. */
export interface NewEvent {
  readonly text: string
  /** Who said it. Default: 'operator' from a person, 'agent' from an agent or a run, else 'external'. */
  readonly role?: Role
  readonly speaker?: string
  /** What belongs together: a session, a mail thread, a project's history. */
  readonly thread?: string
  /** ISO instant. Default now. */
  readonly at?: string
  /** Its place in the thread. Default: in the order of `at` and of writing. */
  readonly ord?: number
  readonly about?: Subject
  readonly scope?: string
  readonly sensitivity?: number
  /** Default: true of what tools and outsiders said. */
  readonly outside?: boolean
  readonly expiresAt?: string
  readonly evidence?: readonly Evidence[]
  /** The same id in the same scope is the same event. */
  readonly id?: string
}

/** The longest text that is remembered. */
export const TEXT_MAX = 200_000
export const EVIDENCE_MAX = 100

const inputSchemas = withZod((z) => {
  const text = z
    .string()
    .min(1)
    .max(TEXT_MAX)
    .refine((value) => value.isWellFormed(), 'holds half of a surrogate pair')
  const name = z.string().min(1).max(300)
  const instant = z.string().refine((value) => !Number.isNaN(Date.parse(value)), 'is no instant: use ISO 8601')
  const subject = z.union([name, z.looseObject({ id: name, type: name.optional(), name: name.optional() })])
  const evidence = z.array(
    z.strictObject({
      kind: z.enum(['memory', 'entity', 'run', 'item', 'artifact', 'url']),
      id: z.string().min(1).max(2000),
      sha256: z.string().optional(),
    }),
  )
  const shared = {
    scope: z.string().optional(),
    sensitivity: z.int().min(0).max(3).optional(),
    outside: z.boolean().optional(),
    expiresAt: instant.optional(),
    evidence: evidence.max(EVIDENCE_MAX).optional(),
  }

  const terms = z.array(name).max(50).optional()
  const memory = z.strictObject({
    ...shared,
    kind: z.enum(MEMORY_KINDS).exclude(['event']).optional(),
    text: text.optional(),
    subject: subject.optional(),
    predicate: name.optional(),
    value: z.unknown().optional(),
    functional: z.boolean().optional(),
    load: z.enum(['always', 'search', 'never']).optional(),
    confidence: z.number().min(0).max(1).optional(),
    validFrom: instant.optional(),
    validTo: instant.optional(),
    terms: z.strictObject({ segments: terms, categories: terms, tags: terms }).optional(),
  })

  const event = z.strictObject({
    ...shared,
    text,
    role: z.enum(['operator', 'agent', 'tool', 'external']).optional(),
    speaker: name.optional(),
    thread: name.optional(),
    at: instant.optional(),
    ord: z.number().optional(),
    about: subject.optional(),
    id: name.optional(),
  })
  return { memory, event }
})
type Given = z.output<ReturnType<typeof inputSchemas>['memory']>

/** Who writes, and under which change set. */
export interface Writing {
  readonly source: Source
  readonly scope: string
  readonly now: number
  readonly set: string
  /** What all that is written is to be taken for. */
  readonly labels?: Labels | undefined
}

/** The record of a new memory. Throws `INPUT_INVALID`. */
export function newMemory(input: NewMemory, id: string, writing: Writing): MemoryRecord {
  const given = parse(inputSchemas().memory, input, 'INPUT_INVALID', 'a memory')
  const { now } = writing
  const { predicate, functional, confidence, validTo } = given
  if (functional === true && (given.subject === undefined || predicate === undefined)) {
    throw new KeelsonError('INPUT_INVALID', 'a functional fact needs a subject and a predicate', {
      hint: 'Name what it is about and what it says of it: only then can a new value close the old one.',
    })
  }
  const about: { subject?: string; names?: string[] } =
    given.subject === undefined ? {} : subjectOf(given.subject as Subject)
  const value = given.value === undefined ? undefined : stored(given.value)
  const kind = given.kind ?? (predicate === undefined ? 'note' : 'fact')
  const words = given.text ?? said(about.names?.[0] ?? about.subject, predicate, value)
  const from = given.validFrom === undefined ? now : Date.parse(given.validFrom)
  const to = validTo === undefined ? undefined : Date.parse(validTo)
  if (to !== undefined && to <= from)
    throw new KeelsonError('INPUT_INVALID', 'a memory ends before it begins to hold', {
      hint: 'validTo must be later than validFrom.',
    })
  return recordOf(given, writing, {
    ...{ confidence, from, id, kind, predicate, text: words, to, value },
    functional: functional === true ? true : undefined,
    load: given.load ?? (kind === 'rule' ? 'always' : 'search'),
    names: about.names,
    outside: given.outside,
    subject: about.subject,
    terms: given.terms === undefined ? undefined : termsFrom(given.terms),
  })
}

/** The record of an event. Throws `INPUT_INVALID`. `at` is its place among those that are written together. */
export function newEvent(input: NewEvent, id: string, at: number, writing: Writing): MemoryRecord {
  const given = parse(inputSchemas().event, input, 'INPUT_INVALID', 'an event')
  const from = given.at === undefined ? writing.now : Date.parse(given.at)
  const role = given.role ?? roleOf(writing.source.by)
  const outside = given.outside ?? (role === 'external' || role === 'tool')
  const { speaker, thread } = given
  const about = given.about === undefined ? undefined : subjectOf(given.about as Subject)
  return recordOf(given, writing, {
    ...{ from, id, kind: 'event', load: 'search', outside, role, speaker, text: given.text, thread },
    names: about?.names,
    ord: thread === undefined ? undefined : (given.ord ?? from * 1000 + (at % 1000)),
    subject: about?.subject,
  })
}

type Own = Pick<MemoryRecord, 'from' | 'id' | 'kind' | 'load' | 'text'> & Loose

/** With what all records have, in the order in which a record is stored. What labels say counts, whatever the code says beside it. */
function recordOf(
  given: Pick<Given, 'scope' | 'sensitivity' | 'expiresAt' | 'evidence'>,
  { source, now, set, scope, labels = NO_LABELS }: Writing,
  own: Own,
): MemoryRecord {
  return without({
    authority: authorityOf(source.by),
    confidence: own.confidence,
    ends: [],
    evidence: (given.evidence ?? []).map(pointer),
    expiresAt: given.expiresAt === undefined ? undefined : Date.parse(given.expiresAt),
    from: own.from,
    functional: own.functional,
    id: own.id,
    kind: own.kind,
    labels: isUnlabelled(labels) ? undefined : labels,
    load: own.load,
    names: own.names,
    ord: own.ord,
    outside: own.outside === true || labels.untrusted !== undefined ? true : undefined,
    predicate: own.predicate,
    recordedAt: now,
    role: own.role,
    scope: scopeOf(given.scope ?? scope),
    sensitivity: Math.max(given.sensitivity ?? 0, labels.private === undefined ? 0 : 1),
    ...{ set, source },
    speaker: own.speaker,
    subject: own.subject,
    terms: own.terms,
    text: own.text,
    thread: own.thread,
    to: own.to,
    value: own.value,
  })
}

function pointer({ id, kind, sha256 }: NonNullable<Given['evidence']>[number]): Evidence {
  return sha256 === undefined ? { id, kind } : { id, kind, sha256 }
}

/** The text under which a subject is stored, and the names by which questions may mean it. */
export function subjectOf(given: Subject): { subject: string; names?: string[] } {
  if (typeof given === 'string') return given.includes('/') ? { subject: given } : { subject: given, names: [given] }
  const { id, type, name: called } = given
  if (type === undefined) {
    throw new KeelsonError('INPUT_INVALID', `"${id}" is not enough to say what a memory is about`, {
      hint: 'Pass an entity as ctx.entities() answers it, { type, id }, or a text.',
    })
  }
  const data = (given as { data?: Record<string, unknown> }).data
  const own = called ?? data?.['name']
  return { subject: `${type}/${id}`, ...(typeof own === 'string' && own !== '' ? { names: [own.slice(0, 300)] } : {}) }
}

function said(subject: string | undefined, predicate: string | undefined, value: Json | undefined): string {
  if (value === undefined && predicate === undefined) {
    throw new KeelsonError('INPUT_INVALID', 'a memory without a text or a value says nothing', {
      hint: 'Give a text, or subject, predicate and value.',
    })
  }
  const plain = typeof value === 'string' ? value : value === undefined ? '' : canonical(value)
  return [subject, predicate?.replaceAll(/[_-]+/g, ' '), plain]
    .filter((part) => part !== undefined && part !== '')
    .join(' ')
    .slice(0, TEXT_MAX)
    .toWellFormed()
}

function roleOf(by: Actor): Role {
  return by.kind === 'person' ? 'operator' : by.kind === 'agent' ? 'agent' : 'external'
}
