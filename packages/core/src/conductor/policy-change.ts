/**
 * PolicyChange: when another set of rules is in force, what is asked or held is judged again.
 *
 * C1. The version in force is a record of the workspace. It changes in the unit that wakes every effect that is open: a crash
 *     in between leaves the old version, and all are woken again.
 * C2. An item whose obligations stay is kept, with its hash; one whose obligations differ is withdrawn, and its effect goes on
 *     under the new judgement: denied, asked as changed, held longer, or sent.
 * C3. A hold that is judged again counts from when it was first held.
 */
import { SYSTEM } from '../base/actor.ts'
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { Draft } from '../journal/entry.ts'
import type { Op } from '../journal/op.ts'
import { obligations } from '../policy/rehearsal.ts'
import type { Judgement } from '../policy/verdict.ts'
import { EFFECT_PLAYBOOK } from './effect/hand-over.ts'
import type { Environment } from './environment.ts'
import { itemPut, readItem } from './item.ts'
import { lifeOf } from './life.ts'
import type { Pass } from './pass.ts'

/** Wakes what is open in every workspace whose rules were others. */
export async function announcePolicy(env: Environment): Promise<void> {
  for (const workspace of await env.store.workspaces()) await announce(env, workspace)
  env.nudge()
}

async function announce(env: Environment, workspace: string): Promise<void> {
  let open = 0
  let from = ''
  const written = await env.company(workspace).edit(async () => {
    if ((await lifeOf(env, workspace)).state !== 'active') return undefined
    const [row] = await env.store.records(workspace, { kind: 'company', ids: ['policy'], limit: 1 })
    from = row === undefined ? '' : (JSON.parse(row.data) as { version: string }).version
    if (from === env.policy.version) return undefined
    const runs = await openEffects(env, workspace)
    open = runs.length
    const version = (row?.version ?? 0) + 1
    const at = env.clock.now()
    const puts = [{ kind: 'company', id: 'policy', version, data: { version: env.policy.version } }]
    const wake = { onceKey: `policy:${version}`, kind: 'wake', payload: '{}', at }
    const data = { from, to: env.policy.version, open, puts }
    return { drafts: [{ kind: 'policy.changed', data }], unit: { deliveries: runs.map((run) => ({ run, ...wake })) } }
  })
  if (written !== undefined && open > 0)
    env.log.info(
      { workspace, from, to: env.policy.version },
      `the rules have changed: ${open} open effects are judged again`,
    )
}

async function openEffects(env: Environment, workspace: string): Promise<string[]> {
  const runs: string[] = []
  for (let after = 0; ;) {
    const rows = await env.store.runs(workspace, { state: 'open', playbook: EFFECT_PLAYBOOK, after, limit: 500 })
    runs.push(...rows.map((row) => row.id))
    const last = rows.at(-1)
    if (last === undefined || rows.length < 500) return runs
    after = last.order
  }
}

/** C2. What an open item of an effect says, under the rules of now; `judge` judges its bytes again. */
export async function judgeAgain(
  pass: Pass,
  key: string,
  item: string,
  judge: () => Promise<Judgement>,
): Promise<void> {
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
      return { drafts: [{ kind: 'ask.judged', key, data: { policy: verdict.policy, reason: verdict.reason, puts } }] }
    }
    const { dueAt, openedAt } = found.item
    const since = dueAt === undefined ? openedAt : dueAt - before.holdMs
    const ok = JSON.parse(canonical({ decision: { judged: verdict }, by: SYSTEM, since })) as Json
    const puts = [itemPut({ ...found.item, ...now, state: 'withdrawn' }, found.version + 1)]
    const draft: Draft = { kind: 'ask.completed', key, data: { ok, by: SYSTEM, puts } }
    return { drafts: [draft] }
  })
}
