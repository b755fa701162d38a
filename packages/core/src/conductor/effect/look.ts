/**
 * Look: one look at what became of a sending that nobody heard of, and what follows from it.
 *
 * Whatever depends on the clock or the outside is the outcome of an operation, so that the effect run replays.
 */
import { storeError, type StoredError } from '../../base/errors.ts'
import { canonical, parseStored } from '../../base/json.ts'
import { named } from '../../base/known.ts'
import { fromStored, toStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import type { AnyAction } from '../../connector/action.ts'
import { sleep, type Wait } from '../ops/waits.ts'
import type { Pass } from '../pass.ts'
import { iso } from '../waiting.ts'
import { sendOnce } from './attempt.ts'
import { ANYTHING, type Bytes, type Sent } from './bytes.ts'
import { LOOKS_MAX, looksIn, mayTry, noMore, UNSETTLED, type Known, type Looked } from './counts.ts'
import { remoteKey } from './ledger.ts'
import { firstSentAt, isSentAs } from './reshaped.ts'
import { backoffMs, configOf, isDelay, mayResend, timedOut, within } from './send.ts'
import type { EffectSpec } from './spec.ts'
import { leftOf } from './windows.ts'

type Look =
  | { do: 'done'; output: Json; undo?: Json }
  | { do: 'resend' | 'not-happened' }
  | { do: 'wait'; until: number; looked?: Looked }
  | { do: 'undecided'; error: StoredError }

/** One look at an unknown outcome, and what follows from it. */
export async function reconcileOnce(
  pass: Pass,
  spec: EffectSpec,
  action: AnyAction,
  bytes: Bytes,
  sent: Sent & { state: 'unknown' | 'undecided' },
  round: number,
): Promise<Sent> {
  const key = `look ${round}`
  const live = async (): Promise<void> => {
    await pass.work.run(async () => {
      const look = await lookOnce(pass, spec, action, bytes, sent, round)
      if (look.do !== 'wait') pass.task.env.windows.close(windowOf(pass, spec, sent))
      await pass.writer.append([{ kind: 'step.completed', key, data: { ok: look as unknown as Json } }])
    })
  }
  const look = await pass.operation<Look>({ key, kind: 'step', live })
  switch (look.do) {
    case 'done':
      return { state: 'done', output: look.output, ...(look.undo === undefined ? {} : { undo: look.undo }) }
    case 'resend':
      return sendOnce(pass, spec, action, { ...bytes, covered: ANYTHING }, `send again ${round}`)
    case 'not-happened':
      return { state: 'not-happened', sentAt: sent.sentAt }
    case 'wait':
      await sleep(pass, `settle ${round}`, { until: iso(look.until) }, doubted(action))
      return sent
    case 'undecided':
      return { state: 'undecided', error: look.error, sentAt: sent.sentAt }
    default:
      return look satisfies never
  }
}

/** What a run waits for meanwhile. */
function doubted({ name }: AnyAction): Wait {
  return { kind: 'effect', what: `whether ${name} happened is in doubt`, next: 'it is looked for again' }
}

/** Once more what did not happen, if that is not for a person to say, or it was tried often enough. */
export async function resend(
  pass: Pass,
  spec: EffectSpec,
  action: AnyAction,
  bytes: Bytes,
  known: Known,
): Promise<Sent> {
  return noMore(pass, spec, action, known) ?? (await sendOnce(pass, spec, action, bytes, known.key))
}

/** Under which name this process measures how long it has looked. */
function windowOf(pass: Pass, { effect, generation }: EffectSpec, { sentAt }: { sentAt: number }): string {
  return `${pass.task.claimed.row.workspace}\n${remoteKey(effect, generation)}\n${sentAt}`
}

async function lookOnce(
  pass: Pass,
  spec: EffectSpec,
  action: AnyAction,
  bytes: Bytes,
  sent: { error: StoredError; sentAt: number },
  round: number,
): Promise<Look> {
  const { env, claimed } = pass.task
  const now = env.clock.now()
  const undecided: Look = { do: 'undecided', error: sent.error }
  // What the action finds is what was done, not what was taken back.
  if (spec.mode === 'undo') return isSentAs(pass, spec, action) ? { do: 'resend' } : undecided
  const harmless = mayResend(action, firstSentAt(pass, spec) ?? sent.sentAt, now)
  if (harmless && round === 1 && mayTry(pass, spec, action)) return { do: 'resend' }
  if (action.reconcile === undefined) return undecided
  const looks = looksIn(pass)
  const lookedMs = env.windows.look(windowOf(pass, spec, sent))
  try {
    const config = await configOf(env, claimed.row.workspace, action)
    const options = {
      key: remoteKey(spec.effect, spec.generation),
      since: firstSentAt(pass, spec) ?? sent.sentAt,
      signal: pass.signal,
      config,
    }
    const { reconcile } = action
    const input = fromStored(action.input, canonical(bytes.input))
    const found = await within(env, action.timeoutMs, timedOut(action), () => reconcile(input, options))
    if (found?.state === 'done') return doneLook(action, found)
    if (found?.state !== 'not-found') {
      const error = { ...sent.error, message: whyUnknown(action, found) ?? sent.error.message }
      return { do: 'undecided', error: env.actions.redacted(claimed.row.workspace, action, error) }
    }
    const windowMs = Math.max(isDelay(found.settleMs) ? found.settleMs : 0, action.settleWindowMs)
    const final = Math.max(sent.sentAt + windowMs, now + leftOf(windowMs, lookedMs))
    if (now >= final) return { do: 'not-happened' } // by when the look began
    return looks['not-found'] + 1 < LOOKS_MAX
      ? { do: 'wait', until: final, looked: 'not-found' }
      : { do: 'undecided', error: { ...sent.error, message: UNSETTLED } }
  } catch (thrown) {
    const failed = looks.failed + 1
    if (failed >= LOOKS_MAX)
      return { do: 'undecided', error: env.actions.redacted(claimed.row.workspace, action, storeError(thrown)) }
    return { do: 'wait', until: now + backoffMs(failed, () => env.ids.random(), 5000), looked: 'failed' }
  }
}

/** A state that there is not says nothing; least of all that it did not happen. */
function whyUnknown(action: AnyAction, found: { state: 'unknown'; why?: string } | undefined): string | undefined {
  if (found?.state === 'unknown') return found.why
  const state = named((found as { state?: unknown } | undefined)?.state)
  return `reconcile of ${action.name} answered the state ${state}, and there are done, not-found and unknown`
}

function doneLook(action: AnyAction, found: { output: unknown; undo?: unknown }): Look {
  const output = parseStored(toStored(action.output, found.output, 'OUTPUT_INVALID', `what ${action.name} found`))
  if (found.undo === undefined || action.undo === undefined) return { do: 'done', output }
  return {
    do: 'done',
    output,
    undo: parseStored(toStored(action.undo, found.undo, 'OUTPUT_INVALID', `the undo token that ${action.name} found`)),
  }
}
