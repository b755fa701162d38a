/**
 * Ledger: one record per business intent: which effect answers for it, who waits for it, and what came of it.
 *
 * K1. The same intent is the same effect, whoever asks: an open one is joined, a done one answers.
 * K2. What was compensated, declined, cancelled, failed or proven not to have happened makes room for a new generation.
 */
import type { Actor } from '../../base/actor.ts'
import { keyedHash, sha256 } from '../../base/hash.ts'
import { canonical } from '../../base/json.ts'
import type { Labels } from '../../base/labels.ts'
import type { Json } from '../../base/value.ts'
import type { AnyAction } from '../../connector/action.ts'
import type { Outcome } from '../../journal/kinds.ts'
import type { Op } from '../../journal/op.ts'
import type { Put } from '../../journal/put.ts'
import type { MemoryStore } from '../../journal/store.ts'
import type { TrustAnswer } from '../../policy/trust.ts'

export interface Asker {
  readonly run: string
  readonly key: string
}

export interface EffectRecord {
  readonly id: string
  readonly action: string
  readonly account: string
  readonly generation: number
  readonly state: 'open' | 'done' | 'failed' | 'declined' | 'cancelled' | 'denied' | 'compensated'
  /** Who asked first: its run is where revert finds it. */
  readonly owner: Asker
  /** The run of the built-in playbook that executes it; undefined while its owner does. */
  readonly effectRun?: string
  readonly askers: readonly Asker[]
  readonly input: Json
  readonly inputHash: string
  readonly edited: boolean
  readonly verdict: string
  readonly because: readonly Json[]
  readonly labels?: Labels
  readonly openedAt: number
  readonly settledAt?: number
  readonly output?: Json
  /** What compensate needs. */
  readonly undo?: Json
  readonly error?: Json
  /** It had failed; this person said that it happened, and with what output. */
  readonly setBy?: Actor
  /** This effect takes back that one. */
  readonly compensates?: string
  /** The standing grant that decided. */
  readonly grant?: string
  /** The rung of trust that decided. */
  readonly trust?: TrustAnswer
  /** The number of the digest that tells so; records of earlier releases do not say. */
  readonly digest?: number
  /** A person agreed to it after a look: the version of its standing then; '' where it climbs no ladder. */
  readonly agreed?: string
  /** The item of the plan that it was a line of. */
  readonly plan?: string
  /** Of which an erasure took something: blanks stand there. */
  readonly erased?: readonly ErasedPart[]
}

/** What of an effect an erasure may take: never that it was done, by whom it was asked for, and under which key. */
export type ErasedPart = (typeof ERASABLE)[number]
export const ERASABLE = ['input', 'output', 'undo', 'error', 'verdict', 'because'] as const

/** Identity of an intent in its workspace. Business parts are hashed under the workspace's key. */
export function effectId(key: string, action: AnyAction, intent: readonly (string | number)[]): string {
  return keyedHash(key, canonical([action.account, action.name, ...intent])).slice(0, 32)
}

/** What is asked for, in a word: the same action, account and input. */
export function hashOf(action: AnyAction, input: string): string {
  return askedHash(action.name, action.account, sha256(input))
}

export function askedHash(action: string, account: string, inputHash: string): string {
  return sha256(canonical([action, account, inputHash]))
}

/** A receipt as somebody gets it who asked for `hash`, where the effect was opened for `asked`. */
export function receiptFor(receipt: Json | undefined, asked: string | undefined, hash: string): { receipt?: Json } {
  if (receipt === undefined) return {}
  const other = asked !== undefined && hash !== '' && asked !== hash
  return { receipt: other ? { ...(receipt as object), deduplicated: true, differs: true } : receipt }
}

/** What the outside system gets as its key: the same for all tries of one generation. */
export function remoteKey(id: string, generation: number): string {
  return sha256(`${id}:${generation}`).slice(0, 32)
}

export function effectRunId(id: string, generation: number): string {
  return `effect:${id}:${generation}`
}

export async function readEffect(
  store: MemoryStore,
  workspace: string,
  id: string,
): Promise<{ record: EffectRecord; version: number } | undefined> {
  const [row] = await store.records(workspace, { kind: 'effect', ids: [id], limit: 1 })
  return row === undefined ? undefined : { record: JSON.parse(row.data) as EffectRecord, version: row.version }
}

/** Those that there are of many. */
export async function readEffects(
  store: MemoryStore,
  workspace: string,
  ids: readonly string[],
): Promise<EffectRecord[]> {
  const found: EffectRecord[] = []
  for (let from = 0; from < ids.length; from += 500) {
    const some = ids.slice(from, from + 500)
    const rows = await store.records(workspace, { kind: 'effect', ids: some, limit: some.length })
    found.push(...rows.map((row) => JSON.parse(row.data) as EffectRecord))
  }
  return found
}

/** The effect that an operation failed with: only what was sent in vain has one that can be said to have happened. */
export function failedEffect({ outcome }: Op): string | undefined {
  const { error, receipt } = (outcome?.outcome ?? {}) as Outcome & { receipt?: { effect: string } }
  return error === undefined || receipt === undefined || receipt.effect === '' ? undefined : receipt.effect
}

/** Why nobody may say of an operation's effect that it happened; undefined: it failed. */
export function whyNotFailed({ outcome }: Op, record: EffectRecord | undefined): string | undefined {
  if (outcome !== undefined && outcome.outcome.error === undefined) return 'its effect did not fail'
  if (record?.state === 'failed') return undefined
  return record === undefined ? 'nothing of it was sent' : `its effect is ${record.state}`
}

export function effectPut(record: EffectRecord, version: number): Put {
  return {
    kind: 'effect',
    id: record.id,
    version,
    data: record as unknown as Json,
    index: {
      action: record.action,
      run: record.owner.run,
      ...(record.state === 'open' ? { open: record.action } : {}),
      ...(record.grant === undefined ? {} : { grant: record.grant }),
      ...(record.trust === undefined ? {} : { trust: record.trust.rung }),
      ...(record.digest === undefined ? {} : { digest: `${record.digest}` }),
    },
    sort: record.openedAt,
  }
}
