/**
 * Drift: what our record and an outside copy of it say differently, put to a person with both sides.
 *
 * D1. What is taken from outside takes the place of what was shown: where ours was changed meanwhile, it asks anew.
 */
import { keyedHash, sha256 } from '../../base/hash.ts'
import { canonical } from '../../base/json.ts'
import { jsonSchema } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import { withZod } from '../../base/zod.ts'
import { timelinePut } from '../../memory/change.ts'
import { recordId, type AnyEntityType, type Entity } from '../../memory/entity.ts'
import { present, survivorOf, type Shelf } from '../../memory/entity-read.ts'
import type { Drift, EntityStore } from '../../memory/entity-store.ts'
import { unchanged, type Writing, type Written } from '../../memory/entity-write.ts'
import { takenFor } from '../item.ts'
import type { Pass } from '../pass.ts'
import { askItem, type ItemText } from './ask.ts'
import type { Perform } from './place.ts'

/** How drift reads and writes: as operations of the run. */
export interface DriftParts {
  readonly pass: Pass
  readonly perform: Perform
  readonly shelf: Shelf
  readonly type: AnyEntityType
  readonly read: <R>(verb: string, what: Json, look: () => Promise<Json | undefined>) => Promise<R>
  readonly write: (
    verb: string,
    what: readonly Json[],
    build: (writing: Writing) => Promise<Written>,
  ) => Promise<unknown>
  /** Changes these fields where `isStill` says so of the data as they stand; else answers that they are others by now. */
  readonly take: (
    id: string,
    patch: { readonly [field: string]: Json },
    reason: string,
    isStill: (data: { readonly [field: string]: Json }) => boolean,
  ) => Promise<Entity<unknown> | Changed>
}

export interface Changed {
  readonly changed: true
}

const answerSchema = withZod((z) =>
  z.object({
    keep: z.enum(['ours', 'theirs']),
    /** Fields of which the other side counts. */
    except: z.array(z.string()).optional(),
  }),
)

type Sides = { readonly [field: string]: { readonly ours: Json; readonly theirs: Json } }

export async function drift<T>(
  parts: DriftParts,
  store: Pick<EntityStore<T>, 'get'>,
  id: string,
  outside: { readonly system: string; readonly theirs: Partial<T> },
): Promise<Drift<T>> {
  for (;;) {
    const done = await settleDrift(parts, store, id, outside)
    if (done !== undefined) return done
  }
}

/** Undefined: ours was changed while a person looked at it. */
async function settleDrift<T>(
  parts: DriftParts,
  store: Pick<EntityStore<T>, 'get'>,
  id: string,
  outside: { readonly system: string; readonly theirs: Partial<T> },
): Promise<Drift<T> | undefined> {
  const { pass, perform, shelf, type } = parts
  const { system } = outside
  const entity = await store.get(id)
  const theirs = outside.theirs as { [field: string]: Json }
  const fields = differing(entity.data as { [field: string]: Json }, theirs)
  if (Object.keys(fields).length === 0) return { answer: 'same', fields, entity }
  const differs = canonical([system, fields])
  // What is asked for, as earlier releases named the line, too. The line itself stays when the entity is erased.
  const earlier = `~drift:${sha256(differs).slice(0, 24)}`
  const mark = `~drift:${keyedHash(await shelf.key(), `drift: ${differs}`).slice(0, 24)}`
  const ids = [earlier, mark].map((one) => `${recordId(type.name, entity.id)}/${one}`)
  const settled = await parts.read<boolean>('drift', ids.slice(0, 1), async () => {
    const rows = await shelf.store.records(shelf.workspace, { kind: 'timeline', ids, limit: 2 })
    return rows.length > 0
  })
  if (settled) return { answer: 'ours', fields, entity }
  const asked = {
    item: itemOf(pass, type, entity, system, fields),
    wait: 'question' as const,
    onSilence: 'wait' as const,
  }
  const said = await perform(`drift ${type.name}`, (key) => askItem(pass, key, asked, (ok) => answerSchema().parse(ok)))
  const taken = Object.keys(fields).filter((field) => (said.except ?? []).includes(field) !== (said.keep === 'theirs'))
  if (taken.length === 0) {
    await parts.write('keep', [entity.id, earlier], (writing) => keptOurs(writing, entity.id, mark, system, fields))
    return { answer: 'ours', fields, entity }
  }
  const patch = Object.fromEntries(taken.map((field) => [field, fields[field]!.theirs]))
  const isStill = (data: { readonly [field: string]: Json }): boolean =>
    Object.entries(fields).every(([field, { ours }]) => canonical(data[field] ?? null) === canonical(ours))
  const made = await parts.take(entity.id, patch, `as ${system} has it`, isStill)
  return 'changed' in made ? undefined : { answer: 'theirs', fields, entity: made as Entity<T> }
}

function differing(ours: { [field: string]: Json }, theirs: { [field: string]: Json }): Sides {
  const fields = Object.keys(theirs).filter(
    (field) => theirs[field] !== undefined && canonical(ours[field] ?? null) !== canonical(theirs[field]),
  )
  return Object.fromEntries(fields.map((field) => [field, { ours: ours[field] ?? null, theirs: theirs[field]! }]))
}

function itemOf(pass: Pass, type: AnyEntityType, entity: Entity<unknown>, system: string, fields: Sides): ItemText {
  const run = pass.task.claimed.row.id
  const { labels } = pass.history
  const shown = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value))
  const rows = Object.entries(fields).map(([label, { ours, theirs }]) => ({
    label,
    before: shown(ours),
    after: shown(theirs),
  }))
  return {
    kind: 'question',
    title: `${type.name} ${entity.id} and ${system} differ in ${Object.keys(fields).join(', ')}: keep ours, or take theirs?`,
    allows: ['answer'],
    why: [
      {
        label: `${type.name} ${entity.id}, version ${entity.version}`,
        trust: takenFor(labels, 'operator'),
        ref: `entity:${type.name}/${entity.id}@${entity.version}`,
      },
      { label: `what ${system} says`, trust: takenFor(labels, 'connector'), ref: `run:${run}` },
    ],
    preview: { kind: 'fields', rows },
    editSchema: jsonSchema(answerSchema()) as Json,
    input: { system, fields },
  }
}

/** The write of what was taken from outside (D1). */
export async function takeTheirs(
  writing: Writing,
  id: string,
  isStill: (data: { readonly [field: string]: Json }) => boolean,
  update: () => Promise<Written>,
): Promise<Written> {
  const head = await survivorOf(writing.shelf, writing.type, id)
  if (isStill(present(writing.type, head.record))) return update()
  return { ...unchanged(writing, head), ok: { changed: true } }
}

/** Remembers that ours was kept against exactly this, so that it is not asked again. */
async function keptOurs(writing: Writing, id: string, mark: string, system: string, fields: Sides): Promise<Written> {
  const { shelf, type, who } = writing
  const head = await survivorOf(shelf, type, id)
  const event = { what: `${type.name} kept as it is against ${system}`, ...who, data: { system, fields } as Json }
  const put = timelinePut(type.name, head.record.id, mark, shelf.now(), event)
  const rows = await shelf.store.records(shelf.workspace, { kind: 'timeline', ids: [put.id], limit: 1 })
  return { ok: unchanged(writing, head).ok, cached: [], puts: rows.length > 0 ? [] : [put] }
}
