/** Item: a question to a person as its record keeps it: one shape for every kind, so that one card can render all. */
import { actorText, type Actor, type Money } from '../base/actor.ts'
import type { Flag } from '../base/glyphs.ts'
import { sha256 } from '../base/hash.ts'
import { canonical, canonicalAround } from '../base/json.ts'
import type { Labels } from '../base/labels.ts'
import type { Json } from '../base/value.ts'
import type { RejectReason, Risk } from '../connector/action.ts'
import type { Preview, PreviewRow } from '../connector/preview.ts'
import type { Put } from '../journal/put.ts'
import type { MemoryStore } from '../journal/store.ts'
import type { TrustRung } from '../policy/trust.ts'
import type { OnSilence } from '../policy/verdict.ts'

export type ItemKind = 'approval' | 'question' | 'plan' | 'outcome-unknown' | 'attention'
export type Verb = 'approve' | 'edit' | 'reject' | 'respond' | 'answer' | 'outcome' | 'retry' | 'dismiss' | 'snooze'

export interface Provenance {
  readonly label: string
  /** 'outside': an outsider may have written it, whoever handed it on. */
  readonly trust: TrustedAs
  readonly ref: string
  /** When it was read, answered or noted. */
  readonly at?: string
  /** What it says, in short, as it stands now: nothing of what was erased, or is not open to all. */
  readonly quote?: string
}

/** As it is kept: with the entry that it can be quoted from. */
export interface Sourced extends Provenance {
  readonly entry?: readonly [stream: string, seq: number]
}

export type TrustedAs = 'operator' | 'connector' | 'outside'

/** Of what is `otherwise` as its kind says: whatever is untrusted is from outside. */
export function takenFor(labels: Labels | undefined, otherwise: TrustedAs): TrustedAs {
  return labels?.untrusted === undefined ? otherwise : 'outside'
}

/** The playbook that asks. */
export interface Asking {
  readonly name: string
  readonly version: number
}

/** Nothing of what Keelson itself asks. */
export function asking(name: string, version: number): { playbook?: Asking } {
  return name.startsWith('keelson.') ? {} : { playbook: { name, version } }
}

/** A run that words what is put to a person. */
export function saidBy(run: string, seen: Labels): Provenance {
  return { label: `run ${run}`, trust: takenFor(seen, 'connector'), ref: `run:${run}` }
}

/** One effect of a plan, as it is put to a person. */
export interface PlanLine {
  readonly id: string
  readonly action: string
  readonly account: string
  /** For people. */
  readonly title: string
  readonly input: Json
  readonly preview: Preview
  readonly risk: Risk
  readonly reversibility: 'revert' | 'hold' | 'none'
  readonly cost?: Money
  readonly why: readonly Provenance[]
  readonly editSchema: Json
  /** Why policy does not let it happen: it is shown, and will not execute. */
  readonly denied?: string
  /** What it stands on lets nothing leave: it will be simulated. */
  readonly simulated?: string
  /** How long it is held once it was approved. */
  readonly holdMs?: number
  /** Why rules that came since it was proposed ask about it. */
  readonly asked?: string
  /** Mark of how its action is defined. */
  readonly shape?: string
  readonly flags?: readonly Flag[]
}

/** A write of entities that waits for a yes. */
export interface Proposing {
  readonly op: 'write' | 'merge'
  /** `type/id`, the one that is written first; `type` for one that is new. */
  readonly entities: readonly string[]
}

/** Somebody handed it on. */
export interface Handing {
  readonly by: Actor
  readonly to: Actor
  readonly at: number
  readonly note?: string
}

/** Somebody tried to decide it, and was refused: how often by now, and what was given last. */
export interface Attempt {
  readonly by: Actor
  /** 'forged': a hash that it never had; 'stale': one that it had before. */
  readonly why: 'forged' | 'stale' | 'forbidden'
  readonly given: string
  readonly verb: string
  readonly at: number
  readonly count: number
}

/** One try as a person reads it. */
export function attemptText({ by, why, verb, count }: Attempt): string {
  const times = count === 1 ? '' : ` (${count} times)`
  return `${actorText(by)} tried to ${verb} it ${WHY[why]}${times}: refused`
}

const WHY: { readonly [W in Attempt['why']]: string } = {
  forged: 'with a hash that it never had',
  stale: 'as it was before',
  forbidden: 'and may not',
}

/** A line of a revert that stays. */
export interface Staying {
  /** What of it stays, each by its name in every plan. */
  readonly ids: readonly string[]
  readonly what: string
  readonly why: string
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
  readonly why: readonly Sourced[]
  /** Which one asks. Not told of what Keelson itself asks, and by earlier releases. */
  readonly playbook?: Asking
  readonly preview: Preview
  /** JSON Schema of what an edit or answer may be; `{}` where nothing can be entered. */
  readonly editSchema: Json
  readonly action?: string
  readonly account?: string
  readonly input?: Json
  readonly risk?: Risk
  readonly reversibility?: 'revert' | 'hold' | 'none'
  readonly cost?: Money
  /** How long it is held once it was approved. */
  readonly holdMs?: number
  /** Where its action stood on the ladder of trust as it was asked, and for which cases. */
  readonly rung?: TrustRung
  readonly segment?: string
  /** What a yes leads to, in a sentence. */
  readonly consequence?: string
  readonly rejectReasons?: readonly RejectReason[]
  /** Items of one key may be decided together; without one, each alone. */
  readonly batchKey?: string
  /** What differs from what was asked before. */
  readonly changed?: readonly PreviewRow[]
  /** What is not as it seems in what is shown. */
  readonly flags?: readonly Flag[]
  /** When a held effect executes by itself. */
  readonly dueAt?: number
  /** That time came in a freeze: it is held until that ends. */
  readonly frozen?: true
  /** It shows what a run in shadow would have asked: nothing waits for it, and nothing comes of approving it. */
  readonly shadow?: boolean
  /** What would have been done, by the id of its record. */
  readonly would?: string
  readonly lines?: readonly PlanLine[]
  readonly code?: string
  readonly hint?: string
  readonly stays?: readonly Staying[]
  readonly proposes?: Proposing
  /** It asks whether what was done may be taken back: a yes says nothing of the doing. */
  readonly undo?: true
  /** The item that this one revises. */
  readonly revises?: string
  /** The item that answers this one's no. */
  readonly revisedBy?: string
  readonly verdict?: Json
  /** Mark of how its action is defined. */
  readonly shape?: string
  /** The key under which the outside system was asked: what to look for there. */
  readonly outsideKey?: string
  /** Whose it is, since it was handed on or has climbed the ladder. */
  readonly assignee?: Actor
  readonly handings?: readonly Handing[]
  readonly snoozedUntil?: number
  readonly decided?: {
    readonly by: Actor
    readonly at: number
    readonly decision: Json
    /** The batch that it was decided in. */
    readonly batch?: string
  }
  readonly seen?: readonly { readonly by: Actor; readonly at: number }[]
  readonly attempts?: readonly Attempt[]
  /** Hashes that it had before, the newest of them. */
  readonly was?: readonly string[]
}

/** A short id that is the same whenever the same operation asks. */
export function itemId(run: string, key: string, round: number): string {
  // At a terminal, what begins with a dash is an option.
  return sha256(canonical([run, key, round]))
    .slice(0, 16)
    .replace(/^-/, '_')
}

export function itemHash(item: Omit<ItemRecord, 'hash'>): string {
  const { kind, run, key, action, account, input, title, editSchema, lines, shape } = item
  return sha256(canonicalAround({ kind, run, key, action, account, input, title, editSchema, lines, shape }))
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
      ...(item.proposes === undefined ? {} : { proposes: item.state === 'open' ? 'open' : 'closed' }),
      ...(item.state === 'open' && item.dueAt !== undefined ? { outbox: 'open' } : {}),
      ...(item.state === 'open' && item.assignee !== undefined ? { assignee: item.assignee.id } : {}),
      ...(isUnanswered(item) ? { unanswered: item.action! } : {}),
    },
    sort: item.openedAt,
  }
}

/** What a person was to let pass, and nobody answered in time. A hold whose time comes was let go. */
function isUnanswered({ state, kind, action, dueAt, undo }: ItemRecord): boolean {
  return state === 'expired' && kind === 'approval' && action !== undefined && dueAt === undefined && undo !== true
}

export async function readItem(
  store: MemoryStore,
  workspace: string,
  id: string,
): Promise<{ item: ItemRecord; version: number } | undefined> {
  const [row] = await store.records(workspace, { kind: 'inbox', ids: [id], limit: 1 })
  return row === undefined ? undefined : { item: JSON.parse(row.data) as ItemRecord, version: row.version }
}

/** All items under an index value, oldest first. */
export async function itemsWhere(
  store: MemoryStore,
  workspace: string,
  where: { field: string; value: string },
  from?: number,
): Promise<ItemRecord[]> {
  const items: ItemRecord[] = []
  let after: { sort: number; id: string } | undefined
  for (;;) {
    const rows = await store.records(workspace, {
      kind: 'inbox',
      where,
      limit: 500,
      ...(from === undefined ? {} : { from }),
      ...(after === undefined ? {} : { after }),
    })
    items.push(...rows.map((row) => JSON.parse(row.data) as ItemRecord))
    const last = rows.at(-1)
    if (last === undefined || rows.length < 500) return items
    after = { sort: last.sort, id: last.id }
  }
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
