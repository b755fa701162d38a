/** ContinueAsNew: the run goes on under the same id with an empty journal; its unread mail and working memory come along. */
import { KeelsonError } from '../../base/errors.ts'
import type { Json } from '../../base/value.ts'
import { personasOf } from '../behalf.ts'
import { closeOpen } from '../closing.ts'
import { hadPuts } from '../had.ts'
import type { NewRun } from '../../journal/store.ts'
import type { Pass } from '../pass.ts'
import { newRun } from '../start.ts'
import { carriedOn } from './working.ts'

/** Events that a journal names as had before it; those before them are records. */
const EVENTS_MAX = 1000

export async function continueAsNew(pass: Pass, input: Json): Promise<never> {
  const { env, claimed } = pass.task
  const { row } = claimed
  const open = [...pass.history.ops.values()].find(
    (op) => op.kind === 'effect' && op.outcome === undefined && !op.withdrawn,
  )
  if (open !== undefined) {
    throw new KeelsonError('EFFECT_OPEN', `"${open.key}" is still open, so the run cannot continue as new`, {
      hint: 'Await its effects first: their outcome belongs to this journal.',
    })
  }
  next(pass, input) // what it cannot begin with is told to the code
  await new Promise<void>((resolve) => pass.replay?.whenLive('continueAsNew', resolve))
  await pass.work.drain()
  await pass.writer.submit(async () => {
    const closed = await closeOpen(pass)
    const { stream, playbook, version, entries } = next(pass, input)
    const puts = [...closed.puts, ...hadPuts(row.id, [...pass.history.events].slice(0, -EVENTS_MAX))]
    return {
      drafts: [{ kind: 'run.continued', data: { stream, puts } }],
      next: { to: 'continued', stream, playbook, version, entries, at: env.clock.now() },
    }
  })
  pass.end({ how: 'continued' })
  env.nudge()
  return new Promise(() => {})
}

/** The run with its next journal, and what that keeps of this one. */
function next(pass: Pass, input: Json): NewRun {
  const { env, claimed, playbook } = pass.task
  const { row } = claimed
  const { start } = pass.history
  const events = [...pass.history.events]
  return newRun(env.catalog.newest(playbook.name) ?? playbook, {
    workspace: row.workspace,
    id: row.id,
    input,
    by: start.by,
    ...(start.shadow === undefined ? {} : { shadow: start.shadow }),
    personas: personasOf(start),
    ...(start.ancestors === undefined ? {} : { ancestors: start.ancestors }),
    labels: pass.history.labels,
    continuation: start.continuation + 1,
    now: env.clock.now(),
    salt: () => env.ids.salt(),
    carry: {
      parent: start.parent,
      lanes: start.lanes,
      settings: start.settings,
      events: events.slice(-EVENTS_MAX),
      earlier: start.earlier === true || events.length > EVENTS_MAX,
      working: carriedOn(pass),
    },
  })
}
