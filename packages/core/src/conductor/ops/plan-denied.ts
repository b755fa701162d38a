/** PlanDenied: what policy says of the lines of a plan as somebody wants them instead, before that is taken for a decision. */
import { NO_LABELS } from '../../base/labels.ts'
import { toStored } from '../../base/schema.ts'
import { dataOf, type Entry } from '../../journal/entry.ts'
import { personasOf } from '../behalf.ts'
import { judge } from '../effect/judge.ts'
import { actionOf } from '../effect/spec.ts'
import type { Environment } from '../environment.ts'
import type { ItemRecord } from '../item.ts'
import type { LineEdits } from './plan.ts'

/**
 * Why the rules of this process deny the first of the lines that they do not let be so; undefined where there is none. A line that only
 * the labels of its sources forbid is left out when it comes to it.
 */
export async function whyLineDenied(
  env: Environment,
  workspace: string,
  { run, shadow, lines = [] }: Pick<ItemRecord, 'run' | 'shadow' | 'lines'>,
  { skip = [], inputs = {} }: LineEdits,
): Promise<string | undefined> {
  if (shadow === true) return undefined // nothing leaves, and what rules look up is in its overlay
  const [row] = await env.store.runs(workspace, { ids: [run], limit: 1 })
  const [started] = row === undefined ? [] : await env.store.entries(workspace, row.stream, 0, 1)
  if (row === undefined || started === undefined || started.payload === null) return undefined
  const start = dataOf(started as Entry & { kind: 'run.started' })
  const line = [{ run, playbook: `${row.playbook}@${row.version}` }, ...(start.ancestors ?? [])]
  const about = { behalf: { personas: personasOf(start), line }, labels: NO_LABELS, effect: '' }
  for (const { id, action: name, account } of lines) {
    if (skip.includes(id) || inputs[id] === undefined || env.actions.find(name) === undefined) continue
    const action = actionOf(env, { action: name, account })
    const input = toStored(action.input, inputs[id], 'INPUT_INVALID', `line "${id}"`)
    const { denies, reason } = await judge(env, { workspace, action, input, ...about })
    if (denies.length > 0) return `policy denies line "${id}" with this: ${reason}`
  }
  return undefined
}
