/** The code of the golden company: memory, proposals, plans, grants, files, templates, merges, reverts. It never changes. */
import { z } from 'zod'
import { action, artifactRef, defineEntity, definePlaybook, policy, type Workspace } from '@keelson/core'

export const by = { kind: 'person', id: 'ann' } as const
export const robot = { kind: 'agent', id: 'robot' } as const

export const Site = defineEntity({
  name: 'site',
  version: 1,
  schema: z.object({ name: z.string(), logo: artifactRef(z).optional() }),
  index: ['name'],
})

const send = action({
  name: 'letter.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string(), text: z.string() }),
  output: z.object({ to: z.string() }),
  intent: ({ to }) => ['letter', to],
  run: ({ to }) => ({ output: { to } }),
})

export const plan = definePlaybook({
  name: 'letters',
  version: 1,
  input: z.object({ to: z.array(z.string()) }),
  output: z.object({ sent: z.int(), knew: z.array(z.string()) }),
  uses: [send],
  async run(ctx, { to }) {
    const notes = ctx.memory.working({ count: z.int() })
    await notes.set('count', to.length)
    for (const name of to) await ctx.memory.remember({ subject: name, predicate: 'gets', value: 'a letter' })
    await ctx.memory.append({ text: `Letters for ${to.join(', ')}.`, thread: 'letters' })
    await ctx.memory.remember({ kind: 'rule', text: 'Write on Mondays.' })
    const pack = await ctx.memory.context({ task: 'who gets a letter?', thread: 'letters' })
    const paper = await ctx.artifacts.put(`${to.length} letters`)
    const { id } = await ctx.entities(Site).create({ name: to[0]!, logo: paper })
    const { text } = await ctx.templates.fill('letter', { name: 'all' })
    const result = await ctx.propose(
      'Letters',
      to.map((one) => ctx.intend(send, { to: one, text })),
    )
    await ctx.entities(Site).update(id, { name: `${to[0]!}, written to` })
    const found = await ctx.memory.recall('who gets a letter')
    const sent = result.lines.filter(({ state }) => state === 'done').length
    return {
      sent,
      knew: [...pack.items.map(({ section }) => section), ...found.map(({ memory }) => memory.text)].sort(),
    }
  },
})

export const one = definePlaybook({
  name: 'letter',
  version: 1,
  input: z.object({ to: z.string() }),
  output: z.object({ to: z.string() }),
  uses: [send],
  async run(ctx, { to }) {
    const { id } = await ctx.entities(Site).create({ name: to })
    const done = await ctx.act(send, { to, text: `Dear ${to}` }).catch(() => undefined)
    if (done === undefined) return { to: 'nobody' }
    await ctx.memory.remember({ subject: to, predicate: 'was_written_to', value: true, functional: true })
    await ctx.entities(Site).update(id, { name: `${to}!` })
    return done
  },
})

const gate = policy([
  policy.rule('letters', { on: send }, ({ input: { to } }) =>
    to === 'held' ? policy.hold('1h') : policy.ask({ grantable: true }),
  ),
])

export { send }
export const options = { playbooks: [plan, one], actions: [send], entities: [Site], policy: gate }

const ENDS: ReadonlySet<string> = new Set(['completed', 'declined', 'failed', 'cancelled'])

/** All that a person sees of what is known. */
export async function seen(w: Workspace): Promise<object> {
  const recalled = await w.memory.recall('who was written to, and where is Berlin?')
  const { entities } = await w.entities(Site).list()
  const sets = await w.memory.changes.list()
  return {
    recalled: recalled.map(({ memory }) => memory.text).sort(),
    facts: (await w.memory.facts({ history: true })).map(({ text, status, pinned }) => [text, status, pinned]),
    history: (await w.memory.history()).map(({ text }) => text),
    sites: entities.map(({ data, version }) => [data.name, version]),
    sets: sets.map(({ status, reason }) => [status, reason]),
    learned: await w.memory.learned(),
    grants: (await w.grants.list()).map(({ action: of, used, left }) => [of, used, left]),
    open: (await w.inbox.list()).items.map(({ title }) => title),
    runs: (await w.runs.list()).runs.map(({ id, status: { state } }) => [id, ENDS.has(state) ? state : 'open']).sort(),
  }
}
