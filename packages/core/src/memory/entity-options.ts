/** EntityOptions: what the verbs of an entity store take beside their subject, looked at where no compiler has. */
import { KeelsonError } from '../base/errors.ts'
import { fieldsOf } from '../base/fields.ts'
import { assertKnown, assertLists, assertOneOf, namesOf } from '../base/known.ts'
import { canonical } from '../base/json.ts'
import { nearest } from '../base/nearest.ts'
import type { Json } from '../base/value.ts'
import type { AnyEntityType, EntityRecord } from './entity.ts'
import { present, survivorOf, type Shelf } from './entity-read.ts'
import type { Writing } from './entity-write.ts'
import type { AsOf, CreateOptions, ListOptions, Note, TimelineOptions, WriteOptions } from './entity-store.ts'

const KEPT = { validAt: true, reason: true, because: true, labels: true } as const
const NAMED = { refs: true, aliases: true } as const
const WRITE = namesOf<WriteOptions>({ ...KEPT, expect: true })
const CREATE = namesOf<CreateOptions>({ ...KEPT, ...NAMED })

/** By verb: which argument, by its place, has which names. */
const NAMES: Readonly<Record<string, readonly (readonly [at: number, names: readonly string[]])[]>> = {
  create: [[1, CREATE]],
  upsert: [[1, CREATE]],
  update: [[2, WRITE]],
  archive: [[1, WRITE]],
  restore: [[1, WRITE]],
  merge: [[2, [...WRITE, 'take']]],
  identify: [
    [1, namesOf<Pick<CreateOptions, 'refs' | 'aliases'>>(NAMED)],
    [2, WRITE],
  ],
  list: [[0, namesOf<ListOptions<unknown>>({ where: true, archived: true, first: true, limit: true, after: true })]],
  asOf: [[1, namesOf<AsOf>({ valid: true, known: true })]],
  history: [[1, namesOf<{ after?: number; limit?: number }>({ after: true, limit: true })]],
  timeline: [[1, namesOf<TimelineOptions>({ from: true, to: true, limit: true, first: true })]],
  note: [[1, namesOf<Note>({ what: true, data: true, at: true, artifacts: true })]],
  drift: [[1, namesOf<{ system: string; theirs: object }>({ system: true, theirs: true })]],
  erase: [
    [
      1,
      namesOf<{ fields?: unknown; reason?: unknown; memory?: unknown; keepEffects?: unknown; files?: unknown }>({
        fields: true,
        reason: true,
        memory: true,
        keepEffects: true,
        files: true,
      }),
    ],
  ],
  migrate: [[0, namesOf<{ onProgress?: unknown }>({ onProgress: true })]],
}
const FIRST = ['oldest', 'newest']

type Verb = (...given: unknown[]) => Promise<unknown>

/** The same store, each verb of which rejects as `INPUT_INVALID` what it does not have. `refused` says where that was. */
export function checkingOptions<S extends object>(
  where: string,
  store: S,
  refused: (thrown: unknown, verb: string) => Error = (thrown) => thrown as Error,
): S {
  const made = Object.entries(store).map(([name, verb]: [string, unknown]) => {
    const wanted = NAMES[name]
    if (wanted === undefined) return [name, verb]
    const checked: Verb = (...given) => {
      try {
        for (const [at, names] of wanted)
          if (given[at] !== undefined) assertOptions(`${where}.${name}`, given[at], names)
        return (verb as Verb)(...given)
      } catch (thrown) {
        const promise = Promise.reject(refused(thrown, name))
        promise.catch(() => {}) // what nobody awaits must not end the process
        return promise
      }
    }
    return [name, checked]
  })
  return Object.fromEntries(made) as S
}

function assertOptions(where: string, given: unknown, names: readonly string[]): void {
  assertKnown(where, given, names, 'INPUT_INVALID')
  assertLists(where, given as object)
  if (names.includes('first'))
    assertOneOf(`first of ${where}`, (given as ListOptions<unknown>).first, FIRST, 'INPUT_INVALID')
}

/**
 * Throws `INPUT_INVALID` for a field that no record of the type has: a schema would leave it out without a word. What the record has from
 * code with another schema is no slip, where it is as it was: it comes with all that was read, and is left out as ever.
 */
export async function assertPatch({ shelf, type }: Writing, id: string, patch: object): Promise<void> {
  const { name, schema } = type
  const known = fieldsOf(schema)
  if (known === undefined) return
  const strays = Object.entries(patch).filter(([field, value]) => value !== undefined && !known.includes(field))
  if (strays.length === 0) return
  const held = await dataOf(shelf, type, id)
  const stray = strays.find(([field, value]) => !Object.hasOwn(held, field) || !isSame(held[field]!, value))?.[0]
  if (stray === undefined) return
  const [has, meant] = [`It has ${known.join(', ') || 'no fields'}.`, nearest(stray, known)]
  throw new KeelsonError('INPUT_INVALID', `${name} has no field "${stray}"`, {
    hint: meant === undefined ? has : `Did you mean "${meant}"? ${has}`,
  })
}

async function dataOf(shelf: Shelf, type: AnyEntityType, id: string): Promise<EntityRecord['data']> {
  try {
    return present(type, (await survivorOf(shelf, type, id)).record)
  } catch (thrown) {
    if (KeelsonError.is(thrown, 'ENTITY_NOT_FOUND')) return {}
    throw thrown
  }
}

/** What is none that was read is none that could be stored, either. */
function isSame(held: Json, value: unknown): boolean {
  try {
    return canonical(held) === canonical(value)
  } catch {
    return false
  }
}
