/** Dropped: a run that ends without what its code asked for says so, and a test of it fails. */
import { action, definePlaybook, policy, type Context, type Playbook } from '@keelson/core'
import { exploreCrashes, fake, testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.null(),
  run: async () => ({ output: null }),
})
const gate = policy([policy.rule('free', { on: send }, () => policy.allow())])
const boom = (): never => {
  throw new Error('boom')
}
const sure = { retry: { attempts: 1 } }

const careless = (name: string, run: (ctx: Context) => Promise<unknown>): Playbook<Record<string, never>, string> =>
  definePlaybook({
    name,
    version: 1,
    uses: [send],
    input: z.object({}),
    output: z.string(),
    run: async (ctx) => {
      await run(ctx)
      return 'done'
    },
  })

/* eslint-disable @typescript-eslint/no-floating-promises -- that is what these are about */
const STEP = careless('step', async (ctx) => {
  ctx.step('fails', boom, sure)
})
const BEHIND = careless('behind', async (ctx) => {
  await ctx.sleep('1h')
  ctx.step('fails', boom, sure)
})
const RETRIED = careless('retried', async (ctx) => {
  await ctx.step('first', () => 1)
  ctx.step('fails', boom)
})
const EARLIER = careless('earlier', async (ctx) => {
  ctx.step('fails', boom, sure)
  await ctx.step('other', () => 1)
  await ctx.step('another', () => 1)
})
const LOOP = careless('loop', async (ctx) => {
  for (const to of ['ann', 'bob', 'eve']) ctx.act(send, { to })
})
const HELPER = careless('helper', async (ctx) => {
  const all = async (): Promise<void> => {
    for (const to of ['ann', 'bob', 'eve']) await ctx.act(send, { to }, { key: to })
  }
  all()
  await ctx.step('meanwhile', () => 1)
})
const BRANCHES = careless('branches', async (ctx) => {
  await ctx.step('first', () => 1)
  ctx.all(
    ['ann', 'bob'],
    (to) => to,
    async (own, to) => {
      await own.step('look', () => 1)
      await own.act(send, { to })
    },
  )
})
/* eslint-enable @typescript-eslint/no-floating-promises */
const DROPPING: readonly [string, Playbook<Record<string, never>, string>, RegExp][] = [
  ['a step that failed', STEP, /"fails" failed, and nobody looked: STEP_FAILED: boom/],
  ['a step that would be tried again', RETRIED, /"fails" was not done, its last try failed: STEP_FAILED: boom/],
  ['a step that failed while others went on', EARLIER, /"fails" failed, and nobody looked: STEP_FAILED: boom/],
  ['all effects of a loop but the first', LOOP, /"mail.send" failed, and nobody looked: STEP_KEY_NEEDED/],
  ['what a helper that nobody awaits would do next', HELPER, /"mail.send:\w+(#\d)?" was asked for too late/],
  ['what branches would do next', BRANCHES, /"all\[ann\].mail.send" was asked for too late/],
  ['a step that was never begun', BEHIND, /"fails" was not done/],
]

const TIDY: readonly [string, Playbook<Record<string, never>, string>][] = [
  ['a race lost by a timer', careless('timer', (ctx) => Promise.race([ctx.step('a', () => 1), ctx.sleep('1h')]))],
  [
    'a race lost by a step, which is done all the same',
    careless('loser', (ctx) => Promise.race([ctx.step('a', () => 1), ctx.step('b', () => 2)])),
  ],
  [
    'a race lost by an effect, which is done all the same',
    careless('effect', (ctx) => Promise.race([ctx.step('a', () => 1), ctx.act(send, { to: 'ann' })])),
  ],
  ['a failure that the code catches', careless('caught', (ctx) => ctx.step('a', boom, sure).catch(() => {}))],
  [
    'a failure that is awaited later',
    careless('later', async (ctx) => {
      const failing = ctx.step('a', boom, sure)
      await ctx.step('b', () => 1)
      await failing.then(undefined, () => {})
    }),
  ],
  ['branches of which one fails', careless('some', (ctx) => Promise.allSettled([ctx.step('a', boom, sure)]))],
]

const harness = (mayDrop = false) => ({
  playbooks: [...DROPPING.map(([, playbook]) => playbook), ...TIDY.map(([, playbook]) => playbook)],
  connectors: [fake(send)],
  policy: gate,
  mayDrop,
})

describe('a run that ends without what its code asked for', () => {
  it.each(DROPPING)('drops %s, and a test of it fails', async (_, playbook, line) => {
    const t = await testConductor(harness())
    const said = { code: 'STEP_NOT_AWAITED', message: expect.stringMatching(line) as string }
    const ended = t.start(playbook, {}).then(() => t.advance('1h'))
    await expect(ended).rejects.toMatchObject(said)
    await t.stop()
  })

  it.each(DROPPING)('says that it dropped %s, in the log and in its story', async (_, playbook, line) => {
    const t = await testConductor(harness(true))
    const run = await t.start(playbook, {})
    await t.advance('1h')
    expect(await run.result()).toBe('done')
    expect(t.log.filter((one) => line.test(one.message ?? ''))).toMatchObject([{ level: 'warn' }])
    expect((await t.keelson.audit.story(run.id)).at(-1)).toMatch(line)
    expect((await t.keelson.audit.verify()).faults).toEqual([])
    await t.stop()
  })

  it('is found before any crash', async () => {
    await expect(exploreCrashes((t) => t.start(LOOP, {}), { harness })).rejects.toThrow(/STEP_KEY_NEEDED/)
  })

  it('ends the same, however it is cut, where the test means it to', async () => {
    for (const [, playbook] of DROPPING.slice(0, 4)) {
      const { schedules } = await exploreCrashes((t) => t.start(playbook, {}), { harness: () => harness(true) })
      expect(schedules).toBeGreaterThan(5)
    }
  })
})

describe('a run that drops nothing', () => {
  it.each(TIDY)('may have %s', async (_, playbook) => {
    const t = await testConductor(harness())
    const run = await t.start(playbook, {})
    expect(await run.result()).toBe('done')
    expect(t.log.filter(({ level }) => level === 'warn')).toEqual([])
    await t.stop()
  })
})
