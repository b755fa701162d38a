/**
 * MemoryStore: the storage port. Everything the system must not forget goes through it.
 *
 * A store keeps rows and has one kind of write: an atomic unit with preconditions. It knows nothing of playbooks.
 * The conformance suite in @keelson/testing is the definition of this port; the numbers below are cited by it.
 *
 * S1. A unit is all or nothing, and durable before its answer. A throw means that the store failed; after an unknown
 *     outcome the adapter reads back before it answers.
 * S2. A unit that conflicts writes nothing and fails alone, even when it shares a transaction with others.
 * S3. Every write of a run carries its lease: of two workers only the one with the current epoch records.
 * S4. A delivery that arrives while a run is leased is not lost: a park that has not seen it leaves the run due.
 * S5. A run id is started once, a `onceKey` is delivered once per run, however often they are asked for.
 * S6. `tail` never skips: what is read after a position was committed before anything that is read later.
 * S7. No method reads or writes beyond the workspace that it names.
 * S8. Records written with sort 'position' stand, under an index value, in the order of their commits: what is read
 *     behind a row was not yet there when that row could first be read. Only where the store says that it `feeds`.
 */
import type { Instant } from '../base/clock.ts'
import type { Entry, Placed } from './entry.ts'

/** A run as its row: where it stands, not what it did. */
export interface RunRow {
  readonly workspace: string
  readonly id: string
  /** The stream that holds its entries; a new one at each continuation. */
  readonly stream: string
  readonly playbook: string
  readonly version: number
  /** `due` may be claimed; `parked` waits for `wakeAt` or a delivery; `held` waits for a person or another version. */
  readonly state: 'due' | 'parked' | 'held' | 'settled'
  /** When a parked run becomes due by itself; null: only a delivery wakes it. */
  readonly wakeAt: Instant | null
  /** How it ended or what it waits for, as canonical JSON; read by people and queries, never by the pass. */
  readonly status: string
  /** Runs of one lane are claimed one at a time, oldest first; null: no lane. */
  readonly lane: string | null
  /** Runs of one family share their root's place in a lane. */
  readonly root: string
  /** True when the lane is free while its holder waits. */
  readonly laneWhileRunning: boolean
  readonly epoch: number
  /** The worker that holds it; null when nobody does. */
  readonly worker: string | null
  /** Deaths of workers that held it since it last made progress. */
  readonly deaths: number
  /** Claims since it last made progress. One that ends by `close`, or is given back by `to: 'due'`, does not count. */
  readonly claims: number
  readonly createdAt: Instant
  readonly settledAt: Instant | null
  /** Number in the order of starting, per workspace. */
  readonly order: number
  /** The row is not what was written, and what is wrong with it: of the rest only `id` and `workspace` are believed. */
  readonly corrupt?: string
}

/** A run to create. Its first entries come in the same unit. */
export interface NewRun {
  readonly id: string
  readonly stream: string
  readonly playbook: string
  readonly version: number
  readonly lane: string | null
  readonly laneWhileRunning: boolean
  readonly root: string
  /** When it is first due. */
  readonly dueAt: Instant
  readonly createdAt: Instant
  readonly entries: readonly Entry[]
  /** It had ended already: a run that is restored, not one to execute. */
  readonly settled?: { readonly status: string; readonly at: Instant }
}

/** A message to a run from outside its lease. The pass moves it into the stream, in order of `row`. */
export interface Delivery {
  readonly run: string
  /** The same key is delivered to a run once, for ever. */
  readonly onceKey: string
  readonly kind: string
  /** Canonical JSON. */
  readonly payload: string
  readonly at: Instant
}

export interface Mail extends Delivery {
  readonly row: number
}

/** The new state of a record, with the index rows under which it is found. */
export interface RecordWrite {
  readonly kind: string
  readonly id: string
  readonly version: number
  /** Canonical JSON; null ends the record. */
  readonly data: string | null
  /** Equality look-ups: field → value. */
  readonly index: { readonly [field: string]: string }
  /** Order within a look-up. 'position': that of the last entry of this unit (S8). */
  readonly sort: number | 'position'
}

export interface RecordRow extends RecordWrite {
  readonly data: string
  readonly sort: number
}

/** A precondition. A record that must not exist has version 0; a stream without entries has seq 0. */
export type Expect =
  | { readonly record: string; readonly id: string; readonly version: number }
  | { readonly stream: string; readonly seq: number }

/** One atomic write. Each record write also expects the version before it. */
export interface Unit {
  readonly entries?: readonly Entry[]
  readonly records?: readonly RecordWrite[]
  readonly expect?: readonly Expect[]
  readonly starts?: readonly NewRun[]
  readonly deliveries?: readonly Delivery[]
  /** Takes text or whole streams away, before anything of the unit is written; see `Purge`. */
  readonly purge?: Purge
  /**
   * What is written was written before, in a bundle: records may jump forward to their version, and a start takes the
   * place of a run of that id that nobody holds, with its mail.
   */
  readonly restoring?: true
  /** Verbs on a run from outside its lease: wakes or re-targets a run that nobody holds. */
  readonly touch?: readonly Touch[]
  /** Bytes that the unit refers to, kept under their sha-256 (hex): the same bytes once. Not to be changed before the answer. */
  readonly artifacts?: readonly Uint8Array[]
}

/** What must go. A stream that ends here is never written to again, and its positions are not given anew. */
export interface Purge {
  /** Text: payloads and salts become null, the envelopes stay. */
  readonly payloads?: readonly { readonly stream: string; readonly seq: number }[]
  /** Entries with their envelopes, of whole streams. */
  readonly streams?: readonly string[]
  /** All mail of these runs; their rows stay. The unit conflicts on a run that is there and has not settled. */
  readonly runs?: readonly string[]
  /** What the rows of settled runs say of how they ended is replaced by this; other rows stay as they are. */
  readonly statuses?: readonly { readonly run: string; readonly status: string }[]
  /** Bytes, by the sha-256 that names them (hex). */
  readonly artifacts?: readonly string[]
  /** All runs, mail, records, artifacts and entries of the workspace, but for the envelopes of this one stream. */
  readonly allBut?: string
}

/**
 * Makes a run due, or gives it to another version, if nobody holds it. A settled run is reopened by it: `touch` is
 * applied before the unit's deliveries, which then reach it. A reopened run has lost its place in its lane: it stands
 * behind whoever is open in it, or with its own family if that is.
 */
export interface Touch {
  readonly run: string
  readonly state?: 'due'
  readonly version?: number
}

/** A unit under a lease: what a pass commits. */
export interface PassUnit extends Unit {
  /** Mail rows that `entries` of this unit have taken into the stream. */
  readonly consumed?: readonly number[]
  /** Its entries begin anew what died with a worker: they are no progress. */
  readonly again?: boolean
  readonly next?: Next
}

/** The run's next state. Without one it stays leased. */
export type Next =
  | {
      readonly to: 'parked'
      readonly wakeAt: Instant | null
      readonly status: string
      /** The highest mail row that the pass has seen: anything newer leaves the run due (S4). */
      readonly seenMail: number
    }
  | { readonly to: 'held'; readonly status: string }
  /** Gives the claim back: it does not count. */
  | { readonly to: 'due'; readonly status: string; readonly at: Instant; readonly version?: number }
  | { readonly to: 'settled'; readonly status: string; readonly at: Instant }
  | {
      /** A new stream under the same id; the unread mail stays. */
      readonly to: 'continued'
      readonly stream: string
      readonly playbook: string
      readonly version: number
      readonly entries: readonly Entry[]
      readonly at: Instant
    }

export type Conflict =
  | { readonly record: string; readonly id: string; readonly version: number }
  | { readonly stream: string; readonly seq: number }
  | { readonly run: string }

/** `refused` lists deliveries to runs that are settled, unknown or corrupt, and starts whose id exists: those alone were left out. */
export type Answer =
  | {
      readonly status: 'done'
      readonly refused: readonly (
        | { readonly delivery: string; readonly why: 'closed' | 'unknown' | 'duplicate' | 'corrupt' }
        | { readonly start: string; readonly why: 'exists' }
      )[]
    }
  | { readonly status: 'fenced' }
  | { readonly status: 'conflict'; readonly rows: readonly Conflict[] }

export interface Lease {
  readonly workspace: string
  readonly run: string
  readonly worker: string
  readonly epoch: number
}

/** A claimed run with all that a pass needs to begin. */
export interface Claimed {
  readonly lease: Lease
  readonly row: RunRow
  readonly entries: readonly Placed[]
  readonly mail: readonly Mail[]
  /** Entries or mail are not what was written, and are left out: what is wrong with them. */
  readonly corrupt?: string
}

export interface ClaimQuery {
  readonly worker: string
  readonly workspaces?: readonly string[]
  /** What this process can execute: 'name@version'; a run of anything else is left alone. */
  readonly can: readonly string[]
  /**
   * Of these playbooks at most so many. The answer ends before the first that would be one too many: whoever
   * asked asks again, without what is full.
   */
  readonly atMost?: ReadonlyMap<string, number>
  readonly now: Instant
  readonly limit: number
  /** A run with this many deaths is a suspect: it is claimed by a worker that holds nothing else, and alone. */
  readonly suspectAfter: number
  /** This worker holds nothing: it may take one suspect (and then nothing else in the same answer). */
  readonly alone: boolean
  /**
   * This run of the one workspace named, if it is due and nobody holds it: neither `can`, nor its lane, nor suspicion
   * count. For a pass that runs no code.
   */
  readonly only?: string
}

export interface ClaimAnswer {
  readonly claimed: readonly Claimed[]
  /** When something is next due by time; null: nothing is. */
  readonly nextAt: Instant | null
  /** A suspect is due, and was passed over because the worker was not alone. */
  readonly suspects?: boolean
  /** Runs whose rows are not what was written: set aside, never due again by themselves. Each is told once. */
  readonly corrupt?: readonly { readonly workspace: string; readonly run: string; readonly why: string }[]
}

export interface RecordQuery {
  readonly kind: string
  /** These records only. */
  readonly ids?: readonly string[]
  /** Records under this index value; without it, all of the kind in order of id. */
  readonly where?: { readonly field: string; readonly value: string }
  /** Continue behind this row. */
  readonly after?: { readonly sort: number; readonly id: string }
  /** Only rows with `sort >= from`. */
  readonly from?: number
  readonly order?: 'ascending' | 'descending'
  readonly limit: number
}

export interface RunQuery {
  readonly ids?: readonly string[]
  readonly state?: RunRow['state'] | 'open'
  readonly playbook?: string
  /** Continue behind this `order`. */
  readonly after?: number
  readonly order?: 'ascending' | 'descending'
  readonly limit: number
}

/** What happened that another worker or a waiting caller may want to know. */
export interface StoreChange {
  readonly workspace: string
  /**
   * The runs that were started, given back (due, parked, held, settled), touched, or delivered to, leased or not. Empty:
   * look yourself, another process wrote.
   */
  readonly runs: readonly string[]
  /** The rows of those that are settled, as committed, by id: whoever waits for one need not ask. A store may leave it out. */
  readonly settled?: ReadonlyMap<string, RunRow>
}

export interface Opened {
  /** Why writes to the world must stop until `adopt()`: the store is a copy, or older than what it has seen. */
  readonly frozen: readonly { readonly workspace: string; readonly why: 'copy' | 'behind' }[]
}

/** A copy that was made and proved: every page, every row against its checksum, every chain. */
export interface Backup {
  /** Files, one for each that the store consists of. */
  readonly files: readonly string[]
  readonly bytes: number
  /** What the copy holds, as it was read back. */
  readonly entries: number
  readonly records: number
  readonly runs: number
}

export interface BackupRequest {
  /** Made where it is missing. */
  readonly folder: string
  /** When: names the copy, behind the name of what it is of. */
  readonly at: Instant
  /** The workspace in question; one that shares its file with others is copied with them. Default: all. */
  readonly workspace?: string
  /** So many of the copies that this has made stay, the newest; older ones go when the new one was proved. Default: all. */
  readonly keep?: number
  readonly onProgress?: (at: { readonly total: number; readonly remaining: number }) => void
}

/** Bytes on the disk, before and after. */
export interface Compacted {
  readonly before: number
  readonly after: number
}

/** What a store can do for its own keeping: an ability that it may have, and no part of what units promise. */
export interface Upkeep {
  /** A copy while the store is in use. Throws, and leaves the copies that were there, unless the new one is proved. */
  backup(request: BackupRequest): Promise<Backup>
  /** Empties the log, and gives space back that nothing needs any more. */
  compact(options?: { readonly workspace?: string }): Promise<Compacted>
}

export interface MemoryStore {
  /** 'sqlite', 'postgres', 'memory' … */
  readonly kind: string
  /** S8 holds. Without it, whoever keeps an index current reads all of it again. */
  readonly feeds: boolean
  /** Undefined for a store that has nothing to keep, or is kept by other means. */
  readonly upkeep?: Upkeep
  /** Opens, migrates and checks; registers `worker` as alive. Throws `STORE_NEWER`, `STORE_READ_ONLY`, `STORE_CORRUPT`. */
  open(options: { worker: string; now: () => Instant }): Promise<Opened>
  /** Frees what it holds; the worker's leases become claimable. */
  close(): Promise<void>
  /** The workspaces that hold anything. */
  workspaces(): Promise<readonly string[]>
  /** A unit that belongs to no lease: a start, a delivery, a person's edit. Creates the workspace on first use. */
  write(workspace: string, unit: Unit): Promise<Answer>
  /**
   * Takes due runs: oldest first, fair between workspaces, one per lane; each gets a new epoch. Leases of dead workers
   * count as due. What is `due` is so whatever `now` says: only what is parked looks at it.
   */
  claim(query: ClaimQuery): Promise<ClaimAnswer>
  /** Writes under a lease (S3). A unit with entries or consumed mail, and without `again`, is progress: it resets the run's `deaths` and `claims`. */
  commit(lease: Lease, unit: PassUnit): Promise<Answer>
  /** Renews all leases of the worker. False: it was thought dead, its leases are gone, and it is registered as alive anew. */
  beat(worker: string): Promise<boolean>
  /** Unread mail of a run behind `after`; for a lease that no longer holds, none. */
  mail(of: Lease | Pick<Lease, 'workspace' | 'run'>, after: number): Promise<readonly Mail[]>
  runs(workspace: string, query: RunQuery): Promise<readonly RunRow[]>
  /** Entries of one stream behind `after`, in order. */
  entries(workspace: string, stream: string, after?: number, limit?: number): Promise<readonly Placed[]>
  records(workspace: string, query: RecordQuery): Promise<readonly RecordRow[]>
  /** All entries of a workspace behind a position, in commit order (S6). */
  tail(workspace: string, after: number, limit: number): Promise<readonly Placed[]>
  /** The bytes that a unit brought under this sha-256 (hex). */
  getArtifact(workspace: string, sha256: string): Promise<Uint8Array | undefined>
  /** Calls back after changes, of this process and, as far as the store can tell, of others. Returns what ends it. */
  watch(listener: (change: StoreChange) => void): () => void
  /** Declares a store that was opened as a copy or behind to be the one that goes on. */
  adopt(workspace: string): Promise<void>
}
