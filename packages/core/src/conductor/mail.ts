/**
 * Mail: what came from outside a run's lease, and the deadlines that have passed, as entries in their true order.
 *
 * M1. A deadline is decided once, by an entry, from recorded instants: what was stored before it beats it, however late
 *     the pass is that finds out.
 * M2. An event answers the first open wait that matches it, once per run; one that nobody waits for is dropped here and
 *     stays in the buffer.
 */
import type { Actor } from '../base/actor.ts'
import type { Json } from '../base/value.ts'
import { dataOf, type Draft, type Entry } from '../journal/entry.ts'
import type { History, Op } from '../journal/fold.ts'
import type { EntryData, Outcome } from '../journal/kinds.ts'
import type { Put } from '../journal/put.ts'
import type { Mail, MemoryStore } from '../journal/store.ts'
import { matches } from '../playbook/event.ts'
import { closing, itemPut, readItem } from './item.ts'

/** What each kind of mail carries. */
export interface MailData {
  event: { id: string; event: string; payload: Json }
  child: { key: string; outcome: Outcome }
  effect: { key: string; outcome: Outcome; receipt?: Json }
  decision: { key: string; item: string; hash: string; decision: Json; by: Actor }
  cancel: { by: Actor; reason: string }
  pause: { by: Actor; reason: string }
  resume: { by: Actor }
  rewind: {
    by: Actor
    to: { seq: number } | { key: string } | { checkpoint: string } | 'start'
    why: string
    outcome?: Outcome
  }
  move: { by: Actor; version: number }
  late: { output?: Json; error?: { code: string; message: string } }
  /** Looks again; a run that has ended is reopened. */
  reopen: { by: Actor; why: string }
}

/** What a digest wants written. */
export interface Digest {
  readonly drafts: readonly Draft[]
  readonly consumed: readonly number[]
}

type Open = { op: Op; entry: Entry }

/** Entries for `mail` and for all deadlines up to `now`. */
export async function digest(
  history: History,
  mail: readonly Mail[],
  now: number,
  at: { store: MemoryStore; workspace: string; entries: () => Promise<readonly Entry[]> },
): Promise<Digest> {
  const open = new Map<string, Open>()
  for (const op of history.ops.values()) {
    if (op.opened !== undefined && op.outcome === undefined && !op.withdrawn) open.set(op.key, { op, entry: op.opened })
  }
  const timers = [...open.values()]
    .map(({ op }) => ({ key: op.key, until: op.until }))
    .filter((timer): timer is { key: string; until: number } => timer.until !== undefined && timer.until <= now)
    .sort((a, b) => a.until - b.until)
  const drafts: Draft[] = []
  const fire = async (before: number): Promise<void> => {
    for (let next = timers[0]; next !== undefined && next.until < before; next = timers[0]) {
      timers.shift()
      const found = open.get(next.key)
      if (found !== undefined) drafts.push(...(await expire(found, open, now, at)))
    }
  }
  const had = new Set<string>()
  for (const one of mail) {
    await fire(one.at)
    const taken = await take(one, history, { open, had, drafts }, at)
    drafts.push(...taken.drafts)
  }
  await fire(Infinity)
  return { drafts, consumed: mail.map((one) => one.row) }
}

/** What a passed deadline means for the operation that set it. */
async function expire(
  { op, entry }: Open,
  open: Map<string, Open>,
  now: number,
  at: { store: MemoryStore; workspace: string },
): Promise<Draft[]> {
  switch (entry.kind) {
    case 'sleep.opened':
      open.delete(op.key)
      return [{ kind: 'sleep.completed', key: op.key, data: {} }]
    case 'wait.opened':
      open.delete(op.key)
      return [
        {
          kind: 'wait.completed',
          key: op.key,
          data: { puts: waitGone(dataOf(entry as Entry & { kind: 'wait.opened' })) },
        },
      ]
    case 'ask.opened':
      return expireAsk(op, dataOf(entry as Entry & { kind: 'ask.opened' }), open, now, at)
    default:
      return []
  }
}

async function expireAsk(
  op: Op,
  data: EntryData['ask.opened'],
  open: Map<string, Open>,
  now: number,
  at: { store: MemoryStore; workspace: string },
): Promise<Draft[]> {
  const found = await readItem(at.store, at.workspace, data.item)
  if (found !== undefined && found.item.state === 'decided') return [] // its mail is on the way, and it came first
  if (data.onSilence === 'remind' || data.onSilence === 'escalate') {
    const every = data.everyMs ?? 86_400_000
    const until = data.until! + every * (Math.floor((now - data.until!) / every) + 1)
    const puts =
      found === undefined ? [] : [itemPut({ ...found.item, reminders: found.item.reminders + 1 }, found.version + 1)]
    return [{ kind: 'ask.opened', key: op.key, data: { ...data, until, puts } }]
  }
  open.delete(op.key)
  const puts = await closing(at.store, at.workspace, [data.item], 'expired')
  return [{ kind: 'ask.completed', key: op.key, data: { error: silence(), puts } }]
}

function silence(): { code: string; message: string; hint: string } {
  return {
    code: 'STEP_TIMEOUT',
    message: 'nobody answered in time',
    hint: 'Catch it and take another way, or ask without a timeout.',
  }
}

interface Taken {
  readonly drafts: readonly Draft[]
}

/** What has become of a digest so far: its drafts may conflict, and then count for nothing. */
interface SoFar {
  readonly open: Map<string, Open>
  /** Events that it has taken. */
  readonly had: Set<string>
  readonly drafts: readonly Draft[]
}

async function take(
  mail: Mail,
  history: History,
  soFar: SoFar,
  at: { store: MemoryStore; workspace: string; entries: () => Promise<readonly Entry[]> },
): Promise<Taken> {
  const { open } = soFar
  const data: unknown = JSON.parse(mail.payload)
  switch (mail.kind as keyof MailData) {
    case 'event':
      return { drafts: takeEvent(data as MailData['event'], mail.at, history, soFar) }
    case 'child': {
      const { key, outcome } = data as MailData['child']
      return { drafts: answer(open, key, { kind: 'call.completed', key, data: outcome }) }
    }
    case 'effect': {
      const { key, outcome, receipt } = data as MailData['effect']
      const hash = open.get(key)?.op.hash ?? ''
      const draft: Draft = {
        kind: 'effect.completed',
        key,
        data: { ...outcome, hash, ...(receipt === undefined ? {} : { receipt }) },
      }
      return { drafts: answer(open, key, draft) }
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
      return { drafts: [{ kind: 'run.moved', data: data as MailData['move'] }] }
    case 'rewind':
      return takeRewind(data as MailData['rewind'], history, soFar, { ...at, entries: await at.entries() })
    case 'reopen':
      return {
        drafts:
          history.settled === undefined && history.quarantined === undefined
            ? []
            : [{ kind: 'run.reopened', data: data as MailData['reopen'] }],
      }
    case 'late':
      return { drafts: [{ kind: 'effect.late', data: data as MailData['late'] }] }
    default:
      return { drafts: [] }
  }
}

function answer(open: Map<string, Open>, key: string, draft: Draft): Draft[] {
  return open.delete(key) ? [draft] : []
}

function takeEvent(data: MailData['event'], at: number, history: History, { open, had }: SoFar): Draft[] {
  if (history.events.has(data.id) || had.has(data.id)) return []
  for (const { op, entry } of open.values()) {
    if (entry.kind !== 'wait.opened') continue
    const wait = dataOf(entry as Entry & { kind: 'wait.opened' })
    if (wait.event !== data.event || at < wait.since || (wait.until !== undefined && at > wait.until)) continue
    if (!matches(wait.match as Record<string, unknown>, data.payload)) continue
    open.delete(op.key)
    had.add(data.id)
    return [{ kind: 'wait.completed', key: op.key, data: { ok: data.payload, event: data.id, puts: waitGone(wait) } }]
  }
  return []
}

/** Removes the record under which events find a wait. */
export function waitGone(wait: EntryData['wait.opened']): Put[] {
  return (wait.puts ?? []).map((put) => ({ kind: put.kind, id: put.id, version: put.version + 1, data: null }))
}

function takeDecision(data: MailData['decision'], open: Map<string, Open>): Draft[] {
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

async function takeRewind(
  data: MailData['rewind'],
  history: History,
  soFar: SoFar,
  at: { store: MemoryStore; workspace: string; entries: readonly Entry[] },
): Promise<Taken> {
  const to = rewindTarget(data.to, history, at.entries)
  if (typeof to === 'string')
    return { drafts: [{ kind: 'run.refused', data: { by: data.by, verb: 'rewind', why: to } }] }
  const puts = await forget(to, soFar, at)
  const drafts: Draft[] = [{ kind: 'run.rewound', data: { by: data.by, to, why: data.why, puts } }]
  if (data.outcome !== undefined && typeof data.to === 'object' && 'key' in data.to) {
    drafts.push({ kind: 'step.completed', key: data.to.key, data: { ...data.outcome, by: data.by } })
  }
  return { drafts }
}

/** What a rewind loses is no longer waited for: its questions are withdrawn, its waits removed. */
async function forget(
  to: number,
  { open, drafts }: SoFar,
  at: { store: MemoryStore; workspace: string; entries: readonly Entry[] },
): Promise<Put[]> {
  const puts: Put[] = []
  const lost = new Set(at.entries.filter((one) => one.seq > to && one.key !== '').map((one) => one.key))
  for (const { op, entry } of [...open.values()].filter((one) => lost.has(one.op.key))) {
    open.delete(op.key)
    if (entry.kind === 'wait.opened') puts.push(...waitGone(dataOf(entry as Entry & { kind: 'wait.opened' })))
    if (entry.kind !== 'ask.opened') continue
    const { item } = dataOf(entry as Entry & { kind: 'ask.opened' })
    const reminded = drafts.some((one) => one.kind === 'ask.opened' && one.key === op.key) ? 1 : 0
    const closed = await closing(at.store, at.workspace, [item], 'withdrawn')
    puts.push(...closed.map((put) => ({ ...put, version: put.version + reminded })))
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
