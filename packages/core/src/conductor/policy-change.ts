/**
 * PolicyChange: when another set of rules is in force, what is asked or held is judged again.
 *
 * C1. The version in force is a record of the workspace. It changes in the unit that starts the run which wakes every effect
 *     that is open, and every run that waits for the decision on a plan, a page per unit: whatever dies in between goes on with the page
 *     that it had come to.
 * C2. An item whose obligations stay is kept, with its hash; one whose obligations differ is withdrawn, and its effect goes on
 *     under the new judgement: denied, asked as changed, held longer, or sent.
 *     Silence goes on to whom the new ladder names, without a new item.
 * C3. A hold that is judged again counts from when it was first held; one that comes to what was only asked, from then on.
 */
import type { z } from 'zod'
import { SYSTEM } from '../base/actor.ts'
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import { withZod } from '../base/zod.ts'
import { dataOf, type Draft, type Entry } from '../journal/entry.ts'
import type { Op } from '../journal/op.ts'
import { builtIn } from '../playbook/playbook.ts'
import { obligations } from '../policy/rehearsal.ts'
import type { Judgement, Rung } from '../policy/verdict.ts'
import { EFFECT_PLAYBOOK } from './effect/hand-over.ts'
import type { Environment } from './environment.ts'
import { itemPut, readItem, type ItemRecord } from './item.ts'
import { lifeOf } from './life.ts'
import type { Pass } from './pass.ts'
import { underLadder } from './silence.ts'
import { newRun } from './start.ts'

/** Sees to what is open in every workspace whose rules were others. */
export async function announcePolicy(env: Environment): Promise<void> {
  for (const workspace of await env.store.workspaces()) await announceIn(env, workspace)
  env.nudge()
}

/** The same in one workspace: nothing, where it is suspended; so once more when it is resumed. */
export async function announceIn(env: Environment, workspace: string): Promise<void> {
  await env.company(workspace).edit(async () => {
    if ((await lifeOf(env, workspace)).state !== 'active') return undefined
    const [row] = await env.store.records(workspace, { kind: 'company', ids: ['policy'], limit: 1 })
    const from = row === undefined ? '' : (JSON.parse(row.data) as { version: string }).version
    const to = env.policy.version
    if (from === to) return undefined
    const opens = await env.store.runs(workspace, { state: 'open', playbook: EFFECT_PLAYBOOK, limit: 1 })
    const asked = await env.store.records(workspace, { ...OPEN_ITEMS, limit: 1 })
    const version = (row?.version ?? 0) + 1
    const puts = [{ kind: 'company', id: 'policy', version, data: { version: to } }]
    const run = newRun(policyPlaybook(), {
      workspace,
      id: `policy:${version}`,
      input: { change: version, from, to },
      by: SYSTEM,
      now: env.clock.now(),
      salt: () => env.ids.salt(),
    })
    const starts = opens.length + asked.length === 0 ? [] : [run]
    return { drafts: [{ kind: 'policy.changed', data: { from, to, puts } }], unit: { starts } }
  })
}

const changedSchema = withZod((z) => z.object({ change: z.number(), from: z.string(), to: z.string() }))
type Changed = z.output<ReturnType<typeof changedSchema>>

export const policyPlaybook = builtIn((z) => ({
  name: 'keelson.policy',
  version: 1,
  input: changedSchema(),
  output: z.object({ open: z.number() }),
  run: async (_ctx, input, pass) => wakeOpen(pass as Pass, input as Changed),
}))

/** Effects that one unit wakes. */
const PAGE = 100

interface Page {
  /** How many were open. */
  readonly open: number
  /** After which run the next page begins; left out: this one was the last. */
  readonly after?: number
}

const OPEN_ITEMS = { kind: 'inbox', where: { field: 'state', value: 'open' } } as const

/** C1. */
async function wakeOpen(pass: Pass, changed: Changed): Promise<{ open: number }> {
  let open = 0
  let after: number | undefined = 0
  for (let number = 1; after !== undefined; number++) {
    const key = `page ${number}`
    const from: number = after
    const before = open
    const live = (): Promise<void> => pass.work.run(() => wakePage(pass, key, changed, from, before))
    const page: Page = await pass.operation<Page>({ key, kind: 'step', live })
    open += page.open
    after = page.after
  }
  for (let number = 1, from: Place | undefined = FIRST; from !== undefined; number++) {
    const [key, place]: [string, Place] = [`plans ${number}`, from]
    const live = (): Promise<void> => pass.work.run(() => wakePlans(pass, key, changed, place))
    const page: PlanPage = await pass.operation<PlanPage>({ key, kind: 'step', live })
    from = page.after
  }
  return { open }
}

/** Where an open item stands among them. */
interface Place {
  readonly sort: number
  readonly id: string
}

const FIRST: Place = { sort: -Infinity, id: '' }

interface PlanPage {
  /** How many were woken. */
  readonly plans: number
  /** Behind which item the next page begins; left out: this one was the last. */
  readonly after?: Place
}

/** Items are looked through until there are enough plans among them. */
async function wakePlans(pass: Pass, key: string, { change }: Changed, from: Place): Promise<void> {
  const { env, claimed } = pass.task
  const { workspace } = claimed.row
  const runs = new Set<string>()
  let after: Place | undefined = from
  while (after !== undefined && runs.size < PAGE) {
    const paged: { after?: Place } = after === FIRST ? {} : { after }
    const rows = await env.store.records(workspace, { ...OPEN_ITEMS, ...paged, limit: PAGE })
    for (const row of rows) {
      const item = JSON.parse(row.data) as ItemRecord
      if (item.kind === 'plan') runs.add(item.run)
    }
    const last = rows.at(-1)
    after = last === undefined || rows.length < PAGE ? undefined : { sort: last.sort, id: last.id }
  }
  const wake = { onceKey: `policy:${change}`, kind: 'wake', payload: '{}', at: env.clock.now() }
  const ok = { plans: runs.size, ...(after === undefined ? {} : { after: { ...after } }) }
  await pass.writer.submit(() => ({
    drafts: [{ kind: 'step.completed', key, data: { ok } }],
    deliveries: [...runs].map((run) => ({ run, ...wake })),
  }))
  if (!pass.work.aborted) env.nudge()
}

async function wakePage(pass: Pass, key: string, changed: Changed, after: number, before: number): Promise<void> {
  const { env, claimed } = pass.task
  const { workspace } = claimed.row
  const rows = await env.store.runs(workspace, { state: 'open', playbook: EFFECT_PLAYBOOK, after, limit: PAGE })
  const wake = { onceKey: `policy:${changed.change}`, kind: 'wake', payload: '{}', at: env.clock.now() }
  const ok = { open: rows.length, ...(rows.length < PAGE ? {} : { after: rows.at(-1)!.order }) }
  await pass.writer.submit(() => ({
    drafts: [{ kind: 'step.completed', key, data: { ok } }],
    deliveries: rows.map((row) => ({ run: row.id, ...wake })),
  }))
  if (pass.work.aborted) return
  const open = before + rows.length
  const { from, to } = changed
  // A company without a version on record has had no others.
  if (ok.after === undefined && open > 0 && from !== '') {
    const effects = open === 1 ? '1 open effect is' : `${open} open effects are`
    env.log.info({ workspace, from, to }, `the rules have changed: ${effects} judged again`)
  }
  env.nudge()
}

/** How the bytes of an open item are judged again. */
export interface JudgedAgain {
  readonly judge: () => Promise<Judgement>
  /** Whom silence goes on to by a judgement, as far as it is not answered for. */
  readonly ladder: (judged: Judgement) => readonly Rung[]
}

/** C2. What an open item of an effect says, under the rules of now. */
export async function judgeAgain(pass: Pass, key: string, item: string, { judge, ladder }: JudgedAgain): Promise<void> {
  const { env, claimed } = pass.task
  const { workspace } = claimed.row
  await pass.writer.submit(async () => {
    const op: Op | undefined = pass.history.ops.get(key)
    const found = await readItem(env.store, workspace, item)
    if (found?.item.state !== 'open' || op?.outcome !== undefined) return undefined
    const before = found.item.verdict as unknown as Judgement | undefined
    if (before === undefined || before.policy === env.policy.version) return undefined
    const verdict = await judge()
    const now = { verdict: verdict as unknown as Json }
    if (obligations(before) === obligations(verdict)) {
      const puts = [itemPut({ ...found.item, ...now }, found.version + 1)]
      const judged: Draft = { kind: 'ask.judged', key, data: { policy: verdict.policy, reason: verdict.reason, puts } }
      return { drafts: [...climbing(op, found.item, ladder(verdict), env.clock.now()), judged] }
    }
    const since = heldSince(found.item, before.holdMs)
    const ok = JSON.parse(canonical({ decision: { judged: verdict }, by: SYSTEM, ...since })) as Json
    const puts = [itemPut({ ...found.item, ...now, state: 'withdrawn' }, found.version + 1)]
    const draft: Draft = { kind: 'ask.completed', key, data: { ok, by: SYSTEM, puts } }
    return { drafts: [draft] }
  })
}

/** The question opened again under another ladder; nothing where silence goes on as before. */
function climbing(op: Op | undefined, item: ItemRecord, ladder: readonly Rung[], now: number): Draft[] {
  if (op?.opened?.kind !== 'ask.opened') return []
  const opened = dataOf(op.opened as Entry & { kind: 'ask.opened' })
  const other = opened.onSilence === 'escalate' ? underLadder(opened, ladder, item, now) : undefined
  return other === undefined ? [] : [{ kind: 'ask.opened', key: op.key, data: other }]
}

/** Since when an open item is held for `holdMs`, wherever its end was put; nothing of one that is only asked. */
export function heldSince({ dueAt }: Pick<ItemRecord, 'dueAt'>, holdMs: number): { since?: number } {
  return dueAt === undefined ? {} : { since: dueAt - holdMs }
}
