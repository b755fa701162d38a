/** Waits: sleep, waitFor, emit, call: operations that are opened by an entry and end by mail or by time. */
import { SYSTEM } from '../../base/actor.ts'
import { durationMs, type Duration } from '../../base/duration.ts'
import { KeelsonError } from '../../base/errors.ts'
import { expectedUnder, fieldsOf } from '../../base/fields.ts'
import { sha256 } from '../../base/hash.ts'
import { named, noSuch } from '../../base/known.ts'
import { nearest } from '../../base/nearest.ts'
import { canonical, stored } from '../../base/json.ts'
import { fromStored, toStored } from '../../base/schema.ts'
import { isUnlabelled, labelled, type Labels } from '../../base/labels.ts'
import type { Json } from '../../base/value.ts'
import { dataOf, type Draft, type Entry } from '../../journal/entry.ts'
import { fold } from '../../journal/fold.ts'
import type { Op } from '../../journal/op.ts'
import type { Outcome } from '../../journal/kinds.ts'
import type { NewRun } from '../../journal/store.ts'
import {
  eventLabels,
  eventSchema,
  eventShape,
  payloadFrom,
  waitToken,
  type EventShape,
  type EventType,
} from '../../playbook/event.ts'
import { playbookOf, type AnyPlaybook } from '../../playbook/playbook.ts'
import { boundNow, lineOf } from '../behalf.ts'
import { answerOf, firstHeard } from '../event-buffer.ts'
import { isSent, sentEvent, sentRun } from '../event-run.ts'
import type { Pass } from '../pass.ts'
import { rootOf } from '../shadow/mode.ts'
import { childId, journalId, newRun } from '../start.ts'
import { assertWithin } from './caps.ts'
import { orHeld } from './fitting.ts'
import { passing } from './rests.ts'
import { pruned } from '../upkeep/journal.ts'
import { runVerbs } from '../verbs.ts'
import { iso, type Status, type WaitInfo } from '../waiting.ts'
import type { Built } from '../writer.ts'

export type Wait = Pick<WaitInfo, 'kind' | 'what' | 'next'>

/** `wait`: what to say of it instead of that it sleeps. */
export function sleep(
  pass: Pass,
  key: string,
  duration: Duration | { until: string },
  wait: Wait | undefined = undefined,
): Promise<void> {
  const { until: given } = (duration ?? {}) as { until?: string | Date }
  const ms = given === undefined ? durationMs(duration as string) : undefined
  const fixed = given === undefined ? undefined : instant(given, pass.history.ops.has(key))
  const hashOf = (at: number | undefined): string => sha256(canonical([ms ?? null, at ?? null]))
  const hash = hashOf(fixed)
  /** A Date had been taken for what it prints, which is without milliseconds. */
  const older = (): string => hashOf(Date.parse(String(given)))
  const live = async (op: Op): Promise<void> => {
    if (op.opened === undefined) {
      const until = fixed ?? pass.task.env.clock.now() + ms!
      await pass.writer.append([{ kind: 'sleep.opened', key, data: { hash, until } }])
      if (pass.work.aborted) return
    }
    const { until } = dataOf(op.opened as Entry & { kind: 'sleep.opened' })
    pass.waits.set(key, { kind: 'timer', what: `sleeps until ${iso(until)}`, ...wait, until: iso(until) })
    pass.replay?.poke()
    if (until <= pass.task.env.clock.now()) await pass.mailbox.absorb()
  }
  return pass.operation({ key, kind: 'sleep', hash, ...(isDate(given) ? { older } : {}), live })
}

/**
 * What a sleep is named by. A Date prints the zone of its machine: it is named by its instant, unless the run sleeps `since` it was named by
 * what it prints.
 */
export function lengthOf(duration: unknown, since: (name: string) => boolean): string {
  if (typeof duration !== 'object') return `${duration as string}`
  const { until } = (duration ?? {}) as { until?: string | Date }
  if (until === undefined) return 'for no time'
  const printed = `until ${String(until)}`
  return isDate(until) && !Number.isNaN(until.getTime()) && !since(printed) ? `until ${until.toISOString()}` : printed
}

function isDate(value: unknown): value is Date {
  return Object.prototype.toString.call(value) === '[object Date]'
}

const ISO = /^((?:\d{4}|[+-]\d{6})-\d\d-\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/

/**
 * One without a zone is another instant on another machine, where the run would not fit its journal; a day that there is not would be
 * taken for another. What a run sleeps by since before goes on.
 */
function instant(given: string | Date, asBefore: boolean): number {
  const text = isDate(given) && !Number.isNaN(given.getTime()) ? given.toISOString() : String(given)
  const at = Date.parse(text)
  const [, day] = ISO.exec(text) ?? []
  const exists = day !== undefined && new Date(Date.parse(day)).toJSON()?.startsWith(day) === true
  if (Number.isFinite(at) && (asBefore || exists || typeof given !== 'string')) return at
  throw new KeelsonError('DURATION_INVALID', `"${text}" is not an instant`, {
    hint: "Use ISO text with an offset: '2027-01-31T09:00:00Z'.",
  })
}

/** What waits is told by an event as it was defined: its name alone says nothing of the payload. */
export function assertEvent(event: { readonly name: string }): void {
  if (typeof event === 'object' && event !== null && typeof event.name === 'string') return
  throw noSuch('DEFINITION_INVALID', event, 'an event', 'defineEvent()')
}

export interface WaitOptions {
  readonly match?: object
  readonly timeout?: Duration
  readonly since?: number
  /** What to say of the wait instead of the event's name. */
  readonly wait?: WaitInfo
}

export function waitFor(
  pass: Pass,
  key: string,
  event: EventType<unknown>,
  options: WaitOptions = {},
): Promise<unknown> {
  const shape = eventShape(event)
  const match = stored(options.match ?? {}) as Record<string, Json>
  if (!pass.history.ops.has(key)) assertMatch(event.name, shape, match) // one that waits since before goes on
  const hash = sha256(canonical([event.name, match, options.timeout ?? null]))
  const asked = { event: event.name, match, hash, labels: eventLabels(event) }
  const live = (op: Op): Promise<void> => openWait(pass, key, asked, options, op)
  return pass.operation({
    key,
    kind: 'wait',
    hash,
    live,
    value: ({ outcome }) => orHeld(pass, key, () => payloadOf(event, outcome)),
  })
}

/**
 * No payload has a field that its schema does not, or a value there that this never lets through: such a wait would never end. What was
 * sent as of an older version may have other values.
 */
function assertMatch(name: string, { schema, version }: EventShape, match: Readonly<Record<string, Json>>): void {
  const known = fieldsOf(schema)
  const stray = known === undefined ? undefined : Object.keys(match).find((field) => !known.includes(field))
  if (stray !== undefined) {
    const has = `It has ${known!.join(', ') || 'no fields'}.`
    const meant = nearest(stray, known!)
    throw new KeelsonError('INPUT_INVALID', `event ${name} has no field "${stray}" that a wait could match`, {
      hint: meant === undefined ? has : `Did you mean "${meant}"? ${has}`,
    })
  }
  for (const [field, value] of version === 1 ? Object.entries(match) : []) {
    const expected = expectedUnder(schema, field, value)
    if (expected === undefined) continue
    const matched = `match "${field}" with ${named(value)}: it is ${expected} in every payload`
    throw new KeelsonError('INPUT_INVALID', `a wait for event ${name} cannot ${matched}`, {
      hint: 'Such a wait would never end. Give the value as a payload of this schema has it once it is stored.',
    })
  }
}

/** As code gets it: of whatever version it was sent, as of today's; undefined where none came in time. */
function payloadOf(event: EventType<unknown>, outcome: Outcome): unknown {
  const { ok, schema = 1 } = outcome as Outcome & { schema?: number }
  return ok === undefined ? undefined : fromStored(eventSchema(event), canonical(payloadFrom(event, ok, schema)))
}

async function openWait(
  pass: Pass,
  key: string,
  asked: { event: string; match: Record<string, Json>; hash: string; labels: Labels },
  options: WaitOptions,
  op: Op,
): Promise<void> {
  const { event, match, hash, labels } = asked
  const { env, claimed } = pass.task
  const { workspace, id } = claimed.row
  await pass.work.run(async () => {
    const secret = await env.company(workspace).key()
    const token = waitToken(secret, event, match)
    if (op.opened === undefined) {
      const since = options.since === undefined ? {} : { since: options.since }
      const until = options.timeout === undefined ? undefined : env.clock.now() + durationMs(options.timeout)
      const put = {
        kind: 'wait',
        id: sha256(canonical([id, key, pass.history.head.seq])),
        version: 1,
        data: { run: id, key, event, match, ...familyOf(pass) },
        index: { token },
      }
      const ends = until === undefined ? {} : { until }
      const data = { hash, event, match, ...since, ...ends, ...(isUnlabelled(labels) ? {} : { labels }), puts: [put] }
      await pass.writer.append([{ kind: 'wait.opened', key, data }])
    }
    if (!pass.work.aborted && op.outcome === undefined) await fromBuffer(pass, key, op)
  })
  if (pass.work.aborted || op.outcome !== undefined) return
  const { until } = dataOf(op.opened as Entry & { kind: 'wait.opened' })
  pass.waits.set(
    key,
    options.wait ?? {
      kind: 'event',
      what: `event ${event}${Object.keys(match).length > 0 ? ` ${canonical(match)}` : ''}`,
      ...(until === undefined ? {} : { until: iso(until) }),
    },
  )
  pass.replay?.poke()
}

/** The family of a run in shadow: what one of it emits reaches only those that say so. */
function familyOf(pass: Pass): { shadow?: string } {
  const { shadow } = pass.history.start
  return shadow === undefined ? {} : { shadow }
}

/** An event that was there before the wait: the oldest that matches and that this run has not had. */
async function fromBuffer(pass: Pass, key: string, op: Op): Promise<void> {
  const { env, claimed } = pass.task
  const { workspace, id: run, order, createdAt } = claimed.row
  const wait = dataOf(op.opened as Entry & { kind: 'wait.opened' })
  await pass.writer.submit(async () => {
    const at = { store: env.store, workspace, run, order, createdAt, key: () => env.company(workspace).key() }
    const heard = await firstHeard(at, wait, pass.history)
    if (heard === undefined || op.outcome !== undefined) return undefined
    return { drafts: [{ kind: 'wait.completed', key, data: answerOf(wait, heard) }] }
  })
}

export function emit(pass: Pass, key: string, event: EventType<unknown>, payload: unknown): Promise<void> {
  const text = toStored(eventSchema(event), payload, 'INPUT_INVALID', `the payload of event ${event.name}`)
  const hash = sha256(canonical([event.name, sha256(text)]))
  const live = async (): Promise<void> => {
    const { env, claimed } = pass.task
    const { workspace, id } = claimed.row
    await pass.work.run(async () => {
      const own = `${journalId(id, pass.history.start.continuation)}:${key}`
      const input = sentEvent(event, own, text, passing(eventSchema(event), pass.history.labels))
      const run = await sentRun(env, workspace, input, undefined, pass.history.start.shadow)
      await pass.writer.submit(async () => {
        const starts = (await isSent(env, workspace, run.id)) ? [] : [run]
        return { drafts: [{ kind: 'emit.completed', key, data: { hash } }], starts }
      })
    })
    env.nudge()
  }
  return pass.operation({ key, kind: 'emit', hash, live })
}

export function call(pass: Pass, key: string, target: { readonly name: string }, input: unknown): Promise<unknown> {
  const { env, claimed } = pass.task
  const playbook = playbookOf(target)
  const hash = sha256(canonical([playbook.name, input ?? null]))
  const child = childId(claimed.row.id, pass.history.start.continuation, key)
  const live = async (op: Op): Promise<void> => {
    if (op.opened === undefined) {
      const { start } = pass.history
      const now = env.clock.now() // what is emitted beside the call is emitted behind it
      env.catalog.assertHas(playbook, 'Call')
      assertWithin(pass, 'call', playbook.name)
      const parent = {
        run: claimed.row.id,
        key,
        root: claimed.row.root,
        lane: claimed.row.lane,
        laneWhileRunning: claimed.row.laneWhileRunning,
        lanes: start.lanes ?? [],
      }
      const personas = [...boundNow(pass), ...(playbook.persona === undefined ? [] : [playbook.persona])]
      const own = await rootOf(env, claimed.row.workspace, playbook, child)
      const run = newRun(playbook, {
        workspace: claimed.row.workspace,
        id: child,
        ...own,
        ...(start.shadow === undefined ? {} : { shadow: start.shadow }),
        input,
        by: start.by,
        parent,
        personas,
        ancestors: lineOf(pass),
        labels: pass.history.labels,
        ...(start.settings === undefined ? {} : { settings: start.settings as never }),
        now,
        salt: () => env.ids.salt(),
      })
      const opened = { kind: 'call.opened', key, data: { hash, child, playbook: playbook.name } } as const
      await pass.work.run(() => pass.writer.submit(() => opening(pass, playbook, opened, run)))
      env.nudge()
    }
    if (op.outcome !== undefined || pass.work.aborted) return
    bring(pass, playbook)
    pass.waits.set(key, { kind: 'child', what: `run ${child} of ${playbook.name}`, run: child })
    pass.replay?.poke()
  }
  const value = ({ outcome }: { outcome: { ok?: Json } }): unknown =>
    outcome.ok === undefined ? undefined : fromStored(playbook.output, canonical(outcome.ok))
  return pass.operation({ key, kind: 'call', hash, live, value })
}

/** The code of one that was called before it had to be registered: it goes on where its caller does. */
function bring(pass: Pass, playbook: AnyPlaybook): void {
  const { env } = pass.task
  if (env.catalog.get(playbook.name, playbook.version) !== undefined) return
  env.catalog.add(playbook)
  env.nudge()
}

/**
 * The unit that starts a child, or takes up one that is there since before a rewind: one that has ended well answers, as it
 * sends no mail any more; one that has not is tried again with its caller. The name may also be somebody else's.
 */
async function opening(
  pass: Pass,
  playbook: AnyPlaybook,
  opened: Draft & { kind: 'call.opened'; key: string },
  run: NewRun,
): Promise<Built> {
  const { env, claimed } = pass.task
  const { workspace, id } = claimed.row
  const [row] = await env.store.runs(workspace, { ids: [run.id], limit: 1 })
  const [first] = row === undefined ? [] : await env.store.entries(workspace, row.stream, 0, 1)
  if (row === undefined) return { drafts: [opened], starts: [run] }
  const answered = (outcome: Outcome): Built => ({
    drafts: [opened, { kind: 'call.completed', key: opened.key, data: outcome }],
  })
  if (first === undefined) {
    const { code, message } = pruned(run.id)
    return answered({ error: { code, message } })
  }
  const { parent } = dataOf(first as Entry & { kind: 'run.started' })
  if (parent?.run !== id || parent.key !== opened.key)
    return answered({ error: { code: 'RUN_EXISTS', message: `run "${run.id}" exists, and was not called from here` } })
  if (row.state !== 'settled') return { drafts: [opened] }
  const status = JSON.parse(row.status) as Status
  if (status.state === 'completed') {
    const of = passing(playbook.output, labelsIn(await env.store.entries(workspace, row.stream), run.id))
    return answered({
      ...(status.output === undefined ? {} : { ok: status.output }),
      ...(isUnlabelled(of) ? {} : { labels: of }),
    })
  }
  await runVerbs(env, workspace).retry(run.id, { by: SYSTEM })
  return { drafts: [opened] }
}

/** What a run has seen; where some of that was erased, the worst is assumed of it. */
function labelsIn(entries: readonly Entry[], run: string): Labels {
  try {
    return fold(entries).labels
  } catch (thrown) {
    if (!KeelsonError.is(thrown, 'ERASED')) throw thrown
    return labelled(['untrusted', 'private'], `what was erased of run ${run}`)
  }
}
