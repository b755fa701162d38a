/** Op: one operation of a run, as the run's entries tell it. */
import type { StoredError } from '../base/errors.ts'
import type { Entry } from './entry.ts'
import type { Outcome } from './kinds.ts'

/** One operation of a run, by its key. */
export interface Op {
  readonly key: string
  /** 'step', 'sleep', 'wait' …: the part of the entry kind before the dot. */
  readonly kind: string
  /** Hash of what was asked; undefined where nothing is compared. */
  hash: string | undefined
  /** The entry that opened a wait or handed an effect over; undefined for what has only an outcome. */
  opened: Entry | undefined
  /** When what was opened ends by itself. */
  until: number | undefined
  /** The last 'effect.sending'. */
  sending: Entry | undefined
  /** Instant of the first 'effect.sending'. */
  sentAt: number | undefined
  /** It was sent, and nothing says what came of it. */
  dangling: boolean
  /** One of its tries before the last may have happened: its process died, or nobody heard what came of it. */
  unsure: boolean
  /** How often it was begun. */
  sends: number
  /** Tries that have failed. */
  attempts: number
  /** Why they have, each. */
  causes: string[] | undefined
  retryAt: number | undefined
  /** Instant since when it waits: of its first opening, or of the last try that failed. */
  since: number | undefined
  /** What the last try failed with. */
  failure: StoredError | undefined
  outcome: Answered | undefined
  withdrawn: boolean
}

/** An outcome in its place. */
export interface Answered {
  readonly key: string
  readonly seq: number
  readonly at: number
  readonly outcome: Outcome
}

/** It was opened, nothing has answered it, and it still counts. */
export function isOpen(op: Op): op is Op & { readonly opened: Entry } {
  return op.opened !== undefined && op.outcome === undefined && !op.withdrawn
}

/** Copied, and `Given` is a class: see base/young.ts. */
const BLANK: Op = {
  key: '',
  kind: '',
  hash: undefined,
  opened: undefined,
  until: undefined,
  sending: undefined,
  sentAt: undefined,
  dangling: false,
  unsure: false,
  sends: 0,
  attempts: 0,
  causes: undefined,
  retryAt: undefined,
  since: undefined,
  failure: undefined,
  outcome: undefined,
  withdrawn: false,
}

export function newOp(key: string, kind: string): Op {
  return { ...BLANK, key, kind }
}

class Given implements Answered {
  readonly key: string
  readonly seq: number
  readonly at: number
  readonly outcome: Outcome

  constructor(key: string, { seq, at }: Entry, outcome: Outcome) {
    this.key = key
    this.seq = seq
    this.at = at
    this.outcome = outcome
  }
}

export function answered(key: string, entry: Entry, outcome: Outcome): Answered {
  return new Given(key, entry, outcome)
}
