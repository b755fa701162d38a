/**
 * Lead: takes a pass from its claim to its end: mail first, then the code, then settled, parked or held.
 *
 * L1. A function that returns while recorded outcomes were not asked for has diverged and commits nothing.
 * L2. Settling awaits started steps, and withdraws what is still waited for in the same unit.
 * L3. A cancelled run's code is not resumed.
 * L4. A run that ends without what its code asked for says so.
 */
import type { KeelsonError } from '../base/errors.ts'
import { canonical, canonicalAround } from '../base/json.ts'
import { parse } from '../base/schema.ts'
import { young } from '../base/young.ts'
import type { Json } from '../base/value.ts'
import { dataOf, type Draft } from '../journal/entry.ts'
import type { Claimed, Next } from '../journal/store.ts'
import { hasCode, type AnyPlaybook } from '../playbook/playbook.ts'
import { contextOf, loadTexts } from './context.ts'
import { told } from './differing.ts'
import { haltDifference, lowered, outputDifference, type Difference } from './divergence.ts'
import type { Standing, StoredSettings } from './company.ts'
import type { Environment } from './environment.ts'
import { left } from './effect/hand-over.ts'
import { shut } from './life.ts'
import { leaveSending } from './effect/release.ts'
import { setByHand } from './effect/set-by-hand.ts'
import { retryShut } from './held.ts'
import { DEATHS_MAX, isSuspicious, keptBack } from './keep.ts'
import { cameToRest, wakes, type Missing } from './missing.ts'
import { insideStep, Pass, type Internals, type PassEnd, type Task } from './pass.ts'
import { isKnown, raise, recover } from './raise.ts'
import { cancel, outcomeOf, settle } from './settle.ts'
import type { Halt } from './replay.ts'
import { inShadow } from './shadow/mode.ts'
import { iso, type Status, type WaitInfo } from './waiting.ts'

/** A lane held for longer is put before a person. */
const LANE_DAY_MS = 86_400_000
/** When a run that this process has no code for, or whose settings it could not read, is looked at again. */
const LOOK_AGAIN_MS = 30_000

/** A pass that is under way. */
export interface Leading {
  readonly pass: Pass
  readonly ended: Promise<PassEnd>
}

export interface LeadOptions {
  readonly internals?: Internals | undefined
  /** Called whenever something of the run was recorded. */
  readonly onProgress?: () => void
}

/** Begins a pass over a claimed run. Throws `STORE_CORRUPT` when its journal does not hold. */
export function lead(env: Environment, claimed: Claimed, playbook: AnyPlaybook, options: LeadOptions = {}): Leading {
  const { internals, onProgress = () => {} } = options
  const task: Task = { ...inShadow(env, claimed), claimed, playbook, internals }
  const pass: Pass = new Pass(task, {
    ...young,
    onRest: () => rest(pass),
    onHalt: (halt) => void halted(pass, halt),
    onDifference: (difference) => void diverged(pass, difference),
    onControl: (kind) => void yieldRun(pass, kind === 'cancel'),
    onForgotten: (op) => left(pass, op),
    onSetByHand: (op, said) => setByHand(pass, op, said),
    onRefused: (error) => void refused(pass, error),
    onProgress,
  })
  begin(pass).catch((error: unknown) => pass.end({ how: 'store', error }))
  return { pass, ended: pass.ended }
}

/** Lets running work end, then gives the run back so that another pass takes it up at once. */
export async function yieldRun(pass: Pass, abort: boolean): Promise<void> {
  await pass.work.drain(abort)
  await handOver(pass, due(pass), 'due')
}

function due(pass: Pass, version = pass.task.claimed.row.version): Next {
  return { to: 'due', status: canonical({ state: 'due' }), at: pass.task.env.clock.now(), version }
}

/** For a process that can read what this cannot: it may be at work already, and nothing else would wake the run for it. */
function later(pass: Pass, unread: WaitInfo): Next {
  const { at, status } = again(pass, unread)
  return { to: 'due', status, at } // its mail is not even read
}

function again({ task }: Pass, lacks: WaitInfo): { at: number; status: string } {
  const at = task.env.clock.now() + LOOK_AGAIN_MS
  return { at, status: canonicalAround(waiting([{ ...lacks, until: iso(at), next: 'looked for again' }])) }
}

async function begin(pass: Pass): Promise<void> {
  const { claimed, playbook, env } = pass.task
  const { row } = claimed
  const before = pass.history.head.seq
  const { life, settings } = await env.company(row.workspace).standing()
  const closed = shut(life)
  if (closed !== undefined) {
    await handOver(
      pass,
      { to: 'held', status: canonicalAround(waiting([{ ...closed, since: iso(env.clock.now()) }])) },
      'held',
    )
    return retryShut(env, row.workspace) // it may have been resumed before this was held
  }
  const unread = await seeSettings(pass, settings)
  if (unread !== undefined) return handOver(pass, later(pass, unread), 'due')
  await pass.mailbox.absorb(claimed.mail)
  const { history } = pass
  if (history.head.seq === before && history.quarantined === undefined && isSuspicious(row)) return quarantine(pass)
  if (history.ended !== undefined) return void (await settle(pass, dataOf(history.ended)))
  if (history.cancelling !== undefined && (await pass.task.internals?.mayCancel?.(pass))?.may !== false) {
    return (await cancel(pass)) ? undefined : handOver(pass, due(pass), 'due')
  }
  const kept = keptBack(history)
  if (kept !== undefined) return handOver(pass, { to: 'held', status: canonicalAround(waiting([kept])) }, 'held')
  const { moved } = history // while a pass held it, so that its row could not be
  if (moved !== undefined && moved !== row.version) return handOver(pass, due(pass, moved), 'due')
  if (!hasCode(playbook)) return handOver(pass, due(pass), 'due')
  let input: unknown
  try {
    input = parse(playbook.input, history.start.input, 'INPUT_INVALID', `the input of ${playbook.name}`)
  } catch (thrown) {
    return diverged(pass, {
      at: 'input',
      text: (thrown as Error).message,
      hint: 'The stored input no longer fits: widen the schema, or add a version.',
    })
  }
  await loadTexts(pass)
  if (pass.work.aborted) return
  if (row.deaths === 0 && row.claims <= 1 && history.head.seq === 1) {
    env.emit('run.started', { workspace: row.workspace, run: row.id, playbook: playbook.name })
  }
  await play(pass, input)
}

/** Settings that changed since the run last looked count from here: before what came in the meantime. Answers why they cannot. */
async function seeSettings(pass: Pass, settings: Standing['settings']): Promise<WaitInfo | undefined> {
  const { history } = pass
  if (history.ended !== undefined || history.paused !== undefined || history.cancelling !== undefined) return
  let stored: StoredSettings
  try {
    stored = settings()
  } catch (thrown) {
    return { kind: 'version', what: (thrown as Error).message }
  }
  const { version, value, schema } = stored
  const started = (history.start.settings as { version?: number } | undefined)?.version ?? 0
  if (version === (history.settings.at(-1)?.data.version ?? started)) return
  await pass.writer.append([
    {
      kind: 'settings.seen',
      data: { version, value: value as unknown as Json, ...(schema === undefined ? {} : { schema }) },
    },
  ])
}

async function play(pass: Pass, input: unknown): Promise<void> {
  const replay = pass.begin()
  // Whoever woke the conductor may have done so inside a step: this run's code is not in it.
  const code = insideStep.run(undefined, async () => pass.task.playbook.run(contextOf(pass), input, pass))
  replay.begin()
  const result = await Promise.race([
    code.then(
      (value) => ({ ...young, value }),
      (thrown: unknown) => ({ thrown }),
    ),
    pass.ended.then(() => undefined),
  ])
  if (result === undefined) return
  await finish(pass, result)
}

async function finish(pass: Pass, result: { value: unknown } | { thrown: unknown }): Promise<void> {
  const replay = pass.replay!
  const missing = 'thrown' in result ? pass.task.internals?.holdFor?.(pass, result.thrown) : undefined
  if (missing !== undefined) return hold(pass, missing)
  if (replay.unasked().length > 0) {
    const halt = { why: 'diverged', unasked: replay.unasked(), fresh: [], later: [] } as const
    return diverged(pass, haltDifference(halt, 'thrown' in result ? result : undefined))
  }
  const outcome = outcomeOf(pass, result)
  const differs = outputDifference(pass.task.playbook, pass.history.start, outcome.error)
  if (differs !== undefined) return diverged(pass, differs)
  replay.returned()
  await pass.work.drain()
  if (pass.work.aborted) return
  if (pass.history.raised !== undefined) await recover(pass)
  await leaveSending(pass)
  const dropped =
    outcome.status === 'completed' && !pass.task.playbook.internal
      ? await pass.work.unheard.lines(replay, pass.history)
      : []
  if (pass.work.aborted) return
  await settle(pass, dropped.length === 0 ? outcome : { ...outcome, dropped })
}

/** Nothing moves: park, if all that the code waits for is known. */
function rest(pass: Pass): void {
  const { replay } = pass
  if (replay === undefined || !replay.live || !pass.work.quiet || pass.work.aborted) return
  const keys = [...replay.open]
  if (keys.length === 0 || !keys.every((key) => pass.waits.has(key))) return
  void park(pass, keys)
}

async function park(pass: Pass, keys: readonly string[]): Promise<void> {
  const { env, claimed, playbook } = pass.task
  const infos = keys.map((key) => sinceOf(pass, key))
  await pass.work.drain()
  if (pass.history.raised !== undefined && pass.history.raised.kind !== 'run.noted') await recover(pass)
  const laneAt = await noteLane(pass)
  const untils = [
    ...laneAt,
    ...keys.flatMap((key) => {
      const op = pass.history.ops.get(key)
      const until = op?.opened === undefined ? op?.retryAt : op.until
      return until === undefined ? [] : [until]
    }),
  ]
  const wakeAt = untils.length === 0 ? null : Math.min(...untils)
  const status = canonicalAround(waiting(infos))
  // Mail that was taken in meanwhile may have answered: then there is work to do, and nothing will wake the run for it.
  const answered = (): boolean => keys.some((key) => pass.history.ops.get(key)?.outcome !== undefined)
  const next = (): Next => (answered() ? due(pass) : { to: 'parked', wakeAt, status, seenMail: pass.mailbox.seen })
  await handOver(pass, next, 'parked')
  cameToRest(env, claimed.row.workspace, claimed.row.id)
  if (answered()) return env.nudge()
  env.emit('run.parked', {
    workspace: claimed.row.workspace,
    run: claimed.row.id,
    playbook: playbook.name,
    waiting: infos,
  })
}

/** What an operation waits for, since when. */
function sinceOf(pass: Pass, key: string): WaitInfo {
  const at = pass.history.ops.get(key)?.since
  return { ...pass.waits.get(key)!, ...(at === undefined ? {} : { since: iso(at) }) }
}

/** A lane that is held for more than a day shows in the inbox. Answers when to look, if that is still to come. */
async function noteLane(pass: Pass): Promise<number[]> {
  const { env, claimed, playbook } = pass.task
  const { row } = claimed
  const at = pass.history.startedAt + LANE_DAY_MS
  if (row.lane === null || row.laneWhileRunning || row.root !== row.id || pass.history.raised !== undefined) return []
  if (env.clock.now() < at) return [at]
  const title = `${playbook.name} has held its lane "${row.lane}" for more than a day`
  const hint = 'Other runs of the same key wait for it: end what it waits for, or cancel it.'
  await pass.writer.submit(async () => {
    const puts = await raise(pass, { code: 'LANE_HELD', title, hint })
    return { drafts: [{ kind: 'run.noted', data: { code: 'LANE_HELD', text: title, puts } }] }
  })
  return []
}

/** Leaves the run to whoever has what it waits for, and wakes runs that may bring it. */
async function hold(pass: Pass, missing: Missing): Promise<void> {
  const { env, claimed } = pass.task
  const { what, isThere } = missing
  await pass.work.drain()
  const deliveries = await wakes(env, claimed, missing)
  const since = iso(pass.history.outcomes.at(-1)?.at ?? pass.history.startedAt)
  const { at, status } = again(pass, { kind: 'version', what, since })
  const next = { to: 'parked', wakeAt: at, status, seenMail: pass.mailbox.seen } as const
  await pass.writer.submit(() => ({ drafts: [], deliveries, next }))
  pass.end({ how: 'held' })
  // Whoever brought it meanwhile has looked for held runs before this one was.
  if (isThere()) await env.store.write(claimed.row.workspace, { touch: [{ run: claimed.row.id, state: 'due' }] })
  env.nudge()
}

async function halted(pass: Pass, halt: Halt): Promise<void> {
  if (halt.why === 'diverged') return diverged(pass, haltDifference(halt))
  const { env, claimed, playbook } = pass.task
  const at = env.clock.now() + 1000 * 2 ** Math.min(claimed.row.claims, 8)
  env.emit('run.stalled', {
    workspace: claimed.row.workspace,
    run: claimed.row.id,
    playbook: playbook.name,
    last: halt.last,
  })
  const info: WaitInfo = {
    kind: 'retry',
    what: `REPLAY_STALLED: after "${halt.last}" the code asked for nothing more, while ${halt.unasked.length} recorded outcomes wait (next: "${halt.unasked[0] ?? ''}"); it awaits something outside ctx`,
    until: iso(at),
  }
  await handOver(
    pass,
    { to: 'parked', wakeAt: at, status: canonicalAround(waiting([info])), seenMail: pass.mailbox.seen },
    'parked',
  )
}

async function diverged(pass: Pass, found: Difference): Promise<void> {
  const { env, claimed, playbook } = pass.task
  if (pass.work.aborted) return
  pass.replay?.end()
  await pass.work.drain(true)
  const difference = await told(pass, found)
  const { raised } = pass.history
  const same = raised?.kind === 'run.diverged' && raised.text === difference.text
  const since = iso((same ? pass.history.asideAt : undefined) ?? env.clock.now())
  const remedy = lowered(difference.hint)
  const info: WaitInfo = { kind: 'version', what: `JOURNAL_DIVERGED: ${difference.text}`, remedy, since }
  await pass.writer.submit(async () => {
    const again = same && (await isKnown(pass))
    const puts = again
      ? []
      : await raise(pass, {
          code: 'JOURNAL_DIVERGED',
          title: `${playbook.name} no longer fits its journal: ${difference.text}`,
          hint: difference.hint,
        })
    const draft: Draft = { kind: 'run.diverged', data: { difference: difference.text, hint: difference.hint, puts } }
    return { drafts: again ? [] : [draft], next: { to: 'held', status: canonicalAround(waiting([info])) } }
  })
  env.emit('run.diverged', {
    workspace: claimed.row.workspace,
    run: claimed.row.id,
    playbook: playbook.name,
    difference: difference.text,
  })
  pass.end({ how: 'held' })
}

/** It would be refused again, each time: a person is told, and the others go on. */
async function refused(pass: Pass, error: KeelsonError): Promise<void> {
  pass.replay?.end()
  await quarantine(pass, `it made what cannot be stored: ${error.message.toWellFormed()}`)
}

function suspicion({ deaths, claims }: Claimed['row']): string {
  if (deaths < DEATHS_MAX) return `${claims} passes made no progress`
  return `its process died ${deaths} times while it ran, at last alone`
}

async function quarantine(pass: Pass, reason = suspicion(pass.task.claimed.row)): Promise<void> {
  const { env, claimed, playbook } = pass.task
  const { row } = claimed
  const since = iso(env.clock.now())
  const info: WaitInfo = { kind: 'operator', what: `RUN_QUARANTINED: ${reason}`, since }
  await pass.writer.submit(async () => {
    const puts = await raise(pass, {
      code: 'RUN_QUARANTINED',
      title: `${playbook.name} is quarantined: ${reason}`,
      hint: 'Fix its code, then retry it; or cancel it.',
    })
    return {
      drafts: [{ kind: 'run.quarantined', data: { reason, puts } }],
      next: { to: 'held', status: canonicalAround(waiting([info])) },
    }
  })
  env.emit('run.quarantined', { workspace: row.workspace, run: row.id, playbook: playbook.name, reason })
  pass.end({ how: 'held' })
}

async function handOver(pass: Pass, next: Next | (() => Next), how: 'parked' | 'held' | 'due'): Promise<void> {
  if (pass.work.aborted && how !== 'due') return
  await pass.writer.submit(() => ({ drafts: [], next: typeof next === 'function' ? next() : next }))
  pass.end({ how })
  if (how === 'due') pass.task.env.nudge()
}

function waiting(infos: readonly WaitInfo[]): Status {
  return { state: 'waiting', for: infos }
}
