/** ContinueAsNew: the run goes on under the same id with an empty journal; its unread mail comes along. */
import { KeelsonError } from '../../base/errors.ts'
import type { Json } from '../../base/value.ts'
import { personasOf } from '../behalf.ts'
import { closeOpen } from '../closing.ts'
import { hadPuts } from '../had.ts'
import type { Pass } from '../pass.ts'
import { newRun } from '../start.ts'

/** Events that a journal names as had before it; those before them are records. */
const EVENTS_MAX = 1000

export async function continueAsNew(pass: Pass, input: Json): Promise<never> {
  const { env, claimed, playbook } = pass.task
  const { row } = claimed
  const { start } = pass.history
  const open = [...pass.history.ops.values()].find(
    (op) => op.kind === 'effect' && op.outcome === undefined && !op.withdrawn,
  )
  if (open !== undefined) {
    throw new KeelsonError('EFFECT_OPEN', `"${open.key}" is still open, so the run cannot continue as new`, {
      hint: 'Await its effects first: their outcome belongs to this journal.',
    })
  }
  const events = [...pass.history.events]
  const run = newRun(env.catalog.newest(playbook.name) ?? playbook, {
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
    },
  })
  await new Promise<void>((resolve) => pass.replay?.whenLive('continueAsNew', resolve))
  await pass.work.drain()
  await pass.writer.submit(async () => {
    const closed = await closeOpen(pass)
    const puts = [...closed.puts, ...hadPuts(row.id, events.slice(0, -EVENTS_MAX))]
    const next = {
      to: 'continued',
      stream: run.stream,
      playbook: run.playbook,
      version: run.version,
      entries: run.entries,
      at: env.clock.now(),
    } as const
    return { drafts: [{ kind: 'run.continued', data: { stream: run.stream, puts } }], next }
  })
  pass.end({ how: 'continued' })
  env.nudge()
  return new Promise(() => {})
}
