/** Rules on the fields of entities: links that hold, states that may follow one another, terms that are known. */
import { KeelsonError } from '../base/errors.ts'
import { canonical } from '../base/json.ts'
import { assertTerms } from '../base/taxonomy.ts'
import type { Json } from '../base/value.ts'
import type { AnyEntityType, EntityRecord } from './entity.ts'
import { headOf, type Shelf } from './entity-read.ts'
import { assertState, transitionOf } from './lifecycle.ts'
import { taxonomyOf } from './terms.ts'

type Data = EntityRecord['data']

/**
 * A transition that a person has agreed to, or 'any' where a person makes the change. 'elsewhere': a person takes over a record
 * that has gone its way in another company; each state of it is one that there is, however it came there.
 */
export type Allowed =
  'any' | 'elsewhere' | readonly { readonly field: string; readonly from: string; readonly to: string }[]

/** A transition that needs a person's word. */
export interface Needed {
  readonly field: string
  readonly from: string
  readonly to: string
  readonly name: string
}

/** Transitions of this change that need an approval. Throws `TRANSITION_ILLEGAL` for those that there are not. */
export function approvalsFor(type: AnyEntityType, id: string, before: Data | undefined, data: Data): Needed[] {
  return Object.entries(type.lifecycles).flatMap(([field, flow]) => {
    const [from, to] = [before?.[field], data[field]] as [string | undefined, string | undefined]
    if (to === undefined) return []
    const way = transitionOf(flow, `${field} of ${type.name} "${id}"`, from, to)
    return way?.approval === true ? [{ field, from: from!, to, name: way.name }] : []
  })
}

export function assertTransitions(
  type: AnyEntityType,
  id: string,
  before: Data | undefined,
  data: Data,
  allowed: Allowed,
): void {
  if (allowed === 'elsewhere') {
    for (const [field, flow] of Object.entries(type.lifecycles))
      assertState(flow, `${field} of ${type.name} "${id}"`, data[field] ?? null)
    return
  }
  for (const need of approvalsFor(type, id, before, data)) {
    const { field, from, to, name } = need
    const agreed =
      allowed === 'any' ||
      allowed.some((one) => canonical([one.field, one.from, one.to]) === canonical([field, from, to]))
    if (agreed) continue
    throw new KeelsonError('TRANSITION_NEEDS_APPROVAL', `"${name}" of ${type.name} "${id}" needs a person's approval`, {
      hint: 'Update it in a playbook, which asks; or name the person who edits: entities(type, { by }).',
      data: { entity: type.name, id, field, from, to },
    })
  }
}

/** Throws `LINK_BROKEN` when a changed link names what does not exist. */
export async function assertLinks(
  shelf: Shelf,
  type: AnyEntityType,
  before: Data | undefined,
  data: Data,
): Promise<void> {
  for (const [field, target] of Object.entries(type.links)) {
    if (canonical(before?.[field] ?? null) === canonical(data[field] ?? null)) continue
    for (const id of [data[field] ?? []].flat()) {
      if (typeof id === 'string' && (await headOf(shelf, target, id)) !== undefined) continue
      throw new KeelsonError(
        'LINK_BROKEN',
        `${field} of ${type.name} names ${target.name} ${JSON.stringify(id)}, which is not there`,
        {
          hint: 'Create it first, and link by its id.',
          data: { entity: type.name, field },
        },
      )
    }
  }
}

export async function assertTermsOf(
  shelf: Shelf,
  type: AnyEntityType,
  before: Data | undefined,
  data: Data,
): Promise<void> {
  const fields = Object.entries(type.taxonomy)
  if (fields.length === 0) return
  const { value } = await taxonomyOf(shelf)
  for (const [field, name] of fields) {
    const [now, was]: [Json, Json] = [data[field] ?? null, before?.[field] ?? null]
    assertTerms(value, name, `${field} of ${type.name}`, now, was)
  }
}
