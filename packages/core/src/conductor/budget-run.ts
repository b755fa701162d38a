/**
 * BudgetRun: a budget that is reached asks once, whoever waits for it: a run of a built-in playbook that ends with the
 * decision, or with the budget's period.
 *
 * V1. Its id is the budget, its period and how often it was decided on: a second who reaches it finds it there.
 * V2. The decision is recorded with the budget in the unit that wakes all who wait.
 * V3. Who raises it without being asked has answered: the question is withdrawn. A decision that was taken before that
 *     counts as well; a refusal of what has been raised does not.
 */
import type { z } from 'zod'
import { jsonSchema } from '../base/schema.ts'
import { sha256 } from '../base/hash.ts'
import { KeelsonError } from '../base/errors.ts'
import type { Json } from '../base/value.ts'
import { withZod, zod } from '../base/zod.ts'
import { dataOf, type Entry } from '../journal/entry.ts'
import type { NewRun } from '../journal/store.ts'
import { defineEvent } from '../playbook/event.ts'
import { builtIn } from '../playbook/playbook.ts'
import { inMajor } from '../base/money.ts'
import { EMPTY_LEDGER, raise, type Spending } from '../policy/budget.ts'
import type { BudgetRecord } from './charge.ts'
import type { Environment } from './environment.ts'
import { eventRun } from './event-run.ts'
import { closing, readItem } from './item.ts'
import { askItem, type AskItem } from './ops/ask.ts'
import { waitFor } from './ops/waits.ts'
import type { Pass } from './pass.ts'
import { newRun } from './start.ts'

const BUDGET_PLAYBOOK = 'keelson.budget'

/** Sent when somebody has decided on a budget. */
export const budgetEvent = withZod((z) =>
  defineEvent({
    name: 'keelson.budget',
    schema: z.object({ budget: z.string(), epoch: z.number(), refused: z.string().optional() }),
  }),
)

const reachedSchema = withZod((z) =>
  z.object({
    budget: z.string(),
    epoch: z.number(),
    what: z.string(),
    /** What could not be done, and the run that wanted it first. */
    name: z.string(),
    run: z.string(),
    until: z.number().optional(),
    units: z.object({
      money: z.string().optional(),
      tokens: z.literal(true).optional(),
      calls: z.literal(true).optional(),
    }),
  }),
)
type Reached = z.output<ReturnType<typeof reachedSchema>>

export function budgetRun(env: Environment, workspace: string, reached: Reached): NewRun {
  return newRun(budgetPlaybook(), {
    workspace,
    id: `budget:${sha256(reached.budget).slice(0, 24)}:${reached.epoch}`,
    input: reached,
    now: env.clock.now(),
    salt: () => env.ids.salt(),
  })
}

export const budgetPlaybook = builtIn((z) => ({
  name: BUDGET_PLAYBOOK,
  version: 1,
  input: reachedSchema(),
  output: z.object({ raised: z.boolean() }),
  run: async (_ctx, input, pass) => decide(pass as Pass, input as Reached),
}))

async function decide(pass: Pass, reached: Reached): Promise<{ raised: boolean }> {
  const { budget, epoch, what } = reached
  const answered = askItem(pass, 'raise', question(reached), (ok) => ok as unknown as Said).catch((thrown: unknown) => {
    if (KeelsonError.is(thrown, 'STEP_TIMEOUT')) return null // a new period has begun
    throw thrown
  })
  const wait = { kind: 'budget', what: `until ${what.split(' is reached')[0]!} is raised` } as const
  // It may have been raised before this run was there to hear of it.
  const asOf = { match: { budget, epoch }, since: 0, wait }
  const raised = waitFor(pass, 'raised', budgetEvent(), asOf).then(() => undefined)
  const first = await Promise.race([answered, raised])
  const said = first === undefined ? await withdrawn(pass) : first
  if (said === null) return { raised: first === undefined }
  await pass.operation({ key: 'decided', kind: 'step', live: () => record(pass, reached, said) })
  return { raised: first === undefined || !('decision' in said) }
}

/** An answer as it was given, or a refusal as decisions come. */
type Said = Spending | { readonly decision: { readonly reject?: string } }

/** V3. */
function withdrawn(pass: Pass): Promise<Said | null> {
  const { env, claimed } = pass.task
  const live = (): Promise<void> =>
    pass.work.run(async () => {
      await pass.writer.submit(async () => {
        const opened = pass.history.ops.get('raise')?.opened
        const id = opened === undefined ? '' : dataOf(opened as Entry & { kind: 'ask.opened' }).item
        const found = await readItem(env.store, claimed.row.workspace, id)
        const decision = found?.item.decided?.decision as { answer?: Json } | undefined
        const said = decision === undefined ? null : (decision.answer ?? { decision: decision as Json })
        const puts = await closing(env.store, claimed.row.workspace, [id], 'withdrawn')
        return { drafts: [{ kind: 'step.completed', key: 'withdrawn', data: { ok: said, puts } }] }
      })
    })
  return pass.operation<Said | null>({ key: 'withdrawn', kind: 'step', live })
}

function question({ what, name, run, until, units }: Reached): AskItem {
  return {
    item: {
      kind: 'attention',
      title: `${what}. Raise it?`,
      allows: ['answer', 'reject'],
      onBehalfOf: run,
      why: [{ label: `${name} of run ${run}`, trust: 'connector', ref: `run:${run}` }],
      preview: { kind: 'text', after: `${what}.\n\nWhat waits goes on by itself once there is room.${unitOf(units)}` },
      editSchema: jsonSchema(raiseSchema(units)) as Json,
      code: 'BUDGET_REACHED',
      hint: `Answer by how much it is raised, or reject: what waits is then declined.${unitOf(units)}`,
    },
    wait: 'budget',
    onSilence: 'wait',
    ...(until === undefined ? {} : { until }),
  }
}

/** Money is shown as people write it, and answered in minor units: that is said. */
function unitOf({ money }: Reached['units']): string {
  return money === undefined ? '' : ` A raise counts minor units: ${minorUnits(money)}.`
}

function minorUnits(currency: string): string {
  return `1000 is ${inMajor(1000, currency)} ${currency}`
}

/** By how much: of what the budget counts, and more than nothing. */
function raiseSchema({ money, tokens, calls }: Reached['units']): z.ZodType {
  const z = zod()
  const more = z.number().positive()
  const minor =
    money === undefined ? more : more.meta({ description: `minor units: ${minorUnits(money)}`, examples: [1000] })
  const amount = { money: z.object({ amount: minor, currency: z.literal(money ?? '') }), tokens: more, calls: more }
  const known = [...(money === undefined ? [] : ['money']), ...(tokens ? ['tokens'] : []), ...(calls ? ['calls'] : [])]
  const fields = Object.entries(amount).filter(([name]) => known.includes(name))
  const options = fields.map(([name]) =>
    z.strictObject(Object.fromEntries(fields.map(([one, schema]) => [one, one === name ? schema : schema.optional()]))),
  )
  return options.length === 1 ? options[0]! : z.union(options)
}

/** Of which the very first who wants some wants more than there is. */
function neverTaken({ what, units: { money } }: Reached): BudgetRecord {
  return { ...EMPTY_LEDGER, what, epoch: 0, ...(money === undefined ? {} : { currency: money }) }
}

/** V2. */
async function record(pass: Pass, reached: Reached, said: Said): Promise<void> {
  const { env, claimed } = pass.task
  const { workspace, id } = claimed.row
  const { budget } = reached
  const refusal = 'decision' in said ? (said.decision.reject ?? 'no') : undefined
  await pass.work.run(async () => {
    await env.company(workspace).key()
    await pass.writer.submit(async () => {
      const [row] = await env.store.records(workspace, { kind: 'budget', ids: [budget], limit: 1 })
      const before = row === undefined ? neverTaken(reached) : (JSON.parse(row.data) as BudgetRecord)
      const { money, tokens = 0, calls = 0 } = 'decision' in said ? ({} as Spending) : said
      const after = raise(before, { money: money?.amount ?? 0, tokens, calls })
      const epoch = Math.max(before.epoch, reached.epoch)
      const refused = epoch === reached.epoch ? refusal : undefined
      const no = refused === undefined ? {} : { refused }
      const data: BudgetRecord = { ...before, ...after, epoch: epoch + 1, ...no }
      const put = { kind: 'budget', id: budget, version: (row?.version ?? 0) + 1, data: data as unknown as Json }
      const payload = { budget, epoch, ...no }
      return {
        drafts: [{ kind: 'step.completed', key: 'decided', data: { puts: [{ ...put, index: { all: 'budget' } }] } }],
        starts: [eventRun(env, workspace, { event: budgetEvent().name, id, payload })],
      }
    })
  })
  env.nudge()
}
