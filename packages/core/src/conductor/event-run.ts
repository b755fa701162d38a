/**
 * EventRun: an event is a run of a built-in playbook: stored once by its id, delivered to every wait that matches,
 * whatever crashes in between.
 *
 * V1. A wait is recorded before it looks into the buffer; an event is recorded before it looks for waits, in the unit that
 *     starts its run. One of the two sees the other; a delivery that both make counts once.
 * V2. What a run emits is to be taken for what the run has seen: its labels go along.
 * V3. What a run in shadow emits is an event of its overlay: no wait outside of its family hears of it.
 */
import type { Actor } from '../base/actor.ts'
import { canonicalAround, parseStored } from '../base/json.ts'
import { isUnlabelled, NO_LABELS, type Labels } from '../base/labels.ts'
import type { Json } from '../base/value.ts'
import type { Delivery, NewRun } from '../journal/store.ts'
import { eventShape, eventTags, eventTokens, matches, type EventType } from '../playbook/event.ts'
import { builtIn } from '../playbook/playbook.ts'
import { invalidations } from './effect/tags.ts'
import type { Environment } from './environment.ts'
import { eventPuts, isSince, type Heard } from './event-buffer.ts'
import type { Pass } from './pass.ts'
import { stayedRuns } from './silence.ts'
import { newRun } from './start.ts'

export const EVENT_PLAYBOOK = 'keelson.event'

/** Sent by whoever ends a freeze. */
export const THAWED = 'keelson.thawed'

export interface EventInput {
  readonly event: string
  readonly id: string
  readonly payload: Json
  /** The version of the shape that the payload fits, if not 1. */
  readonly schema?: number
  /** What the run that emitted it had seen. */
  readonly labels?: Labels
  /** Tags of cached reads that it makes count no more. */
  readonly stale?: readonly string[]
}

/** What of an event its run is told; `labels`: those of whoever emits it, beside what the event declares. */
export function sentEvent(type: EventType<any>, id: string, text: string, labels = NO_LABELS): EventInput {
  const payload = parseStored(text)
  const stale = eventTags(type, payload)
  const { version } = eventShape(type)
  const schema = version === 1 ? {} : { schema: version }
  const of = isUnlabelled(labels) ? {} : { labels }
  return { event: type.name, id, payload, ...schema, ...of, ...(stale.length === 0 ? {} : { stale }) }
}

/** The run that delivers an event, which is in the buffer from its first entry on (V1). Written only if it is new: see `isSent`. */
export async function sentRun(
  env: Environment,
  workspace: string,
  input: EventInput,
  by?: Actor,
  shadow?: string,
): Promise<NewRun> {
  if (shadow !== undefined) return eventRun(env, workspace, input, by, shadow) // its overlay is to hold it
  const tokens = eventTokens(await env.company(workspace).key(), input.event, input.payload)
  return eventRun(env, workspace, input, by, undefined, tokens)
}

/** Whether an event was sent before under the id of this run: then its records stand, or stood, already. */
export async function isSent(env: Environment, workspace: string, run: string): Promise<boolean> {
  return (await env.store.runs(workspace, { ids: [run], limit: 1 })).length > 0
}

/** The run that keeps and delivers an event. Its id makes a second sending the same event. */
export function eventRun(
  env: Environment,
  workspace: string,
  input: EventInput,
  by?: Actor,
  shadow?: string,
  tokens: readonly string[] = [],
): NewRun {
  const id = `event:${encodeURIComponent(input.event.toWellFormed())}:${input.id}` // a name may hold colons, too
  const now = env.clock.now()
  return newRun(eventPlaybook(), {
    workspace,
    id,
    input,
    now,
    salt: () => env.ids.salt(),
    puts: eventPuts({ id, ...heard(input) }, tokens, now),
    ...(by === undefined ? {} : { by }),
    ...(shadow === undefined ? {} : { shadow }),
  })
}

export const eventPlaybook = builtIn((z) => ({
  name: EVENT_PLAYBOOK,
  version: 1,
  input: z.object({
    event: z.string(),
    id: z.string(),
    payload: z.json(),
    schema: z.int().optional(),
    labels: z.partialRecord(z.enum(['untrusted', 'private']), z.array(z.string())).optional(),
    stale: z.array(z.string()).optional(),
  }),
  output: z.object({ delivered: z.number() }),
  run: async (_ctx, input, pass) => {
    await record(pass as Pass, input as EventInput)
    return deliver(pass as Pass, input as EventInput)
  },
}))

/** Puts the event into the buffer, where its start has not; ends the cached reads that it makes stale. */
async function record(pass: Pass, input: EventInput): Promise<void> {
  const { env, claimed } = pass.task
  const { workspace, id, createdAt } = claimed.row
  const isKept = pass.history.start.puts?.some((put) => put.kind === 'event') === true
  const live = async (): Promise<void> => {
    await pass.work.run(async () => {
      const tokens = isKept ? [] : eventTokens(await env.company(workspace).key(), input.event, input.payload)
      const puts = eventPuts({ id, ...heard(input) }, tokens, createdAt)
      await pass.writer.submit(async () => {
        const stale = await invalidations(env, workspace, input.stale ?? [], createdAt)
        return { drafts: [{ kind: 'step.completed', key: 'record', data: { puts: [...puts, ...stale] } }] }
      })
    })
  }
  await pass.operation({ key: 'record', kind: 'step', live })
}

function heard({ event, payload, schema, labels }: EventInput): Omit<Heard, 'id'> {
  return {
    event,
    payload,
    ...(schema === undefined ? {} : { schema }),
    ...(labels === undefined ? {} : { labels }),
  }
}

async function deliver(pass: Pass, input: EventInput): Promise<{ delivered: number }> {
  const { env, claimed } = pass.task
  const { workspace, id } = claimed.row
  const live = async (): Promise<void> => {
    await pass.work.run(async () => {
      const secret = await env.company(workspace).key()
      const waiting = await waits(pass, eventTokens(secret, input.event, input.payload), input)
      const early = await begunLater(pass, [...waiting])
      const payload = canonicalAround({ id, ...heard(input) })
      const earlier = canonicalAround({ id, ...heard(input), early: true })
      const deliveries = [...waiting].map((run) => ({
        run,
        onceKey: id,
        kind: 'event',
        payload: early.has(run) ? earlier : payload,
        at: claimed.row.createdAt,
      }))
      const thawed = await letGo(pass, input)
      await pass.writer.submit(() => ({
        drafts: [{ kind: 'step.completed', key: 'deliver', data: { ok: waiting.size } }],
        deliveries: [...deliveries, ...thawed],
      }))
    })
    env.nudge()
  }
  const delivered = await pass.operation<number>({ key: 'deliver', kind: 'step', live })
  return { delivered }
}

const PAGE = 500

/** Those of `waiting` that began after the event was sent, by the order in which runs were started. */
async function begunLater({ task }: Pass, waiting: readonly string[]): Promise<Set<string>> {
  const { workspace, order, createdAt: sentAt } = task.claimed.row
  const later = new Set<string>()
  for (let from = 0; from < waiting.length; from += PAGE) {
    const ids = waiting.slice(from, from + PAGE)
    const rows = await task.env.store.runs(workspace, { ids, limit: ids.length })
    for (const row of rows) if (!isSince(row, { order, sentAt })) later.add(row.id)
  }
  return later
}

/** The end of a freeze lets go what stayed held for it. */
async function letGo(pass: Pass, { event, payload }: EventInput): Promise<Delivery[]> {
  if (event !== THAWED) return []
  const { env, claimed } = pass.task
  const { workspace, id, createdAt: at } = claimed.row
  const runs = await stayedRuns(env.store, workspace)
  return runs.map((run) => ({ run, onceKey: `thaw:${id}`, kind: 'thaw', payload: canonicalAround(payload), at }))
}

async function waits(pass: Pass, tokens: readonly string[], input: EventInput): Promise<Set<string>> {
  const { store } = pass.task.env
  const family = pass.history.start.shadow
  const found = new Set<string>()
  for (const value of tokens) {
    let after: { sort: number; id: string } | undefined
    for (;;) {
      const rows = await store.records(pass.task.claimed.row.workspace, {
        kind: 'wait',
        where: { field: 'token', value },
        limit: PAGE,
        ...(after === undefined ? {} : { after }),
      })
      for (const row of rows) {
        const wait = JSON.parse(row.data) as {
          run: string
          event: string
          match: Record<string, unknown>
          shadow?: string
        }
        if (family !== undefined && wait.shadow !== family) continue // what a shadow emits, only its own family hears
        if (wait.event === input.event && matches(wait.match, input.payload)) found.add(wait.run)
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < PAGE) break
      after = { sort: last.sort, id: last.id }
    }
  }
  return found
}
