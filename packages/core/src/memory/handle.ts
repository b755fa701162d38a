/** Handle: what is done with memory: by a run through `ctx.memory`, by people and hosts through `workspace.memory`. */
import type { z } from 'zod'
import type { Actor } from '../base/actor.ts'
import type { Terms } from '../base/taxonomy.ts'
import type { Json } from '../base/value.ts'
import type { ChangeOp, ChangeSetRecord, Change, Remembered } from './change-set.ts'
import type { Consolidator } from './consolidate.ts'
import type { ContextLog, ContextPack } from './context.ts'
import type { NewEvent, NewMemory, Subject } from './input.ts'
import type { Blocked } from './invert.ts'
import type { Learned } from './learn.ts'
import type { Recalled, RecallQuery } from './recall/recall.ts'
import type { Calibrated, Question } from './recall/vector.ts'
import type { Expiring, RetentionPolicy } from './retention.ts'
import type { Memory, MemoryKind } from './unit.ts'
import type { Upcast } from '../base/upcast.ts'

export interface FactsQuery {
  readonly about?: Subject
  readonly predicate?: string
  /** Only what carries each of these. */
  readonly terms?: Terms
  /** Default: all but events. */
  readonly kinds?: readonly MemoryKind[]
  readonly asOf?: { readonly valid?: string; readonly known?: string }
  /** Also what no longer holds. */
  readonly history?: boolean
  /** The last so many, oldest first. Default 200, at most 1000. */
  readonly limit?: number
}

export interface HistoryQuery {
  readonly thread?: string
  readonly about?: Subject
  /** ISO instants. */
  readonly from?: string
  readonly to?: string
  /** The last so many, oldest first. Default 50, at most 1000. */
  readonly limit?: number
}

export interface ContextQuery {
  /** What is to be done: what is recalled, is recalled for it. */
  readonly task: string
  /** Records whose state and timeline belong to it. */
  readonly about?: readonly Subject[]
  /** Whose last words belong to it. */
  readonly thread?: string
  /** The text is never longer than this. Default 2,000. */
  readonly budgetTokens?: number
  /** Default: an estimate by words. */
  readonly countTokens?: (text: string) => number
}

export interface MemoryReads {
  /** What answers a question best, with scores and reasons. Any text will do: nothing in it is syntax. */
  recall(query: RecallQuery | string): Promise<readonly Recalled[]>
  /** Facts, rules, preferences, notes: looked up, not searched. */
  facts(query?: FactsQuery): Promise<readonly Memory[]>
  /** What was said and happened, oldest first. */
  history(query?: HistoryQuery): Promise<readonly Memory[]>
  /** Throws `MEMORY_NOT_FOUND`, also for one outside of the scope. */
  get(id: string): Promise<Memory>
  /** What is worth knowing for a task, within a budget, with sources; logged. */
  context(query: ContextQuery): Promise<ContextPack>
}

/** What a write rests on: outcomes of earlier operations. */
interface From {
  readonly because?: readonly unknown[]
}

/** Memory as a run has it: reads are journaled, writes are part of the commit that journals them. */
export interface RunMemory extends MemoryReads {
  /** `because`: what it was taken from; it gets its labels. Default: all that the run has seen. */
  remember(memory: NewMemory, options?: From): Promise<Remembered>
  remember(memories: readonly NewMemory[], options?: From): Promise<readonly Remembered[]>
  append(event: NewEvent, options?: From): Promise<Remembered>
  append(events: readonly NewEvent[], options?: From): Promise<readonly Remembered[]>
  /** Asks the operator for what a run may not do by itself. Does not wait. */
  propose(ops: readonly ChangeOp[], options: From & { reason: string }): Promise<{ changeSet: string }>
  /** Values of this run only, under typed keys; carried over when it continues as new, gone with it unless promoted. */
  working<S extends { readonly [key: string]: z.ZodType }>(shape: S, options?: WorkingOptions): Working<S>
  /** The same with another scope to read and write, which lies within its own. Throws `MEMORY_OUT_OF_SCOPE`. */
  scope(path: string, options?: ScopeOptions): RunMemory
}

export interface WorkingOptions {
  /** Of the shape. Raise it when values of an older shape may be carried over, and add an upcaster. Default 1. */
  readonly version?: number
  /** For each version from the second on: how values of the version before, by their keys, become its values. */
  readonly upcast?: { readonly [version: number]: Upcast }
}

export interface Working<S extends { readonly [key: string]: z.ZodType }> {
  get<K extends keyof S & string>(key: K): z.output<S[K]> | undefined
  set<K extends keyof S & string>(key: K, value: z.input<S[K]>): Promise<void>
  /** Makes it outlive the run. */
  promote(key: keyof S & string, as?: Omit<NewMemory, 'value'>): Promise<Remembered>
}

export interface ScopeOptions {
  /** Scopes that are read, too. */
  readonly read?: readonly string[]
  /** What is more sensitive is not seen. Default 3: all. */
  readonly maxSensitivity?: number
}

interface By {
  readonly by: Actor
  readonly reason?: string
}

/** A change set as it is handed out. */
export interface ChangeSet {
  readonly id: string
  readonly status: ChangeSetRecord['status']
  readonly source: ChangeSetRecord['source']
  readonly reason: string
  readonly createdAt: string
  readonly changes: readonly Change[]
  readonly decidedBy?: Actor
  readonly decidedAt?: string
  readonly why?: string
  readonly reverts?: readonly string[]
  /** The set that took it back. */
  readonly revertedBy?: string
  readonly group?: string
  readonly item?: string
}

/** What a change set does to one memory, or to one entity. */
export interface Diff {
  readonly op: string
  readonly before?: Memory
  readonly after?: string
  /** `type/id`, the version that it got, and its fields that hold something else since. */
  readonly entity?: string
  readonly version?: number
  readonly fields?: { readonly [field: string]: { readonly before?: Json; readonly after?: Json } }
}

export interface Reverted {
  readonly changeSets: readonly string[]
  readonly reverted: readonly string[]
  /** What has been built on since, and is left as it is. */
  readonly blocked: readonly Blocked[]
  /** Sets by which a person is asked to take back what a machine may not: one for each, with what it would do. */
  readonly proposed?: readonly string[]
}

export interface Tombstone {
  readonly memory: string
  readonly hash: string
}

export interface Erased {
  readonly erased: readonly Tombstone[]
  /** Files that went, by the sha-256 of their bytes. */
  readonly files: readonly string[]
  /** Where the text still is, and why: what belongs to open runs, to other records, to files, or to scopes beside the handle's. */
  readonly left: readonly { readonly where: string; readonly why: string }[]
}

/** Memory as people and the host have it. Writes of persons apply; those of machines within their bounds, else they are proposed. */
export interface WorkspaceMemory extends MemoryReads {
  /** The same held to a scope: what lies beside it or above is neither read nor written. Throws `MEMORY_OUT_OF_SCOPE` for what this one is not given. */
  scope(path: string, options?: ScopeOptions): WorkspaceMemory
  remember(memory: NewMemory, options: By): Promise<Remembered>
  remember(memories: readonly NewMemory[], options: By): Promise<readonly Remembered[]>
  append(event: NewEvent, options: By): Promise<Remembered>
  append(events: readonly NewEvent[], options: By): Promise<readonly Remembered[]>
  /** Many at once, in units of some hundred, with progress; what was written stays when it is stopped. */
  import(
    items: Iterable<ImportItem> | AsyncIterable<ImportItem>,
    options: By & { id?: string; onProgress?: (done: number) => void },
  ): Promise<Imported>
  /** Says it anew: the old one goes, the new one stands in its place. */
  correct(
    id: string,
    change: Pick<NewMemory, 'text' | 'value' | 'validFrom' | 'confidence'>,
    options: By,
  ): Promise<Remembered>
  /** Of a machine, this and what follows is proposed: the answer says so, as that of `remember` does. */
  pin(id: string, options: By): Promise<Remembered>
  unpin(id: string, options: By): Promise<Remembered>
  /** Into the bin: nothing finds it, `restore` brings it back within the grace period (default 30 days). */
  forget(id: string, options: By & { graceMs?: number }): Promise<Remembered>
  restore(id: string, options: By): Promise<Remembered>
  /** It no longer counts from then on; ISO instant. */
  expire(id: string, options: By & { at: string }): Promise<Remembered>
  /**
   * No byte of it stays: text, value, index, payloads, log. What was before can no longer be read, only that it was. Files in which
   * it stands are named in `left`; `{ files }` erases these whole, by the sha-256 of their bytes, and the option `files` all of them at once. What is meant and lies in other
   * scopes than this handle's is left and named; `everywhere` takes it, too, by `workspace.memory` alone, else `MEMORY_OUT_OF_SCOPE`.
   * Of effects that have ended, what they were given and what came back goes, too: they stay done, and one whose undo token said it is
   * not taken back any more. `keepEffects` leaves these as they are, and `left` names them.
   * Throws `MEMORY_NOT_FOUND` for an id that no memory has or had, and takes nothing then.
   */
  erase(
    which:
      | { readonly ids: readonly string[] }
      | { readonly about: Subject }
      | { readonly thread: string }
      | { readonly files: readonly string[] },
    options: By & { reason: string; everywhere?: boolean; keepEffects?: boolean; files?: boolean },
  ): Promise<Erased>
  /**
   * Takes back what a run, a change set, or an actor since an instant, has written to memory and to entities; what a person has decided, only by
   * whoever may decide it: else `DECISION_REFUSED`, and nothing is taken back. A machine takes back what it added itself; the rest is proposed.
   * Throws `RUN_NOT_FOUND` for a run that never was.
   */
  revert(
    what:
      { readonly run: string } | { readonly changeSet: string } | { readonly actor: string; readonly since: string },
    options: By,
  ): Promise<Reverted>
  readonly changes: MemoryChanges
  readonly retention: Retention
  /** Lets a consolidator propose. Answers the change set that waits in the inbox; undefined when there was nothing to propose. */
  consolidate(consolidator: Consolidator | undefined, options: By): Promise<string | undefined>
  /** Weighs the embedding model against these questions: 0 when it does not help. Kept for this workspace. */
  calibrate(questions: readonly Question[], options: By): Promise<Calibrated>
  /** What was shown to whom: "what did run X know". */
  contexts(query?: { run?: string; limit?: number }): Promise<readonly ContextLog[]>
  /** What was learned of the operator's corrections, and whether they had to be repeated. */
  learned(): Promise<readonly Learned[]>
}

export type ImportItem = (NewMemory & { readonly type?: 'memory' }) | (NewEvent & { readonly type: 'event' })

export interface Imported {
  readonly changeSet: string
  readonly imported: number
  readonly known: number
  readonly proposed: number
}

export interface MemoryChanges {
  /** Writes of memories and of entities, newest first. */
  list(query?: {
    status?: ChangeSet['status']
    run?: string
    actor?: string
    limit?: number
  }): Promise<readonly ChangeSet[]>
  get(id: string): Promise<ChangeSet>
  diff(id: string): Promise<readonly Diff[]>
  propose(ops: readonly ChangeOp[], options: By & { reason: string }): Promise<{ changeSet: string }>
  /** Decides a proposal as the inbox would, by those whom `mayDecide` lets. Throws `DECISION_REFUSED`. */
  apply(id: string, options: By): Promise<ChangeSet>
  reject(id: string, options: By): Promise<ChangeSet>
}

export interface Retention {
  set(policy: RetentionPolicy, options: By): Promise<void>
  remove(name: string, options: By): Promise<void>
  list(): Promise<readonly RetentionPolicy[]>
  /** What the policies, and dates of their own, will expire until then; changes nothing. */
  forecast(until: string): Promise<readonly Expiring[]>
  /** Proposes what is due now. Answers the change set that waits in the inbox; undefined when nothing is due. */
  run(options: By): Promise<string | undefined>
}
