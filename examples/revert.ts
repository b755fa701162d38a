/**
 * Revert: what a run did is taken back, last first; what cannot be taken back is said beforehand.
 *
 * Expected output:
 *   can take back: site.publish
 *   cannot take back: news.send
 *   undone 1, failed 0, left: its action is irreversible
 *   /prices holds 2026
 */
import { action, createConductor, definePlaybook, policy } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

const site = new Map([['prices', '2026']])
const Page = z.object({ slug: z.string(), body: z.string() })
// #region action
const publish = action({
  name: 'site.publish',
  effect: 'reversible',
  idempotency: { by: 'id' },
  input: Page,
  output: z.null(),
  undo: z.object({ slug: z.string(), before: z.string() }),
  run({ slug, body }) {
    const undo = { slug, before: site.get(slug) ?? '' }
    site.set(slug, body)
    return { output: null, undo }
  },
  compensate: ({ slug, before }) => void site.set(slug, before),
})
// #endregion
const news = action({
  name: 'news.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ subject: z.string() }),
  output: z.null(),
  run: () => ({ output: null }),
})
const article = definePlaybook({
  name: 'article',
  version: 1,
  input: Page,
  output: z.null(),
  async run(ctx, page) {
    await ctx.act(news, { subject: 'New prices' })
    return ctx.act(publish, page)
  },
})
const gate = policy([
  policy.rule('our own site', { on: publish }, () => policy.allow()),
  policy.rule('our own news', { on: news }, () => policy.allow()),
])
const keelson = await createConductor({ store: memoryStore(), playbooks: [article], policy: gate })
const run = await keelson.start(article, { slug: 'prices', body: '2027' }, { id: 'article:prices' })
await run.result()
// #region revert
const plan = await keelson.revert.plan({ run: run.id })
for (const line of plan.lines)
  console.log(`${line.can ? 'can' : 'cannot'} take back: ${line.kind === 'effect' ? line.action : line.what}`)
const reverting = await keelson.revert.apply(plan, { by: { kind: 'person', id: 'ann' } })
const { undone, failed, left } = await reverting.result()
// #endregion
console.log(`undone ${undone.length}, failed ${failed.length}, left: ${left.map(({ why }) => why).join()}`)
console.log(`/prices holds ${site.get('prices')}`)
await keelson.stop()
