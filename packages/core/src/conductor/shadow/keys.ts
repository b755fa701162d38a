/**
 * Keys: by what an act and its counterpart find each other: one look-up for each thing that it is about, however much there is of others.
 */
import { keyedHash, sha256 } from '../../base/hash.ts'
import { canonical } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { MemoryStore, RecordRow } from '../../journal/store.ts'

/** Of the entities that it rests on, so many count. */
const KEYS_MAX = 20
/** So many are looked at under each key. */
const NEAR_MAX = 50
/** Mostly there are not more. */
const FEW = 10

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

/** What is looked for: around an instant, no further from it than the window, and only what is kept. */
export interface Near {
  readonly at: number
  readonly windowMs: number
  readonly now: number
  readonly keep?: (row: RecordRow) => Promise<boolean>
}

/** Records of a kind that share a key: of each key the nearest so many that are kept, before the instant and after it. */
export async function rowsNear(
  place: { readonly store: MemoryStore; readonly workspace: string },
  kind: string,
  keys: readonly string[],
  near: Near,
): Promise<RecordRow[]> {
  const { at, now, windowMs } = near
  // A clock may be behind the one that wrote: what is newest is read from its end.
  const isPast = at < now
  const before = {
    from: at - windowMs,
    order: 'descending',
    ...(isPast ? { after: { sort: at + 1, id: '' } } : {}),
  } as const
  const sides = [before, ...(isPast ? [{ from: at + 1, order: 'ascending' } as const] : [])]
  const looks = keys.flatMap((key) =>
    sides.map((side) => ({ kind, where: { field: fieldOf(key), value: '' }, ...side })),
  )
  const all = await Promise.all(looks.map((query) => kept(place, query, near)))
  return [...new Map(all.flat().map((row) => [row.id, row])).values()]
}

async function kept(
  { store, workspace }: Parameters<typeof rowsNear>[0],
  query: Parameters<typeof pagesOf>[2],
  { at, windowMs, keep }: Near,
): Promise<RecordRow[]> {
  const rows: RecordRow[] = []
  for await (const row of pagesOf(store, workspace, query, FEW)) {
    if (query.order === 'ascending' && row.sort > at + windowMs) break
    if (keep !== undefined && !(await keep(row))) continue
    if (rows.push(row) === NEAR_MAX) break
  }
  return rows
}

function fieldOf(key: string): string {
  return `pair:${key}`
}
