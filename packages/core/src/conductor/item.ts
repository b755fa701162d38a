/** Item: a question to a person as its record keeps it: one shape for every kind, so that one card can render all. */
import type { Actor } from '../base/actor.ts'
import { sha256 } from '../base/hash.ts'
import { canonical, canonicalAround } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { Preview } from '../connector/action.ts'
import type { Put } from '../journal/put.ts'
import type { MemoryStore } from '../journal/store.ts'
import type { OnSilence } from '../policy/verdict.ts'

export type ItemKind = 'approval' | 'question' | 'plan' | 'outcome-unknown' | 'attention'
export type Verb = 'approve' | 'edit' | 'reject' | 'respond' | 'answer' | 'outcome' | 'retry' | 'dismiss'

export interface Provenance {
  readonly label: string
  readonly trust: 'operator' | 'connector' | 'outside'
  readonly ref: string
}

export interface ItemRecord {
  readonly id: string
  readonly kind: ItemKind
  readonly state: 'open' | 'decided' | 'expired' | 'withdrawn'
  /** Hash of exactly what a decision is about. */
  readonly hash: string
  readonly run: string
  /** The run that a person knows, where an effect's own run asks on its behalf. */
  readonly onBehalfOf?: string
  /** The operation that waits for it; '' for none. */
  readonly key: string
  readonly title: string
  readonly openedAt: number
  readonly expiresAt?: number
  readonly onSilence: OnSilence
  readonly reminders: number
  readonly allows: readonly Verb[]
  readonly why: readonly Provenance[]
  readonly preview: Preview
  /** JSON Schema of what an edit or answer may be; `{}` where nothing can be entered. */
  readonly editSchema: Json
  readonly action?: string
  readonly account?: string
  readonly input?: Json
  readonly risk?: 'low' | 'medium' | 'high'
  readonly reversibility?: 'revert' | 'hold' | 'none'
  /** When a held effect executes by itself. */
  readonly dueAt?: number
  /** It shows what a run in shadow would have asked: nothing waits for it, and nothing comes of approving it. */
  readonly shadow?: boolean
  readonly code?: string
  readonly hint?: string
  /** The item that this one revises. */
  readonly revises?: string
  readonly verdict?: Json
  /** The key under which the outside system was asked: what to look for there. */
  readonly outsideKey?: string
  readonly decided?: { readonly by: Actor; readonly at: number; readonly decision: Json }
  readonly seen?: readonly { readonly by: Actor; readonly at: number }[]
}

/** A short id that is the same whenever the same operation asks. */
export function itemId(run: string, key: string, round: number): string {
  return sha256(canonical([run, key, round])).slice(0, 16)
}

export function itemHash(item: Omit<ItemRecord, 'hash'>): string {
  const { kind, run, key, action, account, input, title, editSchema } = item
  return sha256(canonicalAround({ kind, run, key, action, account, input, title, editSchema }))
}

export function itemPut(item: ItemRecord, version: number): Put {
  return {
    kind: 'inbox',
    id: item.id,
    version,
    data: item as unknown as Json,
    index: {
      state: item.state === 'open' ? 'open' : 'closed',
      run: item.run,
      ...(item.state === 'open' ? { openRun: item.onBehalfOf ?? item.run } : {}),
    },
    sort: item.openedAt,
  }
}

export async function readItem(
  store: MemoryStore,
  workspace: string,
  id: string,
): Promise<{ item: ItemRecord; version: number } | undefined> {
  const [row] = await store.records(workspace, { kind: 'inbox', ids: [id], limit: 1 })
  return row === undefined ? undefined : { item: JSON.parse(row.data) as ItemRecord, version: row.version }
}

/** What closes the open ones of `ids`, as of now. */
export async function closing(
  store: MemoryStore,
  workspace: string,
  ids: readonly string[],
  state: 'expired' | 'withdrawn',
): Promise<Put[]> {
  if (ids.length === 0) return []
  const rows = await store.records(workspace, { kind: 'inbox', ids, limit: ids.length })
  return rows.flatMap((row) => {
    const item = JSON.parse(row.data) as ItemRecord
    return item.state === 'open' ? [itemPut({ ...item, state }, row.version + 1)] : []
  })
}
