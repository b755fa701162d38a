/**
 * Merge: two records that a run holds to be one, put to a person with what would become of both.
 *
 * G1. What is merged is what was shown: when either record was changed meanwhile, it asks anew.
 * G2. What could not be merged at all is told to the code before anybody is asked. Already one: nobody is asked.
 */
import { canonical } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import { recordId, type AnyEntityType, type Entity, type EntityRecord } from '../../memory/entity.ts'
import { present, survivorOf, type Head } from '../../memory/entity-read.ts'
import { mergeEntities } from '../../memory/entity-identity.ts'
import type { Writing, Written } from '../../memory/entity-write.ts'
import { contradictedBy } from '../memory/subjects.ts'
import { saidBy, takenFor } from '../item.ts'
import type { Pass } from '../pass.ts'
import { agreed, shown } from './agree.ts'
import type { ItemText } from './ask.ts'
import type { Perform } from './place.ts'

/** How a merge looks and writes: as operations of the run. */
export interface MergeParts {
  readonly pass: Pass
  readonly perform: Perform
  readonly type: AnyEntityType
  readonly write: (build: (writing: Writing) => Promise<Written>) => Promise<Entity<unknown> | Seen>
}

export interface Merging {
  readonly into: string
  readonly from: string
  readonly take: readonly string[]
  readonly reason: string | undefined
}

/** What a person sees before they say yes. */
interface Seen {
  readonly into: { readonly id: string; readonly version: number }
  readonly from: { readonly id: string; readonly version: number }
  readonly rows: readonly { readonly label: string; readonly before?: string; readonly after: string }[]
}

/** Answers the survivor. Throws `ACTION_DECLINED` for a no. */
export async function merge<T>({ pass, perform, type, write }: MergeParts, merging: Merging): Promise<Entity<T>> {
  const { reason } = merging
  for (let seen: Seen | undefined; ;) {
    const done = await write((writing) => mergeSeen(pass, writing, merging, seen))
    if ('data' in done) return done as Entity<T>
    seen = done
    await agreed(pass, perform, `agree ${type.name}`, itemOf(pass, type, seen, reason))
  }
}

/** Merges what was seen as it was seen; else answers what there is to see now. */
async function mergeSeen(
  pass: Pass,
  writing: Writing,
  { into, from, take }: Merging,
  seen: Seen | undefined,
): Promise<Written> {
  const { shelf, type } = writing
  const survivor = await survivorOf(shelf, type, into)
  const lost = await survivorOf(shelf, type, from)
  const made = await mergeEntities(writing, into, from, take)
  const now = { into: pointer(survivor), from: pointer(lost) }
  const isOne = survivor.record.id === lost.record.id
  if (isOne || pass.history.start.shadow !== undefined || (seen !== undefined && isSame(now, seen))) return made
  const { data } = made.ok as { data: EntityRecord['data'] }
  const [one, other] = [survivor, lost].map(({ record }) => recordId(type.name, record.id))
  const { env, claimed } = pass.task
  const facts = await contradictedBy({ env, workspace: claimed.row.workspace }, one!, other!)
  const given = facts.map(({ predicate, stands, givesWay }) => ({
    ...{ label: `known of them: ${predicate}`, before: givesWay.text, after: stands.text },
  }))
  const rows = [...rowsOf(type, survivor, lost, data), ...given] as unknown as Json
  return { puts: [], cached: [], ok: { ...now, rows } }
}

function isSame(now: Pick<Seen, 'into' | 'from'>, seen: Pick<Seen, 'into' | 'from'>): boolean {
  return [now.into, now.from].every(({ id, version }, i) => {
    const then = i === 0 ? seen.into : seen.from
    return then.id === id && then.version === version
  })
}

function pointer({ record, version }: Head): { id: string; version: number } {
  return { id: record.id, version }
}

function rowsOf(type: AnyEntityType, survivor: Head, lost: Head, after: EntityRecord['data']): Seen['rows'] {
  const [ours, theirs] = [present(type, survivor.record), present(type, lost.record)]
  const fields = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])]
  const systems = Object.keys(lost.record.refs ?? {})
  const aliases = lost.record.aliases ?? []
  return [
    ...fields.map((label) => ({
      label,
      ...(isEqual(ours[label], after[label]) || ours[label] === undefined ? {} : { before: shown(ours[label]) }),
      after: shown(after[label]),
    })),
    ...fields
      .filter((field) => theirs[field] !== undefined && !isEqual(theirs[field], after[field]))
      .map((field) => ({ label: `${field}, given up`, after: shown(theirs[field]) })),
    ...(systems.length === 0 ? [] : [{ label: 'identities outside that come along', after: systems.join(', ') }]),
    ...(aliases.length === 0 ? [] : [{ label: 'names that come along', after: aliases.join(', ') }]),
  ]
}

function isEqual(one: Json | undefined, other: Json | undefined): boolean {
  return canonical(one ?? null) === canonical(other ?? null)
}

function itemOf(pass: Pass, type: AnyEntityType, { into, from, rows }: Seen, reason: string | undefined): ItemText {
  const run = pass.task.claimed.row.id
  const because = reason === undefined ? '' : ` (${reason})`
  return {
    kind: 'question',
    title: `${type.name} ${from.id} and ${into.id}: are they one?${because}`.slice(0, 500).toWellFormed(),
    allows: ['approve', 'reject', 'answer'],
    why: [
      saidBy(run, pass.history.labels),
      ...[into, from].map(({ id, version }) => ({
        label: `${type.name} ${id}, version ${version}`,
        trust: takenFor(pass.history.labels, 'operator'),
        ref: `entity:${type.name}/${id}@${version}`,
      })),
    ],
    preview: { kind: 'fields', rows: [...rows, { label: 'merged away', after: from.id }] },
    editSchema: {},
    proposes: { op: 'merge', entities: [into, from].map(({ id }) => `${type.name}/${id}`) },
    input: { merge: type.name, into: { ...into }, from: { ...from } },
  }
}
