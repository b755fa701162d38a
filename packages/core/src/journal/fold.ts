/**
 * Fold: a run's entries as what a pass asks for: which operations were opened, tried, answered, and in which order.
 *
 * F1. A function of the entries alone. The same prefix gives the same history.
 * F2. `outcomes` are in journal order; code receives them in this order and no other.
 * F3. A rewind forgets what began or was answered behind its mark; what that did in the world stays in the ledger of effects.
 * F4. Questions and waits for events that were open when the run settled were closed with it, and answer nothing; where it goes on
 *     they are forgotten, so that its code opens them anew.
 */
import { joinLabels, NO_LABELS, type Labels } from '../base/labels.ts'
import { dataOf, EMPTY_HEAD, type Entry, type Head } from './entry.ts'
import type { EntryData, EntryKind } from './kinds.ts'
import { Deadlines, EventWaits } from './open.ts'
import { answered, newOp, type Answered, type Op } from './op.ts'

export interface History {
  head: Head
  bytes: number
  /** Instant of the first entry. */
  readonly startedAt: number
  readonly start: EntryData['run.started']
  readonly ops: Map<string, Op>
  readonly outcomes: Answered[]
  readonly deadlines: Deadlines
  readonly waits: EventWaits
  /** How many operations of each kind were opened or sent. */
  readonly begun: Map<string, number>
  /** Settings in force from an entry on, in order. */
  readonly settings: { readonly seq: number; readonly data: EntryData['settings.seen'] }[]
  cancelling: EntryData['run.cancelling'] | undefined
  paused: EntryData['run.paused'] | undefined
  /** Why it is kept away from code until a person says otherwise. */
  quarantined: string | undefined
  /** Instant of the entry that last set it aside: paused, quarantined, or unlike its code. */
  asideAt: number | undefined
  /** The version that it was last moved to. */
  moved: number | undefined
  /** The entry with which it settled. What that says, its records among it, is read by who asks: hardly anybody does. */
  ended: (Entry & { kind: 'run.settled' }) | undefined
  /** What was raised in the inbox about the run and is not settled. */
  raised: { readonly kind: EntryKind; readonly text: string } | undefined
  /** Events that this run has received. */
  readonly events: Set<string>
  /** What all that it has seen is to be taken for. */
  labels: Labels
  /** How often a person took it in hand: paused, cancelled, rewound, moved, reopened it. */
  takeovers: number
  /** It has settled before. */
  reopened: boolean
}

/** Copied, so that none is made as a literal: see base/young.ts. */
const BLANK = {
  head: EMPTY_HEAD,
  bytes: 0,
  cancelling: undefined,
  paused: undefined,
  quarantined: undefined,
  asideAt: undefined,
  moved: undefined,
  ended: undefined,
  raised: undefined,
  takeovers: 0,
  reopened: false,
}

export function fold(entries: readonly Entry[]): History {
  const kept = afterRewinds(entries)
  const first = kept[0]
  if (first?.kind !== 'run.started') throw new TypeError('a run begins with run.started')
  const start = dataOf(first as Entry & { kind: 'run.started' })
  const history: History = {
    ...BLANK,
    startedAt: first.at,
    start,
    ops: new Map(),
    outcomes: [],
    deadlines: new Deadlines(),
    waits: new EventWaits(),
    begun: new Map(),
    settings: [],
    events: new Set(start.events ?? []),
    labels: start.labels ?? NO_LABELS,
  }
  for (const entry of kept) foldInto(history, entry)
  const last = entries.at(-1)
  if (last !== undefined) history.head = last
  return history
}

/** Adds the next entry. A rewind needs the whole fold again. */
export function foldInto(history: History, entry: Entry): void {
  history.head = entry
  history.bytes += entry.payload?.length ?? 0
  if (entry.key !== '') applyOp(history, entry)
  else applyRun(history, entry)
}

/** Entries that still count (F3). */
function afterRewinds(entries: readonly Entry[]): readonly Entry[] {
  let kept: Entry[] | undefined
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i]!
    if (entry.kind !== 'run.rewound') {
      kept?.push(entry)
      continue
    }
    const all = kept ?? entries.slice(0, i)
    const { to } = dataOf(entry as Entry & { kind: 'run.rewound' })
    const lost = new Set(all.filter((one) => one.seq > to && one.key !== '').map((one) => one.key))
    kept = all.filter((one) => one.key === '' || (one.seq <= to && !lost.has(one.key)))
    kept.push(entry)
  }
  return kept ?? entries
}

const TAKEN: ReadonlySet<string> = new Set(['run.paused', 'run.cancelling', 'run.rewound', 'run.moved', 'run.reopened'])

function applyRun(history: History, entry: Entry): void {
  if (TAKEN.has(entry.kind) && dataOf(entry as Entry & { kind: 'run.resumed' }).by.kind === 'person')
    history.takeovers++
  switch (entry.kind) {
    case 'settings.seen':
      history.settings.push({ seq: entry.seq, data: dataOf(entry as Entry & { kind: 'settings.seen' }) })
      return
    case 'run.cancelling':
      history.cancelling = dataOf(entry as Entry & { kind: 'run.cancelling' })
      return
    case 'run.paused':
      history.asideAt = entry.at
      history.paused = dataOf(entry as Entry & { kind: 'run.paused' })
      return
    case 'run.resumed':
      history.paused = undefined
      return
    case 'run.settled':
      history.ended = entry as Entry & { kind: 'run.settled' }
      if (entry.payload?.includes('"status":"failed"') === true) raiseFailure(history, history.ended)
      return
    case 'run.moved':
      history.moved = dataOf(entry as Entry & { kind: 'run.moved' }).version
      history.quarantined = undefined
      return
    case 'run.reopened':
    case 'run.rewound':
      for (const op of closedIn(history)) {
        op.withdrawn = true
        history.ops.delete(op.key)
      }
      history.reopened = true
      history.ended = undefined
      history.quarantined = undefined
      history.cancelling = undefined
      return
    case 'run.diverged':
      history.asideAt = entry.at
      history.raised = { kind: entry.kind, text: dataOf(entry as Entry & { kind: 'run.diverged' }).difference }
      return
    case 'run.quarantined':
      history.asideAt = entry.at
      history.quarantined = dataOf(entry as Entry & { kind: 'run.quarantined' }).reason
      history.raised = { kind: entry.kind, text: history.quarantined }
      return
    case 'run.noted':
      history.raised = { kind: entry.kind, text: dataOf(entry as Entry & { kind: 'run.noted' }).text }
      return
    case 'run.recovered':
      history.raised = undefined
      return
    default:
      return
  }
}

/** Its output may hold the same words. */
function raiseFailure(history: History, ended: Entry & { kind: 'run.settled' }): void {
  const { status, error } = dataOf(ended)
  if (status === 'failed') history.raised = { kind: ended.kind, text: error?.message ?? '' }
}

function applyOp(history: History, entry: Entry): void {
  const dot = entry.kind.indexOf('.')
  const kind = entry.kind.slice(0, dot)
  let op = history.ops.get(entry.key)
  if (op === undefined) {
    op = newOp(entry.key, kind)
    history.ops.set(entry.key, op)
  }
  switch (entry.kind.slice(dot + 1)) {
    case 'withdrawn':
      op.withdrawn = true
      return
    case 'opened':
      return open(history, op, entry)
    case 'sending':
      begin(history, op)
      op.sending = entry
      op.sends += 1
      op.sentAt ??= entry.at
      op.unsure ||= op.dangling
      op.dangling = true
      op.hash ??= hashOf(entry)
      op.retryAt = undefined
      return
    case 'failed': {
      const data = dataOf(entry as Entry & { kind: 'step.failed' })
      op.dangling = false
      op.unsure ||= data.cause === 'unknown'
      op.attempts = data.attempt
      ;(op.causes ??= []).push(data.cause ?? data.error.code)
      op.retryAt = data.retryAt
      op.since = entry.at
      op.failure = data.error
      return
    }
    case 'completed':
      return complete(history, op, entry)
    default:
      return
  }
}

function open(history: History, op: Op, entry: Entry): void {
  begin(history, op)
  if (op.opened === undefined) op.since = entry.at
  op.opened = entry
  op.until = undefined
  if (entry.payload === null) return
  const data = dataOf(entry as Entry & { kind: 'wait.opened' })
  op.until = data.until
  op.hash ??= data.hash
  if (op.until !== undefined) history.deadlines.set(op, entry, op.until)
  if (entry.kind === 'wait.opened') history.waits.add(op, data)
}

function begin({ begun }: History, op: Op): void {
  if ((op.opened ?? op.sending) === undefined) begun.set(op.kind, (begun.get(op.kind) ?? 0) + 1)
}

function complete(history: History, op: Op, entry: Entry): void {
  const data = dataOf(entry as Entry & { kind: 'wait.completed' })
  op.hash ??= (data as { hash?: string }).hash
  op.dangling = false
  if (data.event !== undefined) history.events.add(data.event)
  if (data.labels !== undefined) history.labels = joinLabels(history.labels, data.labels)
  op.outcome = answered(op.key, entry, data)
  history.outcomes.push(op.outcome)
}

/** F4. */
export function closedIn({ ended, ops }: History): Op[] {
  const withdrawn = ended === undefined ? undefined : dataOf(ended).withdrawn
  return (withdrawn ?? []).flatMap((key) => {
    const op = ops.get(key)
    return op?.outcome === undefined && (op?.kind === 'wait' || op?.kind === 'ask') ? [op] : []
  })
}

/** An effect whose outcome is still to come. */
export function openEffect(history: History): Op | undefined {
  return [...history.ops.values()].find(
    (op) =>
      op.kind === 'effect' && (op.opened ?? op.sending) !== undefined && op.outcome === undefined && !op.withdrawn,
  )
}

function hashOf(entry: Entry): string | undefined {
  return entry.payload === null
    ? undefined
    : (dataOf(entry as Entry & { kind: 'sleep.opened' }) as { hash?: string }).hash
}
