/**
 * Keys: by what an act and its counterpart find each other: one look-up for each thing that it is about, however much there is of others.
 */
import { keyedHash, sha256 } from '../../base/hash.ts'
import { canonical } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import type { MemoryStore, RecordRow } from '../../journal/store.ts'

/** Of the entities that it rests on, so many count. */
const KEYS_MAX = 20
/** So many are looked at under each key. */
const NEAR_MAX = 50

/** What it is about, and its very input, under its account: hashed under the workspace's key. */
export function keysOf(secret: string, { action, account, subjects, input }: About): string[] {
  const same = keyedHash(secret, canonical(['same', action, sha256(canonical(input))])).slice(0, 24)
  const own = (key: string): string => (account === 'default' ? key : sha256(canonical([account, key])).slice(0, 24))
  return [...subjects.slice(0, KEYS_MAX), same].map(own)
}

interface About {
  readonly action: string
  readonly account: string
  readonly subjects: readonly string[]
  readonly input: Json
}

/** Under which a record is found by each of its keys. */
export function keyIndex(keys: readonly string[]): { [field: string]: string } {
  return Object.fromEntries(keys.map((key) => [fieldOf(key), '']))
}

/** Records of a kind that share a key, from an instant on: under each key the first so many in this order. */
export async function rowsNear(
  { store, workspace }: { readonly store: MemoryStore; readonly workspace: string },
  kind: string,
  keys: readonly string[],
  { from, order }: { readonly from: number; readonly order: 'ascending' | 'descending' },
): Promise<RecordRow[]> {
  const pages = await Promise.all(
    keys.map((key) => {
      const where = { field: fieldOf(key), value: '' }
      return store.records(workspace, { kind, where, from, order, limit: NEAR_MAX })
    }),
  )
  return [...new Map(pages.flat().map((row) => [row.id, row])).values()]
}

function fieldOf(key: string): string {
  return `pair:${key}`
}
