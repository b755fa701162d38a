/**
 * Labels of an entity: what each of its fields is to be taken for, from what it was written from.
 *
 * L1. A field keeps the labels of the write that gave it its value; a later write of the field brings its own.
 * L2. A field whose schema lets no words through is never untrusted.
 * L3. Who reads the entity gets the labels of all of its fields, each source with where it was kept.
 */
import { joinLabels, keptIn, NO_LABELS, withoutUntrusted, type Labels } from '../base/labels.ts'
import { isMuteField } from '../base/wording.ts'
import type { AnyEntityType, EntityRecord, FieldLabels } from './entity.ts'

/** L2. The same labels for all of `fields`; undefined where none is left. */
export function labelsFor(
  type: Pick<AnyEntityType, 'schema'>,
  fields: readonly string[],
  labels: Labels,
): FieldLabels | undefined {
  return some(fields.map((field) => [field, isMuteField(type.schema, field) ? withoutUntrusted(labels) : labels]))
}

/** L1. Of a record after a change of it. */
export function relabelled(
  before: FieldLabels | undefined,
  change: {
    readonly changed: readonly string[]
    readonly dropped: readonly string[]
    readonly labels: FieldLabels | undefined
  },
): FieldLabels | undefined {
  const gone = new Set([...change.changed, ...change.dropped])
  const kept = Object.entries(before ?? {}).filter(([field]) => !gone.has(field))
  return some([...kept, ...Object.entries(change.labels ?? {})])
}

/** An upcaster may move words from any field to any other: each may hold them all. */
export function mixed(
  type: Pick<AnyEntityType, 'schema'>,
  before: FieldLabels | undefined,
  data: object,
): FieldLabels | undefined {
  return before === undefined ? undefined : labelsFor(type, Object.keys(data), allOf(before))
}

export function allOf(labels: FieldLabels | undefined): Labels {
  return labels === undefined ? NO_LABELS : joinLabels(...Object.values(labels))
}

/** L3. */
export function labelsIn({ type, id, labels }: Pick<EntityRecord, 'type' | 'id' | 'labels'>): Labels {
  return keptIn(allOf(labels), `${type} ${id}`)
}

function some(entries: readonly (readonly [string, Labels])[]): FieldLabels | undefined {
  const found = entries.filter(([, { untrusted, private: own }]) => untrusted !== undefined || own !== undefined)
  return found.length === 0 ? undefined : Object.fromEntries(found)
}
