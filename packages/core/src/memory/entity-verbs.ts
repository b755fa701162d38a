/** Verbs of an entity store that write, each as what it puts; for a run and for an edit from outside. */
import { isUnlabelled } from '../base/labels.ts'
import type { Json } from '../base/value.ts'
import { keyedHash, sha256 } from '../base/hash.ts'
import { canonical } from '../base/json.ts'
import type { Put } from '../journal/put.ts'
import { KeelsonError } from '../base/errors.ts'
import { timelinePut } from './change.ts'
import { createAgain, madeBy } from './entity-again.ts'
import { instant } from './entity-history.ts'
import { identifyEntity, mergeEntities, restoreEntity, withNames } from './entity-identity.ts'
import { headOf, survivorOf, type Head } from './entity-read.ts'
import type { CreateOptions, Note } from './entity-store.ts'
import { archiveEntity, assertFree, createEntity, keyedId, saidAnew, unchanged, updateEntity } from './entity-write.ts'
import type { Writing, Written } from './entity-write.ts'

export { archiveEntity as archive, identifyEntity as identify, mergeEntities as merge, restoreEntity as restore }
export { updateEntity as update }

/** A new record; `own` names it where it has no key. What this very operation made before a rewind becomes what it says now. */
export async function create(
  writing: Writing,
  data: unknown,
  options: CreateOptions | undefined,
  own: (step: string) => string,
): Promise<Written> {
  const { shelf, type, who } = writing
  const id = (await keyedId(shelf, type, data)) ?? own(who.step ?? '')
  const there = await headOf(shelf, type, id)
  if (there !== undefined && (await madeBy(writing, id))) return createAgain(writing, there, data, names(options))
  await assertFree(shelf, type, id)
  return withNames(writing, await createEntity(writing, id, data), names(options))
}

export async function upsert(writing: Writing, data: unknown, options: CreateOptions | undefined): Promise<Written> {
  const { shelf, type } = writing
  const id = await keyedId(shelf, type, data)
  if (id === undefined) {
    throw new KeelsonError('INPUT_INVALID', `${type.name} has no key by which upsert could find it`, {
      hint: 'Declare one: defineEntity({ key: (data) => … }), or use find() and update().',
    })
  }
  const there = await headOf(shelf, type, id)
  const written =
    there === undefined
      ? await createEntity(writing, id, data)
      : await updateEntity(writing, id, patchOf(type, there, data))
  if (written.puts.length === 0) return identifyEntity(writing, id, names(options))
  return withNames(writing, written, names(options))
}

/** The survivor of a merge has a key of its own: what the record merged away said already is not said again of it. */
function patchOf(type: Writing['type'], { record }: Head, data: unknown): object {
  return record.mergedInto === undefined ? (data as object) : saidAnew(type, record, data)
}

function names(options: CreateOptions | undefined): Pick<CreateOptions, 'refs' | 'aliases'> {
  const { refs, aliases } = options ?? {}
  return { ...(refs === undefined ? {} : { refs }), ...(aliases === undefined ? {} : { aliases }) }
}

/** A line in the timeline; the record stays as it is. The same line at the same instant counts once. */
export async function note(writing: Writing, id: string, line: Note): Promise<Written> {
  const { shelf, type, who } = writing
  const head = await survivorOf(shelf, type, id)
  const at = line.at === undefined ? shelf.now() : instant(line.at)
  const event = {
    what: line.what,
    ...who,
    ...(line.data === undefined ? {} : { data: line.data }),
    ...(line.artifacts === undefined ? {} : { artifacts: line.artifacts as unknown as readonly Json[] }),
    ...(writing.labels === undefined || isUnlabelled(writing.labels) ? {} : { labels: { data: writing.labels } }),
  }
  const said = canonical([at, event])
  // Behind the changes of the same instant.
  const as = (hash: string): Put => timelinePut(type.name, head.record.id, `~note:${hash.slice(0, 16)}`, at, event)
  // Keyed: the line stays when what it says is erased. Earlier releases named it by a plain hash.
  const [put, earlier] = [as(keyedHash(await shelf.key(), `note: ${said}`)), as(sha256(said))]
  const query = { kind: 'timeline', ids: [put.id, earlier.id], limit: 2 }
  const there = (await shelf.store.records(shelf.workspace, query)).length > 0
  return { ok: unchanged(writing, head).ok, cached: [], puts: there ? [] : [put] }
}
