/** Would: one effect that a run in shadow would have had, as its record keeps it: what reports and reads of that run go by. */
import type { Duration } from '../../base/duration.ts'
import { keyedHash, sha256 } from '../../base/hash.ts'
import { canonical } from '../../base/json.ts'
import { fromStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import type { AnyAction } from '../../connector/action.ts'
import type { Put } from '../../journal/put.ts'
import type { MemoryStore, RecordQuery } from '../../journal/store.ts'
import { keyIndex } from './keys.ts'

export interface Would {
  readonly id: string
  readonly run: string
  /** The run whose overlay it is in. */
  readonly root: string
  readonly playbook: string
  readonly version: number
  readonly step: string
  readonly action: string
  readonly account: string
  readonly input: Json
  readonly output: Json
  readonly verdict: 'allow' | 'hold' | 'ask' | 'ask-then-hold' | 'deny'
  readonly reason: string
  readonly because: readonly Json[]
  /** What it is about, each as a keyed hash: two acts of one action that share one are about the same. */
  readonly subjects: readonly string[]
  readonly at: number
  /** Place among the effects of its overlay. */
  readonly order: number
  /** Which operation of its run it is, from 1: those before it were answered. */
  readonly place?: number
  /** Its output is not what its action says: it was read off a preview, or off what the run did before. */
  readonly guessed?: true
  /** Where a person was shown what would have been asked. */
  readonly item?: string
  /** It was simulated for standing on the rung 'shadow' there, in a run that is real. */
  readonly rung?: string
  /** By what its counterpart is found, where it is evidence; see keys.ts. */
  readonly keys?: readonly string[]
  /** Under which standing it is evidence: its segment, and the version then. */
  readonly trust?: { readonly segment: string; readonly version: string }
  /** It has counted as evidence: by what was really done, by a person's word, or as nobody did anything of the kind. */
  readonly paired?: Paired
}

export interface Paired {
  /** The counterpart (`deed:…`, `effect:…`), or `nobody`; where nothing was compared, `word`. */
  readonly by: string
  readonly good: boolean
}

/** How far apart an act and its counterpart may be. */
export const WINDOW: Duration = '7d'

export function wouldPut(would: Would, version: number): Put {
  return {
    kind: 'would',
    id: would.id,
    version,
    data: would as unknown as Json,
    index: {
      root: would.root,
      run: would.run,
      playbook: would.playbook,
      action: would.action,
      ...evidenceIndex(would),
    },
    sort: would.at,
  }
}

/** It is looked for by what it is about while it has no counterpart. */
function evidenceIndex(would: Would): { [field: string]: string } {
  const { item, trust, keys, paired } = would
  const isFree = trust !== undefined && keys !== undefined && paired === undefined
  return {
    ...(item === undefined ? {} : { shown: shownKey(would) }),
    ...(isFree ? { ...keyIndex(keys), free: freeKey(would) } : {}),
  }
}

/** Of those that were put before a person. */
export function shownKey({ action, account, trust }: Pick<Would, 'action' | 'account' | 'trust'>): string {
  return sha256(canonical([action, account, trust?.segment ?? null])).slice(0, 24)
}

/** Of those that are evidence for one standing, and have not counted. */
export function freeKey({ action, account, trust }: Pick<Would, 'action' | 'account' | 'trust'>): string {
  return sha256(canonical([action, account, trust?.segment ?? null, trust?.version ?? null])).slice(0, 24)
}

export async function readWould(
  store: MemoryStore,
  workspace: string,
  id: string,
): Promise<{ would: Would; version: number } | undefined> {
  const [row] = await store.records(workspace, { kind: 'would', ids: [id], limit: 1 })
  return row === undefined ? undefined : { would: JSON.parse(row.data) as Would, version: row.version }
}

const PAGE = 500

/** All records of a look-up, in order of their instants. */
export async function allOf<T>(
  store: MemoryStore,
  workspace: string,
  query: Omit<RecordQuery, 'limit' | 'after'>,
): Promise<T[]> {
  const found: T[] = []
  let after: { sort: number; id: string } | undefined
  for (;;) {
    const rows = await store.records(workspace, { ...query, limit: PAGE, ...(after === undefined ? {} : { after }) })
    found.push(...rows.map((row) => JSON.parse(row.data) as T))
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return found
    after = { sort: last.sort, id: last.id }
  }
}

/** What the family of `root` would have done, in order. */
export async function wouldsOf(store: MemoryStore, workspace: string, root: string): Promise<Would[]> {
  const all = await allOf<Would>(store, workspace, { kind: 'would', where: { field: 'root', value: root } })
  return all.sort((a, b) => a.order - b.order)
}

/**
 * What an act is about: its business intent, and the entities that it rests on; where it has neither, what of its input does
 * not decide agreement, or else all of it. Hashed under the workspace's key.
 */
export function subjectsOf(
  secret: string,
  action: AnyAction | undefined,
  name: string,
  input: Json,
  because: readonly Json[],
): string[] {
  const subject = (parts: Json): string => keyedHash(secret, canonical(['subject', name, parts])).slice(0, 24)
  const found = because.flatMap((one) => {
    const { entity, id } = (typeof one === 'object' && one !== null ? one : {}) as { entity?: string; id?: string }
    return entity === undefined || id === undefined ? [] : [subject([entity, id])]
  })
  const intent = intentOf(action, input)
  if (intent !== undefined) return [subject(['intent', ...intent]), ...found]
  return found.length > 0 ? found : [subject(['input', sha256(canonical(immaterial(action, input)))])]
}

/** It names neither an intent nor an entity. */
export function isLoose(action: AnyAction | undefined, input: Json, because: readonly Json[]): boolean {
  const named = because.some((one) => typeof one === 'object' && one !== null && 'entity' in one)
  return !named && intentOf(action, input) === undefined
}

function intentOf(action: AnyAction | undefined, input: Json): readonly (string | number)[] | undefined {
  try {
    return action?.intent?.(fromStored(action.input, canonical(input)))
  } catch {
    return undefined
  }
}

function immaterial(action: AnyAction | undefined, input: Json): Json {
  if (action === undefined || typeof input !== 'object' || input === null || Array.isArray(input)) return input
  const rest = Object.entries(input).filter(([field]) => !action.material.includes(field))
  return rest.length === 0 ? input : Object.fromEntries(rest)
}
