/** History of an entity version by version, whole, whether or not its type is known: for proofs and reverts. */
import { canonical } from '../base/json.ts'
import { upcastBlank, upcastTo } from '../base/upcast.ts'
import type { Json } from '../base/value.ts'
import type { MemoryStore } from '../journal/store.ts'
import { foldChange, NOTHING, type EntityChange, type Folded } from './change.ts'
import { bareType, type AnyEntityType } from './entity.ts'
import { changesOf } from './entity-history.ts'
import { plainName } from './entity-read.ts'

/** Values by name, and which of them are other than in the version before. */
export interface Held {
  readonly data: Readonly<Record<string, Json>>
  readonly changes: ReadonlySet<string>
}

export interface EntityVersion extends Held {
  readonly version: number
  readonly at: number
  readonly event: EntityChange
  /** What it is called, and where it stands: under `STANDING`, `ref:system` and `name:plain name`. */
  readonly about: Held
}

/** Where a record stands: 'active', 'archived', or 'merged:' and the id of the other. */
export const STANDING = 'standing'

/**
 * Oldest first; empty when there is no such entity. `known`: its type, so that a change of its schema stands before the
 * version that brought it, between it and the one before, with what the upcasters made of the data.
 */
export async function historyOf(
  store: MemoryStore,
  workspace: string,
  type: string,
  id: string,
  known?: AnyEntityType,
): Promise<EntityVersion[]> {
  const versions: EntityVersion[] = []
  let state = NOTHING
  let about: Held['data'] = {}
  for await (const event of changesOf({ store, workspace }, type, id)) {
    const schema = Math.max(event.schema ?? 1, state.schema)
    const of = known !== undefined && known.version >= schema ? known : bareType(type, schema)
    if (state.schema !== 0 && state.schema < schema) {
      const upgraded = upgradedBy(of, state, event, schema)
      versions.push({ ...upgraded.version, ...held(state.data, upgraded.data), about: held(about, about) })
      state = { ...state, schema, data: upgraded.data }
    }
    const before = { data: state.data, about }
    state = foldChange(of, state, event)
    about = aboutAfter(about, event)
    versions.push({
      ...{ version: event.version, at: Date.parse(event.at), event },
      ...held(before.data, state.data, event.erased),
      about: held(before.about, about),
    })
  }
  return versions
}

function upgradedBy(type: AnyEntityType, state: Folded, { at, version }: EntityChange, schema: number) {
  const own = {
    version: version - 0.5,
    at,
    schema,
    what: `${type.name} brought up`,
    by: `version ${schema} of its schema`,
  }
  const upcast = state.erased === true ? upcastBlank : upcastTo
  const data = upcast(type, state.data, state.schema, schema)
  return { data, version: { version: own.version, at: Date.parse(at), event: own } }
}

/** `erased`: these were written, whatever stood there before and since. */
function held(before: Held['data'], data: Held['data'], erased: readonly string[] = []): Held {
  const names = new Set([...Object.keys(before), ...Object.keys(data)])
  return {
    data,
    changes: new Set([...names].filter((name) => erased.includes(name) || !isSame(before[name], data[name]))),
  }
}

function aboutAfter(before: Held['data'], { version, became, into, names }: EntityChange): Held['data'] {
  const about = { ...before }
  if (version === 1 || became === 'restored') about[STANDING] = 'active'
  if (became === 'archived') about[STANDING] = 'archived'
  if (became === 'merged') about[STANDING] = `merged:${into}`
  for (const [system, ref] of Object.entries(names?.refs ?? {})) {
    if (ref === null) delete about[`ref:${system}`]
    else about[`ref:${system}`] = ref
  }
  for (const name of names?.without ?? []) delete about[`name:${plainName(name)}`]
  for (const name of names?.aliases ?? []) about[`name:${plainName(name)}`] = name
  return about
}

function isSame(a: Json | undefined, b: Json | undefined): boolean {
  return a === undefined || b === undefined ? a === b : canonical(a) === canonical(b)
}
