/** Kinds: one map types everything that can happen. */
import type { Actor } from '../base/actor.ts'
import type { StoredError } from '../base/errors.ts'
import type { Labels } from '../base/labels.ts'
import type { Json } from '../base/value.ts'
import type { Put } from './put.ts'

/** An outcome as stored: nothing in it means that the code returned nothing. */
export interface Outcome {
  readonly ok?: Json
  readonly error?: StoredError
  /** What it is to be taken for. */
  readonly labels?: Labels
}

/** A try that failed and is followed by another. `cause`: of what class the failure was; else its code says. */
interface Failed {
  readonly attempt: number
  readonly error: StoredError
  readonly retryAt: number
  readonly cause?: string
}

/** Tries to decide that were refused. */
interface Refused extends WithPuts {
  readonly by: Actor
  readonly item?: string
  readonly why: 'forged' | 'stale' | 'forbidden'
  readonly given: string
  /** The hash that the item has. */
  readonly expected?: string
  /** What was to be done with it. */
  readonly verb: string
  /** So many by now. */
  readonly count: number
}

interface WithPuts {
  readonly puts?: readonly Put[]
}

export interface EntryData {
  /* the run */
  'run.started': {
    readonly playbook: string
    readonly version: number
    /** Canonical input as given; parsed at each pass. */
    readonly input: Json
    readonly inputHash: string
    /** Mark of the schema that its output was to fit. */
    readonly outputMark?: string
    readonly by: Actor
    /** The run and operation that wait for this one. */
    readonly parent?: { readonly run: string; readonly key: string }
    /** On whose behalf, for people. */
    readonly persona?: string
    /** What it may do: an action must be covered by each of these lists, its own and its ancestors'. */
    readonly scopes?: readonly (readonly string[])[]
    /** The personas behind those lists, as they were. */
    readonly personas?: readonly Json[]
    /** The runs that called it, nearest first, each with the playbook that it runs. */
    readonly ancestors?: readonly { readonly run: string; readonly playbook: string }[]
    /** What its input is to be taken for. */
    readonly labels?: Labels
    readonly continuation: number
    readonly settings?: Json
    /** Events that the run had in its earlier journals, the newest of them. */
    readonly events?: readonly string[]
    /** It had more, in journals before those: each is a record. */
    readonly earlier?: true
    /** Lanes held by its ancestors: waiting for one of them could never end. */
    readonly lanes?: readonly string[]
    /** Working memory of the journal before: values by key, each with the version of the shape that it fits, if not 1. */
    readonly working?: readonly { readonly key: string; readonly value: Json; readonly schema?: number }[]
    /** It leaves no mark outside; the run whose overlay it shares: itself, or the ancestor that was started in shadow. */
    readonly shadow?: string
  } & WithPuts
  'run.continued': { readonly stream: string } & WithPuts
  'run.settled': {
    readonly status: 'completed' | 'failed' | 'declined' | 'cancelled'
    readonly output?: Json
    readonly error?: StoredError
    /** Operations that were still open and are withdrawn by this. */
    readonly withdrawn?: readonly string[]
    /** What its code asked for and ended without: not done, or failed and nobody looked. One line each. */
    readonly dropped?: readonly string[]
  } & WithPuts
  'run.reopened': { readonly by: Actor; readonly why: string }
  /** What began or was answered behind entry `to` no longer counts. */
  'run.rewound': { readonly by: Actor; readonly to: number; readonly why: string } & WithPuts
  'run.moved': { readonly by: Actor; readonly version: number }
  'run.refused': { readonly by: Actor; readonly verb: string; readonly why: string }
  'run.paused': { readonly by: Actor; readonly reason: string }
  'run.resumed': { readonly by: Actor }
  'run.cancelling': { readonly by: Actor; readonly reason: string }
  'run.quarantined': { readonly reason: string } & WithPuts
  'run.diverged': { readonly difference: string; readonly hint: string } & WithPuts
  /** Something about the run that a person should look at, though it goes on. */
  'run.noted': { readonly code: string; readonly text: string } & WithPuts
  /** What was raised about the run in the inbox is settled: it went on. */
  'run.recovered': WithPuts
  'settings.seen': { readonly version: number; readonly value: Json; readonly schema?: number }

  /* operations: opened (waits), failed (one try), completed (the outcome) */
  'step.failed': Failed
  'step.completed': Outcome & { readonly by?: Actor } & WithPuts
  'sleep.opened': { readonly hash: string; readonly until: number }
  'sleep.completed': Outcome
  'wait.opened': {
    readonly hash: string
    readonly event: string
    readonly match: Json
    /** Events that were sent from this instant on; left out: since the run's start, whatever the clock said. */
    readonly since?: number
    readonly until?: number
    /** What the event that answers is to be taken for. */
    readonly labels?: Labels
  } & WithPuts
  'wait.completed': Outcome & {
    readonly event?: string
    /** The version of the shape that its payload fits, if not 1. */
    readonly schema?: number
  } & WithPuts
  /** Opened again with another `until` when silence only reminds or climbs, other rules have another ladder, or the item was snoozed or rescheduled. */
  'ask.opened': {
    readonly hash: string
    readonly item: string
    readonly until?: number
    readonly everyMs?: number
    readonly onSilence: 'wait' | 'remind' | 'escalate' | 'reject'
    /** Who is told when nobody answers: so long after the opening, this person, through this channel. */
    readonly ladder?: readonly { readonly afterMs: number; readonly to: Actor; readonly via?: string }[]
    /** Rungs that were climbed. */
    readonly rung?: number
    /** What its effect rests on outside, as it was read at the opening. */
    readonly fresh?: Json
    /** How its action was defined at the opening. */
    readonly shape?: { readonly mark: string; readonly parts?: { readonly [part: string]: string } }
    /** What other rules have said since of each line of a plan. */
    readonly judged?: Json
    /** A hold whose time, `until`, came in this freeze: it is let go when that ends. */
    readonly frozen?: { readonly epoch: number; readonly until: number }
    /** Why it was opened again. */
    readonly again?: 'reminded' | 'escalated' | 'snoozed' | 'rescheduled' | 'frozen' | 'judged'
  } & WithPuts
  'ask.completed': Outcome & { readonly by?: Actor } & WithPuts
  'call.opened': { readonly hash: string; readonly child: string; readonly playbook: string }
  'call.completed': Outcome
  'emit.completed': Outcome & { readonly hash: string }
  'checkpoint.completed': Outcome
  'read.completed': Outcome & { readonly hash: string; readonly reads?: readonly Json[] }
  /** A read or a write of memory. What was read stands here by id: its text is where it can be erased. */
  'memory.completed': Outcome & {
    readonly hash: string
    readonly reads?: readonly Json[]
    /** Of a value in working memory: the version of the shape that it fits, if not 1. */
    readonly schema?: number
  } & WithPuts
  'entity.completed': Outcome & { readonly hash: string } & WithPuts
  'artifact.completed': Outcome & { readonly hash: string } & WithPuts
  /** A model is about to be asked: what that may cost is reserved. */
  'agent.sending': { readonly hash: string; readonly attempt: number; readonly model?: string } & WithPuts
  'agent.failed': {
    readonly model?: string
    readonly usage?: Json
  } & Failed &
    WithPuts
  /** `limited`: a budget is reached, and it was not asked. */
  'agent.completed': Outcome & {
    readonly hash: string
    readonly agent?: { readonly name: string; readonly version: number }
    readonly model?: string
    readonly usage?: Json
    readonly limited?: Json
  } & WithPuts
  /** An open question was judged again under another policy, and stays as it is. */
  'ask.judged': { readonly policy: string; readonly reason: string } & WithPuts
  /** Withdraws one open wait (the loser of a race that its branch has left). */
  'op.withdrawn': WithPuts

  /* effects */
  /** Handed to an effect run, or joined to one that is open. */
  'effect.opened': {
    readonly hash: string
    readonly action: string
    readonly effect: string
    readonly run: string
    readonly joined?: boolean
    /** What policy said; of one that is joined, it was said before. */
    readonly verdict?: Json
  } & WithPuts
  'effect.sending': {
    readonly hash: string
    readonly action: string
    readonly effect: string
    readonly generation: number
    /** The key that the outside system gets. */
    readonly key: string
    readonly attempt: number
    readonly verdict: Json
    /** Asks that a standing grant, or a rung of trust, has answered for. */
    readonly covered?: readonly string[]
    readonly grant?: string
    readonly trust?: { readonly segment: string; readonly rung: 'veto' | 'automatic'; readonly audit?: true }
    /** What policy said, where one of them has answered since. */
    readonly judged?: Json
    /** Mark of how its action was defined when it was first sent. */
    readonly shape?: string
  } & WithPuts
  'effect.failed': Failed
  /** `by`: a person said that it happened, after it had failed. */
  'effect.completed': Outcome & {
    /** Left out where a person said what a read answered that was still tried: what it was asked for is told by no entry. */
    readonly hash?: string
    readonly receipt?: Json
    readonly judged?: Json
    readonly by?: Actor
  } & WithPuts
  'effect.late': { readonly output?: Json; readonly error?: StoredError }

  /** A slot or a reservation was taken for what is about to be done. */
  'limit.taken': { readonly by: string } & WithPuts

  /* outside of runs */
  'workspace.opened': WithPuts
  'workspace.configured': { readonly by: Actor } & WithPuts
  'workspace.frozen': { readonly by: Actor; readonly reason: string } & WithPuts
  'workspace.thawed': { readonly by: Actor } & WithPuts
  /** Whole streams were taken away: what anchors have signed of them is no longer looked for. */
  'stream.pruned': {
    readonly by: Actor
    readonly streams: readonly {
      /** Hash of its first entry; seq of its last. */
      readonly first: string
      readonly seq: number
    }[]
    /** The runs whose journals these were. Their rows stay. */
    readonly runs?: readonly string[]
  } & WithPuts
  /** Records whose last put went with a pruned stream: put again as they are, and not written again. */
  'record.kept': { readonly kept: readonly Put[] }
  /** Word of an anchor that was made; the anchor itself is kept elsewhere. */
  'audit.anchored': { readonly number: number; readonly hash: string; readonly root: string } & WithPuts
  'workspace.created': { readonly by: Actor } & WithPuts
  'workspace.suspended': { readonly by: Actor; readonly reason: string } & WithPuts
  'workspace.resumed': { readonly by: Actor } & WithPuts
  'workspace.deleted': { readonly by: Actor } & WithPuts
  /** All that was there was given up for a bundle that came in its place. */
  'workspace.replaced': { readonly by: Actor }
  /** Another set of rules is in force: what is asked or held is judged again. */
  'policy.changed': { readonly from: string; readonly to: string } & WithPuts
  'item.seen': { readonly by: Actor; readonly item: string } & WithPuts
  'item.decided': {
    readonly by: Actor
    readonly item: string
    readonly hash: string
    readonly decision: Json
    readonly batch?: string
  } & WithPuts
  /** Somebody tried to decide with a hash that the item never had; in a run: a message history came with an approval in it. */
  'approval.forged': Refused
  /** Somebody tried to decide what has changed since they saw it, or may not decide. */
  'decision.refused': Refused
  'item.snoozed': { readonly by: Actor; readonly item: string; readonly until: number } & WithPuts
  'item.delegated': { readonly by: Actor; readonly item: string; readonly to: Actor; readonly note?: string } & WithPuts
  /** A held effect goes out at another time. */
  'item.rescheduled': { readonly by: Actor; readonly item: string; readonly until: number } & WithPuts
  'entity.edited': { readonly by: Actor } & WithPuts
  'artifact.kept': { readonly by: Actor } & WithPuts
  'taxonomy.set': { readonly by: Actor } & WithPuts
  'cache.invalidated': { readonly by: Actor; readonly tags: readonly string[] } & WithPuts
  'shadow.set': { readonly by: Actor; readonly what: string; readonly on: boolean } & WithPuts
  /** A person did something by hand. */
  'deed.seen': { readonly by: Actor } & WithPuts
  /** A day of what was counted, as it was when it was over. */
  'metrics.rolled': WithPuts
  'time.spent': { readonly by: Actor } & WithPuts
  'alert.changed': { readonly by: Actor } & WithPuts
  'memory.changed': { readonly by: Actor } & WithPuts
  'memory.erased': {
    readonly by: Actor
    readonly reason: string
    readonly memories: readonly string[]
    /** Digests of artifacts that went. */
    readonly files?: readonly string[]
  } & WithPuts
  'entity.erased': {
    readonly by: Actor
    readonly reason: string
    /** As `type/id`. */
    readonly entities: readonly string[]
  } & WithPuts
  'memory.shown': WithPuts
  'trust.set': {
    readonly by: Actor
    readonly action: string
    /** If not the default one. */
    readonly account?: string
    readonly segment: string
    readonly rung: string
  } & WithPuts
  'trust.ceiling': {
    readonly by: Actor
    readonly action: string
    /** If not the default one. */
    readonly account?: string
    readonly segment: string
    readonly rung: string
    readonly until?: number
    readonly reason?: string
  } & WithPuts
  /** By a setting in place of a person; written with the decision that was the evidence for it. */
  'trust.promoted': {
    readonly by: Actor
    readonly action: string
    /** If not the default one. */
    readonly account?: string
    readonly segment: string
    readonly from: string
    readonly rung: string
    /** How far the setting goes, and the version of the `defineTrust()` that it is part of. */
    readonly autoPromote: string
    readonly version: string
  } & WithPuts
  /** What acted by itself was told in the inbox, up to then. */
  'trust.told': { readonly by: Actor } & WithPuts
  'budget.raised': { readonly by: Actor; readonly budget: string } & WithPuts
  'grant.made': { readonly by: Actor } & WithPuts
  'grant.revoked': { readonly by: Actor } & WithPuts
}

export type EntryKind = keyof EntryData
