/** Records that are created within one instant stand in the order of their creation, wherever they are looked for. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { action, createConductor, defineEntity, definePlaybook, policy, type Conductor } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { exploreCrashes, fake, testConductor } from '@keelson/testing'
import { temporary } from '../packages/memory-sqlite/test/subject.ts'
import { me, open, store } from './support/open.ts'

const Quote = defineEntity({
  name: 'quote',
  version: 1,
  schema: z.object({ n: z.string(), to: z.string(), status: z.string() }),
  index: ['to', 'status'],
})
const NAMES = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth']
const quote = (n: string) => ({ n, to: 'ada', status: 'draft' })

const send = action({
  ...{ name: 'mail.send', effect: 'irreversible', idempotency: { by: 'key' }, input: z.object({ to: z.string() }) },
  ...{ output: z.null(), run: () => ({ output: null }) },
})

const quotes = definePlaybook({
  name: 'quotes',
  version: 1,
  input: z.object({}),
  output: z.array(z.string()),
  async run(ctx) {
    for (const n of NAMES) await ctx.entities(Quote).create(quote(n))
    await ctx.act(send, { to: 'ada' })
    const { entities } = await ctx.entities(Quote).list({ where: { to: 'ada' } })
    return entities.map(({ data }) => data.n)
  },
})

const looking = policy([
  policy.rule(
    'says which',
    { on: send, look: (mail, look) => ({ one: look.one(Quote, { to: mail.to, status: 'draft' }) }) },
    ({ found }) => policy.ask({ reason: `found ${found.one?.data.n}` }),
  ),
])

/** At one instant, which does not pass. */
const clock = { now: () => Date.UTC(2026, 0, 1), monotonic: () => 0, timer: () => () => {} } as never

async function listed(keelson: Conductor): Promise<string[]> {
  return (await keelson.entities(Quote).list()).entities.map(({ data }) => data.n)
}

describe('records of one instant', () => {
  it('are listed, found and looked up in the order in which a run created them', async () => {
    const t = await testConductor({ playbooks: [quotes], connectors: [fake(send)], policy: looking })
    onTestFinished(() => t.stop())
    const run = await t.start(quotes, {})
    expect((await t.inbox.list()).items[0]?.title).toContain('found first')
    await t.approve(send)
    expect(await run.result()).toEqual(NAMES)
    expect((await t.keelson.entities(Quote).find({ to: 'ada' }))?.data.n).toBe('first')
    const newest = await t.keelson.entities(Quote).list({ first: 'newest', limit: 2 })
    expect(newest.entities.map(({ data }) => data.n)).toEqual(['sixth', 'fifth'])
  })

  it.each([1970, 2260, 9999])('are so under a clock that stands in %d', async (year) => {
    const far = { now: () => Date.UTC(year, 0, 1), monotonic: () => 0, timer: () => () => {} } as never
    const keelson = await open(store(), { playbooks: [], clock: far, work: false })
    for (const n of NAMES) await keelson.entities(Quote, { by: me }).create(quote(n))
    expect(await listed(keelson)).toEqual(NAMES)
  })

  it('go on in that order in the next process, page by page', async () => {
    const data = store()
    for (const n of NAMES) {
      const keelson = await open(data, { playbooks: [], clock, work: false })
      await keelson.entities(Quote, { by: me }).create(quote(n))
      await keelson.stop()
    }
    const keelson = await open(data, { playbooks: [], clock, work: false })
    const found: string[] = []
    for (let after: string | undefined, more = true; more; more = after !== undefined) {
      const page = await keelson.entities(Quote).list({ limit: 2, ...(after === undefined ? {} : { after }) })
      found.push(...page.entities.map(({ data: { n } }) => n))
      after = page.next
    }
    expect(found).toEqual(NAMES)
  })

  it('keep their places in a file, when they change, and in the order of a clock that goes back', async () => {
    const { folder, remove } = temporary()
    onTestFinished(remove)
    let now = Date.UTC(2026, 0, 1)
    const stepping = { now: () => now, monotonic: () => 0, timer: () => () => {} } as never
    const keelson = await createConductor({
      store: sqlite(`${folder}/a.db`),
      playbooks: [],
      clock: stepping,
      work: false,
    })
    onTestFinished(() => keelson.stop())
    const quotes = keelson.entities(Quote, { by: me })
    const made = []
    for (const n of NAMES) {
      made.push(await quotes.create(quote(n)))
      if (n === 'third') now -= 3_600_000
    }
    await quotes.update(made[0]!.id, { status: 'sent' })
    expect(await listed(keelson)).toEqual(NAMES)
  })
})

it('are in that order after a crash at any point', { timeout: 60_000 }, async () => {
  const ok = policy([policy.rule('ok', { on: send }, () => policy.allow())])
  await exploreCrashes(
    async (t) => {
      const run = await t.start(quotes, {}, { id: 'quotes' })
      expect(await run.result()).toEqual(NAMES)
    },
    { harness: () => ({ playbooks: [quotes], connectors: [fake(send)], policy: ok }) },
  )
})
