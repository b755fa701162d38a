/** Looks: how often an effect in doubt is looked for, and tried, before a person is asked, or it has failed. */
import { action, ActionError, policy } from '@keelson/core'
import { testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { code, me } from '../support/open.ts'

interface World {
  tries: number
  looks: number
}

/** An action whose answers are lost until it was tried `lost` times; `look` is called at each look, with its number. */
async function paying(
  over: { lost?: number; attempts?: number; settleWindowMs?: number },
  look: (n: number) => void = () => {},
) {
  const world: World = { tries: 0, looks: 0 }
  const pay = action({
    name: 'bank.pay',
    effect: 'irreversible',
    idempotency: { by: 'lookup' },
    input: z.object({}),
    output: z.object({}),
    settleWindowMs: over.settleWindowMs ?? 60_000,
    timeout: '2s',
    ...(over.attempts === undefined ? {} : { attempts: over.attempts }),
    run() {
      if (++world.tries > (over.lost ?? 1)) return { output: {} }
      throw new Error('socket hang up')
    },
    async reconcile() {
      look(++world.looks)
      return { state: 'not-found' }
    },
  })
  const free = policy([policy.rule('free', { on: pay }, () => policy.allow())])
  const asks = code((ctx) => ctx.act(pay, {}))
  const t = await testConductor({ playbooks: [asks], actions: [pay], policy: free })
  const run = await t.start(asks, {})
  return { t, run, pay, world }
}

/** Processes that die before a window of three seconds is over, until it was looked for `looks` times. */
async function dying(t: Harness, world: World, looks: number): Promise<void> {
  for (let life = 0; life < 20 && world.looks < looks; life++) {
    await t.advance('2s')
    if (world.looks >= looks) return
    await t.crash()
    await t.advance('1s')
  }
}

const asked = async (t: Harness): Promise<string[]> =>
  (await t.inbox.list()).items.map((item) => `${item.kind}: ${JSON.stringify(item)}`)

describe('an effect that a look-up does not find', () => {
  it('is tried as often as its action says by a process that lives, and nobody is asked', async () => {
    const { t, run, world } = await paying({ lost: 11, attempts: 50 })
    await t.advance('1h')
    expect(await asked(t)).toEqual([])
    expect(await run.status()).toMatchObject({ state: 'completed' })
    expect(world.tries).toBe(12)
    await t.stop()
  })

  it('has failed when it was tried as often as its action says, with what was heard last', async () => {
    const { t, run, world } = await paying({ lost: 100, attempts: 3 })
    await t.advance('1h')
    expect((await t.inbox.list()).items.map(({ kind }) => kind)).toEqual(['attention']) // of the run that failed
    await expect(run.result()).rejects.toThrow('socket hang up')
    expect(world.tries).toBe(3)
    await t.stop()
  })

  it('is put to a person after eight looks, where no process worked for long enough, and is looked for anew when told so', async () => {
    const { t, run, pay, world } = await paying({ settleWindowMs: 3000 })
    await dying(t, world, 8)
    const [item, ...others] = await asked(t)
    expect(others).toEqual([])
    expect(item).toContain('it was looked for 8 times and not found, and no process has worked for long enough')
    expect(world).toEqual({ tries: 1, looks: 8 })
    await t.outcome(pay, 'look-again')
    await t.advance('1m')
    expect(await run.status()).toMatchObject({ state: 'completed' })
    expect(world).toEqual({ tries: 2, looks: 10 })
    await t.stop()
  })

  it('is looked for again within five seconds of the first look that failed, however many did not before', async () => {
    const { t, world } = await paying({ settleWindowMs: 3000 }, (n) => {
      if (n === 6) throw new Error('503, once')
    })
    await dying(t, world, 6)
    expect(world.looks).toBe(6)
    await t.advance('5s')
    expect(world.looks).toBeGreaterThan(6)
    await t.stop()
  })

  it('is put to a person after eight looks that failed, with what the last one said, whatever others said', async () => {
    const { t, world } = await paying({ settleWindowMs: 3000 }, (n) => {
      if (n > 4) throw new Error('503, always')
    })
    await dying(t, world, 5)
    await t.advance('1h')
    const [item] = await asked(t)
    expect(item).toContain('503, always')
    expect(world).toEqual({ tries: 1, looks: 12 })
    await t.stop()
  })
})

describe('an effect in doubt again and again', () => {
  const RETRY = new ActionError({ class: 'retry' }, '503')
  const LOST = new Error('socket hang up')

  /** Each try ends as `ends` says, the last of them again and again; no look finds any. */
  async function failing(ends: readonly Error[], by: 'lookup' | 'key' = 'lookup', attempts = 5) {
    let tries = 0
    const base = {
      name: 'bank.pay',
      effect: 'irreversible',
      input: z.object({}),
      output: z.object({}),
      attempts,
    } as const
    const run = () => Promise.reject(ends[Math.min(tries++, ends.length - 1)]!)
    const pay =
      by === 'lookup'
        ? action({ ...base, run, idempotency: { by }, reconcile: async () => ({ state: 'not-found' }) })
        : action({ ...base, run, idempotency: { by } })
    const free = policy([policy.rule('free', { on: pay }, () => policy.allow())])
    const pays = code((ctx) => ctx.act(pay, {}))
    const t = await testConductor({ playbooks: [pays], actions: [pay], policy: free })
    return { t, run: await t.start(pays, {}), tries: () => tries }
  }

  it.each([
    ['fails otherwise at last', [LOST, LOST, LOST, LOST, RETRY]],
    ['failed otherwise first', [RETRY, RETRY, LOST, RETRY]],
    ['fails now so, now so', [LOST, RETRY, LOST, RETRY, LOST, RETRY]],
  ])('is tried no more often than its action says, where it %s', async (_, ends) => {
    const { t, run, tries } = await failing(ends)
    await t.advance('2h')
    expect(tries()).toBe(5)
    await expect(run.result()).rejects.toThrow(ends[4]?.message ?? '503')
    await t.stop()
  })

  it('is tried no more often for a freeze in between', async () => {
    const { t, tries } = await failing([LOST, LOST, LOST, LOST, RETRY])
    for (let times = 0; tries() < 4 && times < 100; times++) await t.advance('10s')
    await t.keelson.freeze({ by: me, reason: 'a look' })
    await t.advance('1h')
    expect(tries()).toBe(4)
    await t.keelson.thaw({ by: me })
    await t.advance('1h')
    expect(tries()).toBe(5)
    await t.stop()
  })

  it('is put to a person once it was tried so often under its key', async () => {
    const { t, tries } = await failing([LOST], 'key', 3)
    await t.advance('2h')
    expect((await t.inbox.list()).items.map(({ kind }) => kind)).toEqual(['outcome-unknown'])
    expect(tries()).toBe(3)
    await t.stop()
  })
})
