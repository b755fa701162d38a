/**
 * SetOutcome: what a person may say that an operation came to: what a step returned, what a read answered that failed or is tried again,
 * or that an effect happened which failed, or of which nobody knows. All else has a verb of its own, which is named.
 */
import { actorText, type Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { stored } from '../base/json.ts'
import { fromGiven } from '../base/schema.ts'
import type { Json } from '../base/value.ts'
import type { AnyAction } from '../connector/action.ts'
import { dataOf, type Entry } from '../journal/entry.ts'
import { fold } from '../journal/fold.ts'
import type { Op } from '../journal/op.ts'
import { actionNamed, maybeFailedRead } from './effect/failed-read.ts'
import { failedEffect, readEffect, whyNotFailed } from './effect/ledger.ts'
import { actionOf } from './effect/spec.ts'
import type { Environment } from './environment.ts'
import { itemsWhere, type ItemRecord } from './item.ts'
import { rowOf } from './status.ts'
import { assertJournal } from './upkeep/journal.ts'

/** Says in the inbox what came of an effect of which nobody knows. */
export type SayOutcome = (
  item: string,
  said: { hash: string; by: Actor; outcome: 'happened'; output: Json },
) => Promise<{ status: 'done' } | { status: 'refused'; why: string; message: string }>

export interface Setting {
  readonly run: string
  readonly step: string
  readonly outcome: Json
  readonly by: Actor
}

/** What is to be recorded; undefined where the inbox has taken it. Throws `STEP_NOT_FOUND`, `NOT_A_STEP`, `ACTION_NOT_FOUND`, `OUTPUT_INVALID`, `DECISION_REFUSED`. */
export async function settable(
  env: Environment,
  workspace: string,
  { run, step, outcome, by }: Setting,
  say: SayOutcome | undefined,
): Promise<Json | undefined> {
  const output = stored(outcome)
  const row = await rowOf(env, workspace, run)
  await assertJournal(env, row)
  const op = fold(await env.store.entries(workspace, row.stream)).ops.get(step)
  if (op === undefined || op.kind === 'step') return output // one that there is not is refused by the rewind
  const asked = { run, step, output, by }
  if (op.kind === 'effect') return ofEffect(env, workspace, op, asked, say)
  throw notAStep(asked, KINDS[op.kind] ?? ['no step', ELSE])
}

type Asked = { readonly run: string; readonly step: string; readonly output: Json; readonly by: Actor }

async function ofEffect(
  env: Environment,
  workspace: string,
  op: Op,
  asked: Asked,
  say: SayOutcome | undefined,
): Promise<Json | undefined> {
  if (maybeFailedRead(op)) {
    const action = actionOf(env, { action: actionNamed(op), account: '' })
    if (action.effect === 'read') return fitting(action, asked, `say what ${action.name} answered`)
  }
  if (op.outcome === undefined) return ofOpen(env, workspace, op, asked, say)
  const id = failedEffect(op)
  const record = id === undefined ? undefined : (await readEffect(env.store, workspace, id))?.record
  const why = whyNotFailed(op, record)
  if (record === undefined || why !== undefined)
    throw notAStep(asked, [
      `an effect, and ${why}`,
      op.outcome.outcome.error === undefined || record?.state === 'done' ? DONE : ELSE,
    ])
  return fitting(actionOf(env, record), asked, `say with what output ${record.action} happened`)
}

function fitting({ output: schema }: AnyAction, { run, step, output }: Asked, say: string): Json {
  const fits = fromGiven(schema, output)
  if ('value' in fits) return output
  throw new KeelsonError('OUTPUT_INVALID', `${say}: ${fits.wrong}`, {
    hint: 'What is set is what its code gets, so it must fit the output of the action.',
    data: { run, step },
  })
}

/** Of an effect without an outcome: where nobody knows it, the inbox asks a person, and is answered. */
async function ofOpen(
  env: Environment,
  workspace: string,
  { opened }: Op,
  asked: Asked,
  say: SayOutcome | undefined,
): Promise<undefined> {
  const where = opened === undefined ? undefined : dataOf(opened as Entry & { kind: 'effect.opened' }).run
  const items = where === undefined ? [] : await itemsWhere(env.store, workspace, { field: 'run', value: where })
  const item = items.findLast((one) => one.state === 'open')
  if (item === undefined)
    throw notAStep(asked, ['an effect that is under way', 'Wait for its outcome; or cancel the run.'])
  if (item.kind !== 'outcome-unknown' || say === undefined)
    throw notAStep(asked, ['an effect that waits', decide(item)])
  const { output, by } = asked
  const said = await say(item.id, { hash: item.hash, by, outcome: 'happened', output })
  if (said.status === 'done') return undefined
  const { why, message } = said
  throw new KeelsonError(why === 'invalid' ? 'OUTPUT_INVALID' : 'DECISION_REFUSED', `${actorText(by)}: ${message}`, {
    hint: decide(item),
    data: { run: asked.run, step: asked.step, item: item.id, why },
  })
}

function decide({ id }: ItemRecord): string {
  return `Decide on it: inbox.decide('${id}', …).`
}

const ELSE = 'restart(run, { step }) asks for it anew.'
const DONE = 'revert.plan({ effect }) says how it is taken back; restart(run, { step }) hands its outcome out anew.'

/** What else there is in a journal, and the verb that fits. */
const KINDS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ask: ['a question', 'Answer it: inbox.decide() with its item, which why(run) names.'],
  wait: ['a wait for an event', 'Send the event: send() ends it.'],
  sleep: ['a wait for time', 'Its time ends it.'],
  call: ['a call of another run', 'Set the outcome of a step of that run, or cancel it.'],
  agent: ['a question to an agent', ELSE],
}

function notAStep({ run, step }: Asked, [what, hint]: readonly [string, string]): KeelsonError {
  return new KeelsonError('NOT_A_STEP', `"${step}" of run ${run} is ${what}: its outcome cannot be set by hand`, {
    hint,
    data: { run, step },
  })
}
