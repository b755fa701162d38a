/**
 * Escalation: telling somebody that nobody has answered, as a run of a built-in playbook: told at least once, whatever
 * crashes in between; a channel that fails is tried again and then shows in the inbox.
 */
import { builtIn } from '../playbook/playbook.ts'
import { readItem } from './item.ts'
import type { Climbed } from './silence.ts'
import { ESCALATION_PLAYBOOK } from './notice.ts'
import type { Pass } from './pass.ts'

export const escalationPlaybook = builtIn((z) => ({
  name: ESCALATION_PLAYBOOK,
  version: 1,
  input: z.looseObject({ item: z.string(), rung: z.number(), via: z.string() }),
  output: z.object({ told: z.boolean() }),
  run: (ctx, input, pass) =>
    ctx.step('tell', () => told(pass as Pass, input as Climbed), { retry: { attempts: 6, first: '10s' } }),
}))

async function told(pass: Pass, { item: id, rung, to, via }: Climbed): Promise<{ told: boolean }> {
  const { env, claimed } = pass.task
  const { workspace } = claimed.row
  const found = await readItem(env.store, workspace, id)
  if (found?.item.state !== 'open') return { told: false }
  await env.tell(via, { workspace, item: found.item, to, rung })
  return { told: true }
}
