/**
 * Mail: what came from outside a run's lease, and the deadlines that have passed, as entries in their true order.
 *
 * M1. A deadline is decided once, by an entry, from recorded instants: what was stored before it beats it, however late
 *     the pass that finds out, delivered or not; of a hold, so does what was decided before that entry.
 * M2. An event answers the first open wait that matches it, once per run; one that nobody waits for is dropped here and
 *     stays in the buffer.
 * M3. An effect that was being sent when its run is rewound past it is left to a run of its own, in the unit that rewinds.
 * M4. A rewind ends a digest, and another follows: what came behind it, and deadlines, are judged by what it has left. An effect that it lost, and of which a person
 *     says that it happened, has happened in the ledger: it is not sent anew.
 */
import type { Actor } from '../base/actor.ts'
import type { Json } from '../base/value.ts'
import { dataOf, type Draft, type Entry } from '../journal/entry.ts'
import { openEffect, type History } from '../journal/fold.ts'
import { newOp, type Op } from '../journal/op.ts'
import type { EntryData, Outcome } from '../journal/kinds.ts'
import type { Put } from '../journal/put.ts'
import type { Expect, Mail, NewRun } from '../journal/store.ts'
import { maybeFailedRead } from './effect/failed-read.ts'
import { receiptFor } from './effect/ledger.ts'
import { answerOf, firstHeard, sinceOf, waitGone, type Heard, type Hearer } from './event-buffer.ts'
import { hadOf } from './had.ts'
import { closing } from './item.ts'
import { Opened, type Open } from './opened.ts'
import { expireAsk, type Climbed } from './silence.ts'

/** What each kind of mail carries. */
export interface MailData {
  /** `early`: it was sent before the run began, so only a wait that was given an instant may have it. */
  event: Heard & { early?: true }
  child: { key: string; outcome: Outcome }
  effect: { key: string; outcome: Outcome; receipt?: Json; asked?: string }
  decision: { key: string; item: string; hash: string; decision: Json; by: Actor }
  cancel: { by: Actor; reason: string }
  pause: { by: Actor; reason: string }
  resume: { by: Actor }
  /** Its company is suspended: the pass ends, and says nothing of it. */
  suspend: { by: Actor }
  rewind: {
    by: Actor
    to: { seq: number } | { key: string } | { checkpoint: string } | 'start'
    why: string
    /** What was asked for; left out by earlier releases. */
    verb?: 'retry' | 'setOutcome' | 'restart'
    outcome?: Outcome
  }
  move: { by: Actor; version: number }
  late: { output?: Json; error?: { code: string; message: string } }
  /** A held effect goes out at another time. */
  reschedule: { key: string; item: string; until: number; by: Actor }
  /** The workspace is frozen no more. */
  thaw: { epoch: number }
  /** Looks again; a run that has ended is reopened. */
  reopen: { by: Actor; why: string }
}

/** What a digest wants written. */
export interface Digest {
  readonly drafts: readonly Draft[]
  readonly starts: readonly NewRun[]
  readonly consumed: readonly number[]
  /** Mail for another digest, once this one is written (M4), even if it is none; undefined: there is to be no other. */
  readonly rest: readonly Mail[] | undefined
  /** Rungs that were climbed: whom to tell, and how. */
  readonly climbed: readonly Climbed[]
  /** Under what it counts. */
  readonly expect: readonly Expect[]
}

/** What a person says that an operation came to. */
export interface SetByHand {
  readonly outcome: Outcome
  readonly by: Actor
}

/** The run to which an effect is left, and the record that says so. */
export interface Left {
  readonly run: NewRun
  readonly put: Put
}

/** What a digest may ask of the pass. */
export interface DigestAt extends Hearer {
  readonly entries: () => Promise<readonly Entry[]>
  /** Leaves an effect that was being sent to a run of its own; undefined: there is nothing to leave. */
  readonly leave: (op: Op) => Promise<Left | undefined>
  /** The entry by which a failed effect has happened, as a person says; or why that may not be said. */
  readonly setByHand: (op: Op, said: SetByHand) => Promise<readonly Draft[] | string>
}

/** Entries for `mail`, as far as its first rewind, and for all deadlines that had passed before that, or by now if there is none. */
export async function digest(history: History, mail: readonly Mail[], now: number, at: DigestAt): Promise<Digest> {
  const open = new Opened(history)
  const had = new Set<string>()
  const timers: Timer[] = open.due(now).map(({ key, until }) => ({ key, until: until! }))
  let first = 0
  const drafts: Draft[] = []
  const climbed: Climbed[] = []
  const expect: Expect[] = []
  const passing = { history, open, had, climbed, expect }
  const fire = async (before: number): Promise<void> => {
    for (let next = timers[first]; next !== undefined && next.until < before; next = timers[first]) {
      first++
      const found = open.get(next.key)
      if (found !== undefined) drafts.push(...(await expire(found, { ...passing, until: next.until }, now, at)))
    }
  }
  const left = new Map<string, NewRun>()
  const done = (taken: readonly Mail[], rest?: readonly Mail[]): Digest => {
    const consumed = taken.map((one) => one.row)
    return { drafts, starts: [...left.values()], consumed, rest, climbed, expect }
  }
  for (const [i, one] of mail.entries()) {
    await fire(one.at)
    const taken = await take(one, history, { open, had, drafts, left }, at)
    drafts.push(...taken.drafts)
    if (taken.drafts.some((draft) => draft.kind === 'run.rewound')) return done(mail.slice(0, i + 1), mail.slice(i + 1))
    if (one.kind === 'thaw')
      for (const { found, until } of open.stayed())
        drafts.push(...(await expire(found, { ...passing, until }, now, at)))
    if (one.kind === 'reschedule' && taken.drafts.length > 0) {
      timers.splice(0, first)
      first = 0
      reset(timers, JSON.parse(one.payload) as Timer, now)
    }
  }
  await fire(Infinity)
  return done(mail)
}

interface Timer {
  readonly key: string
  readonly until: number
}

/** The deadline of one operation is another now. */
function reset(timers: Timer[], { key, until }: Timer, now: number): void {
  const at = timers.findIndex((timer) => timer.key === key)
  if (at >= 0) timers.splice(at, 1)
  if (until <= now) timers.push({ key, until })
  timers.sort((a, b) => a.until - b.until)
}

/** What has become of a digest so far, as far as it bears on its deadlines. */
interface Passing {
  readonly history: History
  readonly open: Opened
  /** Events that it has taken. */
  readonly had: Set<string>
  readonly climbed: Climbed[]
  /** What its unit is to expect. */
  readonly expect: Expect[]
  /** The deadline that has passed. */
  readonly until: number
}

/** What a passed deadline means for the operation that set it. */
async function expire({ op, entry }: Open, passing: Passing, now: number, at: DigestAt): Promise<Draft[]> {
  const { open, until } = passing
  const { key } = op
  switch (entry.kind) {
    case 'sleep.opened':
      open.delete(key)
      return [{ kind: 'sleep.completed', key, data: {} }]
    case 'wait.opened':
      open.delete(key)
      return [
        { kind: 'wait.completed', key, data: await endOfWait(entry as Entry & { kind: 'wait.opened' }, passing, at) },
      ]
    case 'ask.opened':
      return expireAsk(op, { ...dataOf(entry as Entry & { kind: 'ask.opened' }), until }, passing, now, at)
    default:
      return []
  }
}

/** M1. An event that came in time may still be on its way. */
async function endOfWait(
  entry: Entry & { kind: 'wait.opened' },
  { history, had }: Passing,
  at: DigestAt,
): Promise<EntryData['wait.completed']> {
  const wait = dataOf(entry)
  const heard = await firstHeard(at, wait, history, had)
  if (heard === undefined) return { puts: waitGone(wait) }
  had.add(heard.id)
  return answerOf(wait, heard)
}

interface Taken {
  readonly drafts: readonly Draft[]
}

/** What has become of a digest so far: its drafts may conflict, and then count for nothing. */
interface SoFar {
  readonly open: Opened
  /** Events that it has taken. */
  readonly had: Set<string>
  /** Effect runs to start, by the operation that was rewound. */
  readonly left: Map<string, NewRun>
  readonly drafts: readonly Draft[]
}

async function take(mail: Mail, history: History, soFar: SoFar, at: DigestAt): Promise<Taken> {
  const { open } = soFar
  const data: unknown = JSON.parse(mail.payload)
  switch (mail.kind as keyof MailData) {
    case 'event':
      return { drafts: await takeEvent(data as MailData['event'], mail.at, history, soFar, at) }
    case 'child': {
      const { key, outcome } = data as MailData['child']
      return { drafts: answer(open, key, { kind: 'call.completed', key, data: outcome }) }
    }
    case 'effect': {
      const { key, outcome, receipt, asked } = data as MailData['effect']
      const hash = open.get(key)?.op.hash ?? ''
      const of = receiptFor(receipt, asked, hash)
      return { drafts: answer(open, key, { kind: 'effect.completed', key, data: { ...outcome, hash, ...of } }) }
    }
    case 'decision':
      return { drafts: takeDecision(data as MailData['decision'], open) }
    case 'cancel':
      return { drafts: [{ kind: 'run.cancelling', data: data as MailData['cancel'] }] }
    case 'pause':
      return { drafts: [{ kind: 'run.paused', data: data as MailData['pause'] }] }
    case 'resume':
      return { drafts: [{ kind: 'run.resumed', data: data as MailData['resume'] }] }
    case 'move':
      return { drafts: [moved(data as MailData['move'], history, soFar)] }
    case 'rewind':
      return takeRewind(data as MailData['rewind'], history, soFar, { ...at, entries: await at.entries() })
    case 'reopen':
      return {
        drafts:
          history.ended === undefined && history.quarantined === undefined
            ? []
            : [{ kind: 'run.reopened', data: data as MailData['reopen'] }],
      }
    case 'reschedule':
      return { drafts: takeReschedule(data as MailData['reschedule'], open) }
    case 'late':
      return { drafts: [{ kind: 'effect.late', data: data as MailData['late'] }] }
    default:
      return { drafts: [] }
  }
}

/** An effect may have been opened since the verb was given: its outcome belongs to the version that asked. */
function moved(data: MailData['move'], history: History, { open }: SoFar): Draft {
  const effect = openEffect(history)
  if (effect === undefined || (effect.opened !== undefined && !open.has(effect.key))) return { kind: 'run.moved', data }
  const why = `"${effect.key}" is still open`
  return { kind: 'run.refused', data: { by: data.by, verb: 'move', why } }
}

function answer(open: Opened, key: string, draft: Draft): Draft[] {
  return open.delete(key) ? [draft] : []
}

async function takeEvent(
  data: MailData['event'],
  at: number,
  history: History,
  { open, had }: SoFar,
  from: DigestAt,
): Promise<Draft[]> {
  if (had.has(data.id) || (await hadOf(from, history, [data.id])).size > 0) return []
  for (const { op, entry } of open.waitsFor(data.event, data.payload)) {
    const wait = dataOf(entry as Entry & { kind: 'wait.opened' })
    if (wait.until !== undefined && at > wait.until) continue
    const since = sinceOf(from, wait)
    if (since === undefined ? data.early === true : at < since) continue
    open.delete(op.key)
    had.add(data.id)
    return [{ kind: 'wait.completed', key: op.key, data: answerOf(wait, data) }]
  }
  return []
}

function takeDecision(data: MailData['decision'], open: Opened): Draft[] {
  const found = open.get(data.key)
  if (found?.entry.kind !== 'ask.opened') return []
  if (dataOf(found.entry as Entry & { kind: 'ask.opened' }).item !== data.item) return []
  open.delete(data.key)
  const decision = data.decision as { answer?: Json }
  const ok =
    'answer' in decision
      ? decision.answer!
      : ({ decision: data.decision, by: data.by, hash: data.hash } as unknown as Json)
  return [{ kind: 'ask.completed', key: data.key, data: { ok, by: data.by } }]
}

/** A later deadline replaces the one that was set: this one came before it had passed. */
function takeReschedule(data: MailData['reschedule'], open: Opened): Draft[] {
  const found = open.get(data.key)
  if (found?.entry.kind !== 'ask.opened') return []
  const { puts: _puts, frozen: _frozen, ...opened } = dataOf(found.entry as Entry & { kind: 'ask.opened' })
  if (opened.item !== data.item) return []
  return [{ kind: 'ask.opened', key: data.key, data: { ...opened, until: data.until, again: 'rescheduled' } }]
}

type RewindAt = Omit<DigestAt, 'entries'> & { readonly entries: readonly Entry[] }

async function takeRewind(data: MailData['rewind'], history: History, soFar: SoFar, at: RewindAt): Promise<Taken> {
  const refused = (why: string): Taken => ({
    drafts: [{ kind: 'run.refused', data: { by: data.by, verb: data.verb ?? 'restart', why } }],
  })
  const to = rewindTarget(data.to, history, at.entries)
  if (typeof to === 'string') {
    const said = await setLost(data, history, soFar, at)
    return typeof said === 'object' ? { drafts: said } : refused(said ?? to)
  }
  const set = data.outcome === undefined ? undefined : await setBy(data, data.outcome, history, at)
  if (typeof set === 'string') return refused(set)
  const puts = await forget(to, history, soFar, at)
  const rewound: Draft = { kind: 'run.rewound', data: { by: data.by, to, why: data.why, puts } }
  return { drafts: set === undefined ? [rewound] : [rewound, ...set] }
}

/** What a person says that an operation came to, as its kind records it; or why nobody can say that of it. */
async function setBy(
  { to, by }: MailData['rewind'],
  outcome: Outcome,
  history: History,
  at: RewindAt,
): Promise<readonly Draft[] | string | undefined> {
  if (typeof to !== 'object' || !('key' in to)) return undefined
  const op = history.ops.get(to.key)
  if (op === undefined || op.kind === 'step') return [{ kind: 'step.completed', key: to.key, data: { ...outcome, by } }]
  if (op.kind === 'effect') return at.setByHand(op, { outcome, by })
  return `"${to.key}" is no step, and its outcome cannot be set by hand`
}

/**
 * The same of an effect that a rewind has lost: it is written down and lost once more, for the sake of its ledger, which answers when
 * the code asks again. Undefined: there is none, or nothing was said of it.
 */
async function setLost(
  { to, by, why, outcome }: MailData['rewind'],
  history: History,
  { drafts }: SoFar,
  at: RewindAt,
): Promise<readonly Draft[] | string | undefined> {
  if (outcome === undefined || typeof to !== 'object' || !('key' in to)) return undefined
  const { key } = to
  const lost = at.entries.findLast((one) => one.kind === 'effect.completed' && one.key === key)
  if (lost === undefined || lost.payload === null) return undefined
  const before = dataOf(lost as Entry & { kind: 'effect.completed' })
  const answered = { key, seq: lost.seq, at: lost.at, outcome: before }
  const op = { ...newOp(key, 'effect'), hash: before.hash, outcome: answered }
  if (maybeFailedRead(op)) return undefined // it has no ledger
  const set = await at.setByHand(op, { outcome, by })
  if (typeof set === 'string') return set
  return [...set, { kind: 'run.rewound', data: { by, to: history.head.seq + drafts.length, why } }]
}

/** What a rewind loses is no longer waited for: its questions are withdrawn, its waits removed, its sendings left (M3). */
async function forget(to: number, history: History, { open, drafts, left }: SoFar, at: RewindAt): Promise<Put[]> {
  const puts: Put[] = []
  const lost = new Set(at.entries.filter((one) => one.seq > to && one.key !== '').map((one) => one.key))
  for (const { op, entry } of [...lost].flatMap((key) => open.get(key) ?? [])) {
    open.delete(op.key)
    if (entry.kind === 'wait.opened') puts.push(...waitGone(dataOf(entry as Entry & { kind: 'wait.opened' })))
    if (entry.kind !== 'ask.opened') continue
    const { item } = dataOf(entry as Entry & { kind: 'ask.opened' })
    const reminded = drafts.filter(
      (one) => one.kind === 'ask.opened' && one.key === op.key && one.data.puts?.length,
    ).length
    const closed = await closing(at.store, at.workspace, [item], 'withdrawn')
    puts.push(...closed.map((put) => ({ ...put, version: put.version + reminded })))
  }
  for (const op of history.ops.values()) {
    if (!lost.has(op.key) || op.outcome !== undefined || op.opened !== undefined || left.has(op.key)) continue
    const leaving = await at.leave(op)
    if (leaving === undefined) continue
    left.set(op.key, leaving.run)
    puts.push(leaving.put)
  }
  return puts
}

/** The last entry that still counts, or why there is none. */
function rewindTarget(to: MailData['rewind']['to'], history: History, entries: readonly Entry[]): number | string {
  if (to === 'start') return 1
  if ('seq' in to) return to.seq
  if ('checkpoint' in to) {
    const found = [...history.ops.values()].find((op) => op.kind === 'checkpoint' && nameOf(op) === to.checkpoint)
    return found?.outcome?.seq ?? `the run has not reached checkpoint "${to.checkpoint}"`
  }
  const first = entries.find((entry) => entry.key === to.key)
  const op = history.ops.get(to.key)
  if (op === undefined) return `the run has no step "${to.key}"`
  return (op.outcome?.seq ?? first?.seq ?? history.head.seq + 1) - 1
}

function nameOf(op: Op): string {
  const ok = op.outcome?.outcome.ok
  return typeof ok === 'string' ? ok : op.key
}
