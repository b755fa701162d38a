/** Unstorable: an error or an entry that cannot be stored is the run's own fault; the store has not failed. */
import { definePlaybook, type Context, type Playbook } from '@keelson/core'
import { KeelsonError } from '@keelson/core/ports'
import { exploreCrashes, testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const odd = (): never => {
  throw new KeelsonError('INPUT_INVALID', 'no orders', { data: { average: 0 / 0, when: new Date(0) } as never })
}
const playbook = (name: string, run: (ctx: Context) => Promise<unknown>) =>
  definePlaybook({
    name,
    version: 1,
    input: z.object({}),
    output: z.null(),
    run: async (ctx) => (await run(ctx), null),
  })

const throwing = playbook('throws', async () => odd())
const FAILING: readonly Playbook<Record<string, never>, null>[] = [
  throwing,
  playbook('step', (ctx) => ctx.step('odd', odd, { retry: { attempts: 2 } })),
  playbook('branch', (ctx) => ctx.all([1, 2], String, async (own) => own.step('odd', odd, { retry: { attempts: 1 } }))),
  playbook('parent', (ctx) => ctx.call(throwing, {})),
  playbook('swapped', (ctx) => ctx.step((() => 5) as never, 'd' as never)),
]
const harness = () => ({ playbooks: FAILING })

describe('an error whose data cannot be stored', () => {
  it.each(FAILING)('ends its run and harms no store: $name', async (one) => {
    const t = await testConductor(harness())
    const failed: string[] = []
    t.keelson.on('store.failed', ({ message }) => failed.push(message))
    const run = await t.start(one, {})
    const code = one.name === 'swapped' ? 'STEP_KEY_NEEDED' : 'INPUT_INVALID'
    await expect(run.result()).rejects.toMatchObject({ code })
    expect(await run.status()).toMatchObject({ state: 'failed' })
    expect(failed).toEqual([])
    await t.stop()
  })

  it.each(FAILING)('ends the same however it is cut: $name', async (one) => {
    expect((await exploreCrashes((t) => t.start(one, {}), { harness })).schedules).toBeGreaterThan(3)
  })
})

/** Whatever its code does, an entry of a run may turn out to hold what no JSON can. */
const posting = playbook('posting', (ctx) => ctx.checkpoint(NaN as never))
const fine = playbook('fine', (ctx) => ctx.step('fine', () => 1))

describe('an entry that cannot be stored', () => {
  it('sets its run aside, says so in the inbox, and the others go on', async () => {
    const t = await testConductor({ playbooks: [posting, fine] })
    const failed: string[] = []
    t.keelson.on('store.failed', ({ message }) => failed.push(message))
    const run = await t.start(posting, {})
    expect(await run.status()).toMatchObject({ state: 'waiting', for: [{ kind: 'operator' }] })
    const { items } = await t.inbox.list()
    expect(items).toMatchObject([{ title: expect.stringMatching(/it made what cannot be stored: .*is NaN/) as string }])
    expect(await (await t.start(fine, {})).result()).toBeNull()
    expect(failed).toEqual([])
    await t.keelson.runs.cancel(run.id, { by: { kind: 'person', id: 'ann' }, reason: 'of no use' })
    await t.settle()
    expect(await run.status()).toMatchObject({ state: 'cancelled' })
    expect((await t.keelson.audit.verify()).faults).toEqual([])
    await t.stop()
  })
})

describe('a context that is taken for a value', () => {
  it('lists its verbs and nothing else, and is refused by the first of them', async () => {
    const seen: unknown[] = []
    const given = playbook('given', async (ctx) => {
      const copy = { ...ctx }
      const same = copy.memory === ctx.memory && (Object.create(ctx) as Context).memory === ctx.memory
      seen.push(Object.getOwnPropertySymbols(copy).length, Object.keys(ctx).includes('settings'), same)
      await ctx.step('itself', () => ctx)
    })
    const t = await testConductor({ playbooks: [given] })
    await expect((await t.start(given, {})).result()).rejects.toMatchObject({
      code: 'VALUE_NOT_STORABLE',
      message: expect.stringContaining('$.act is a function') as string,
    })
    expect(seen).toEqual([0, true, true])
    await t.stop()
  })
})
