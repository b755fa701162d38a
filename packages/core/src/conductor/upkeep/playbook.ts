/**
 * Playbook of maintenance: its parts one after the other, each a step with its report.
 *
 * A part that fails is told in the inbox, and the others go on. The next run in which nothing fails closes that item.
 */
import type { Json } from '../../base/value.ts'
import { durationMs, type Duration } from '../../base/duration.ts'
import { KeelsonError } from '../../base/errors.ts'
import { withZod } from '../../base/zod.ts'
import type { Context } from '../../playbook/context.ts'
import { registerPlaybook } from '../../playbook/playbook.ts'
import { closing, itemId, readItem } from '../item.ts'
import { CHANGE_SET_RECORD, type ChangeSetRecord } from '../../memory/change-set.ts'
import { deskOf } from '../memory/desk.ts'
import { retentionOf } from '../memory/retention.ts'
import type { Pass } from '../pass.ts'
import { attention } from '../raise.ts'
import { tellDigest } from '../trust/digest.ts'
import { prune } from './prune.ts'

export const MAINTENANCE_PLAYBOOK = 'keelson.maintenance'

export interface MaintenancePlan {
  /** A proved copy into this folder, named by its instant; of the copies there, `keep` stay. Default: all. */
  readonly backup?: { readonly to: string; readonly keep?: number }
  /** What is past its time by the retention policies of memory goes to the inbox as one proposal. */
  readonly retention?: boolean
  readonly prune?: { readonly olderThan: Duration }
  /**
   * What went out by trust since the last time goes to the inbox, if there was any; at most once a day. Default: true where something
   * may earn trust.
   */
  readonly digest?: boolean
  /** Empties the store's log and gives free space back. */
  readonly compact?: boolean
}

/** In the order in which they are done: what is about to go is in the copy. */
export const MAINTENANCE_PARTS = ['backup', 'retention', 'prune', 'compact', 'digest'] as const
export type MaintenancePart = (typeof MAINTENANCE_PARTS)[number]

export interface PartReport {
  readonly part: MaintenancePart
  readonly ok: boolean
  /** What was done, or why it was not, in a sentence. */
  readonly text: string
  /** What the part itself reports. */
  readonly data?: { readonly [what: string]: string | number | readonly string[] }
}

export interface MaintenanceReport {
  readonly ok: boolean
  readonly parts: readonly PartReport[]
}

/** As it is stored with a run and a schedule. */
export const maintenancePlan = withZod((z) => {
  const duration = z.custom<Duration>((value) => {
    try {
      return typeof value === 'string' && durationMs(value) > 0
    } catch {
      return false
    }
  }, 'it is no duration such as 90d')
  return z
    .strictObject({
      backup: z.strictObject({ to: z.string().min(1), keep: z.int().min(1).optional() }).optional(),
      retention: z.boolean().optional(),
      prune: z.strictObject({ olderThan: duration }).optional(),
      compact: z.boolean().optional(),
      digest: z.boolean().optional(),
    })
    .refine((plan) => partsOf(plan as MaintenancePlan).length > 0, 'it names nothing to do')
})

const reportSchema = withZod((z) =>
  z.object({
    ok: z.boolean(),
    parts: z.array(
      z.object({
        part: z.enum(MAINTENANCE_PARTS),
        ok: z.boolean(),
        text: z.string(),
        data: z.record(z.string(), z.union([z.string(), z.number(), z.array(z.string())])).optional(),
      }),
    ),
  }),
)

export const maintenancePlaybook = withZod(() =>
  registerPlaybook<MaintenancePlan, MaintenanceReport>({
    name: MAINTENANCE_PLAYBOOK,
    version: 1,
    input: maintenancePlan(),
    output: reportSchema(),
    // Two at once would copy and prune the same.
    serialize: () => 'one',
    run: (ctx, input, pass) => maintain(ctx, input as MaintenancePlan, pass as Pass),
  }),
)

function partsOf(plan: MaintenancePlan): readonly MaintenancePart[] {
  return MAINTENANCE_PARTS.filter((part) => plan[part] !== undefined && plan[part] !== false)
}

async function maintain(ctx: Context, plan: MaintenancePlan, pass: Pass): Promise<MaintenanceReport> {
  const parts: PartReport[] = []
  for (const part of partsOf(plan)) {
    const done = ctx.step(part, () => partOf(pass, part, plan), { retry: { attempts: 4, first: '10s' } })
    parts.push(await done.catch((thrown: unknown) => failedBy(pass, part, thrown)))
  }
  await tell(pass, parts)
  return { ok: parts.every(({ ok }) => ok), parts }
}

/** A part that throws is one that failed. Where the store failed under it, it is tried again: what it did is whole. */
async function partOf(pass: Pass, part: MaintenancePart, plan: MaintenancePlan): Promise<PartReport> {
  try {
    return { part, ok: true, ...(await DO[part](pass, plan)) }
  } catch (thrown) {
    if (part !== 'backup' && KeelsonError.is(thrown, 'STORE_FAILED')) throw thrown
    return failedBy(pass, part, thrown)
  }
}

function failedBy(pass: Pass, part: MaintenancePart, thrown: unknown): PartReport {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  const { workspace, id: run } = pass.task.claimed.row
  pass.task.env.log.error({ workspace, run }, `maintenance: ${part} failed: ${text}`)
  return { part, ok: false, text: text.slice(0, 1000).toWellFormed() }
}

type Done = Pick<PartReport, 'text' | 'data'>

const DO: { readonly [P in MaintenancePart]: (pass: Pass, plan: MaintenancePlan) => Promise<Done> } = {
  async backup(pass, { backup }) {
    const { env, claimed } = pass.task
    const { to, keep } = backup!
    const at = env.clock.now()
    const kept = keep === undefined ? {} : { keep }
    const made = await upkeepOf(pass).backup({ folder: to, at, workspace: claimed.row.workspace, ...kept })
    const { files, entries, records } = made
    return {
      text: `copied to ${files.join(', ')} and proved: ${entries} entries, ${records} records`,
      data: { ...made, files: [...files] },
    }
  },
  async retention(pass) {
    const { env, claimed } = pass.task
    const desk = deskOf(env, claimed.row.workspace)
    const open = await proposed(pass)
    if (open !== undefined) return { text: 'what was proposed before is not decided yet', data: { changeSet: open } }
    const changeSet = await retentionOf(desk).run({ by: pass.history.start.by, reason: RETENTION_REASON })
    if (changeSet === undefined) return { text: 'nothing is past its time' }
    return { text: `proposed to let go what is past its time: ${changeSet}`, data: { changeSet } }
  },
  async prune(pass, plan) {
    const { env, claimed } = pass.task
    const done = await prune(env, claimed.row.workspace, { ...plan.prune!, by: pass.history.start.by })
    return {
      text: `pruned the journals of ${done.runs} runs, ${done.entries} entries`,
      data: { runs: done.runs, entries: done.entries },
    }
  },
  async compact(pass) {
    const { before, after } = await upkeepOf(pass).compact({ workspace: pass.task.claimed.row.workspace })
    return { text: `${before} bytes before, ${after} after`, data: { before, after } }
  },
  async digest(pass) {
    const { env, claimed } = pass.task
    const { workspace, id: run } = claimed.row
    const effects = await tellDigest(env, workspace, { run, by: pass.history.start.by })
    if (effects === undefined) return { text: 'what went out by trust was told within the day' }
    if (effects === 0) return { text: 'nothing went out by trust', data: { effects } }
    return { text: `told what went out by trust: ${effects}`, data: { effects } }
  },
}

/** What an earlier run proposed and nobody has decided: proposed again every night, it would fill the inbox. */
async function proposed(pass: Pass): Promise<string | undefined> {
  const { env, claimed } = pass.task
  const where = { field: 'status', value: 'proposed' }
  const rows = await env.store.records(claimed.row.workspace, { kind: CHANGE_SET_RECORD, where, limit: 1000 })
  return rows.find(({ data }) => (JSON.parse(data) as ChangeSetRecord).reason === RETENTION_REASON)?.id
}

/** By which a proposal is known as one of these. */
const RETENTION_REASON = 'maintenance: past its time by the retention policies'

function upkeepOf(pass: Pass): NonNullable<Pass['task']['env']['store']['upkeep']> {
  const { store } = pass.task.env
  if (store.upkeep !== undefined) return store.upkeep
  throw new KeelsonError('UPKEEP_MISSING', `a store of kind "${store.kind}" is neither copied nor compacted here`, {
    hint: 'Leave backup and compact out of the plan, and do them by the means of the database.',
  })
}

/** What failed becomes the workspace's one item about maintenance; when nothing did, that item is closed. */
async function tell(pass: Pass, parts: readonly PartReport[]): Promise<void> {
  const failed = parts.filter(({ ok }) => !ok)
  await pass.operation<Json>({
    key: 'tell',
    kind: 'step',
    live: async () => {
      await pass.work.run(async () => {
        await pass.writer.submit(async () => {
          const { env, claimed } = pass.task
          const id = itemId(MAINTENANCE_PLAYBOOK, 'attention', 0)
          const puts =
            failed.length === 0
              ? await closing(env.store, claimed.row.workspace, [id], 'withdrawn')
              : [await raised(pass, id, failed)]
          return { drafts: [{ kind: 'step.completed', key: 'tell', data: { ok: failed.length, puts } }] }
        })
      })
      for (const { part, text } of failed) announce(pass, part, text)
    },
  })
}

function announce(pass: Pass, part: MaintenancePart, message: string): void {
  const { workspace, id: run } = pass.task.claimed.row
  pass.task.env.emit('maintenance.failed', { workspace, run, part, message })
}

async function raised(pass: Pass, id: string, failed: readonly PartReport[]) {
  const { env, claimed } = pass.task
  const found = await readItem(env.store, claimed.row.workspace, id)
  const title = `maintenance failed: ${failed.map(({ part }) => part).join(', ')}`
  const about = {
    ...({ id, run: claimed.row.id, title, allows: ['dismiss'], code: 'MAINTENANCE_FAILED' } as const),
    hint: 'maintenance.run() tries again, and so does the next planned time; when all of it goes well this is closed.',
    text: failed.map(({ part, text }) => `${part}: ${text}`).join('\n'),
  }
  return attention(env, about, found)
}
