/** Holds whose time comes in a freeze: they can be stopped, changed and put off until it ends, and then go out once. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, defineConnector, definePlaybook, policy } from '@keelson/core'
import { exploreCrashes, fake, intercept, memoryStore, testConductor, type Harness } from '@keelson/testing'

const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))
const letter = { to: 'ada', text: 'Dear Ada' }
const letterIn = z.object({ to: z.string(), text: z.string() })
const sentOut = z.object({ id: z.string() })
const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: letterIn,
  output: sentOut,
  run: real,
})
const mail = defineConnector({ name: 'mail', actions: { send } })
const outline = { name: 'write', version: 1, input: letterIn, output: sentOut } as const
const write = definePlaybook({ ...outline, uses: [mail], run: (ctx, input) => ctx.act(send, input) })
const by = { kind: 'person', id: 'ann' } as const
const gate = policy([policy.rule('window', { on: send }, () => policy.hold('10m'))])
const harness = () => ({ playbooks: [write], connectors: [fake(mail)], policy: gate })

/** A hold whose time has come in a freeze. */
async function stayed(t: Harness) {
  await t.host((keelson) => keelson.freeze({ by, reason: 'a wrong list' }))
  await t.advance('1h')
  const { holds } = await t.host((keelson) => keelson.holds.list())
  expect(holds).toHaveLength(1)
  return holds[0]!
}

async function thaw(t: Harness): Promise<void> {
  await t.host((keelson) => keelson.thaw({ by }))
  await t.advance('1m')
}

describe('a hold whose time comes in a freeze', () => {
  it('is stopped as a hold, and never goes out', async () => {
    const t = await testConductor(harness())
    const run = await t.start(write, letter)
    const { id } = await stayed(t)
    expect(await t.keelson.holds.cancel(id, { by, reason: 'no' })).toEqual({ status: 'done' })
    await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_DECLINED' })
    await thaw(t)
    expect(t.world(send)).toEqual([])
  })

  it('goes out once when the freeze ends, and the story says what it waited for', async () => {
    const t = await testConductor(harness())
    const run = await t.start(write, letter)
    const { id } = await stayed(t)
    expect(await run.status()).toMatchObject({ state: 'waiting' })
    expect(await t.keelson.why(run.id)).toMatch(/frozen.*; thaw\(\) lets it go, reject it to cancel: inbox\.decide\('/)
    await thaw(t)
    expect(t.world(send)).toHaveLength(1)
    expect(await t.keelson.holds.cancel(id, { by, reason: 'no' })).toMatchObject({ status: 'refused', why: 'expired' })
    expect(await t.keelson.audit.story(run.id)).toContainEqual(
      expect.stringContaining('the workspace is frozen: held until that ends'),
    )
  })

  it('takes other words, and sends those', async () => {
    const t = await testConductor(harness())
    await t.start(write, letter)
    const { id, hash } = await stayed(t)
    await t.inbox.decide(id, { hash, by, edit: { text: 'Hello' } })
    await thaw(t)
    expect(t.world(send).map(({ input }) => input.text)).toEqual(['Hello'])
  })

  it('takes a later time, and waits for that though the freeze has ended', async () => {
    const t = await testConductor(harness())
    await t.start(write, letter)
    const { id, frozen } = await stayed(t)
    expect(frozen).toBe(true)
    expect(await t.keelson.holds.reschedule(id, { by, to: '2h' })).toEqual({ status: 'done' })
    expect((await t.keelson.holds.list()).holds[0]).not.toHaveProperty('frozen')
    await thaw(t)
    expect(t.world(send)).toEqual([])
    await t.advance('2h')
    expect(t.world(send)).toHaveLength(1)
  })

  it('stays through a second freeze', async () => {
    const t = await testConductor(harness())
    await t.start(write, letter)
    const { id } = await stayed(t)
    await t.host(async (keelson) => {
      await keelson.thaw({ by })
      await keelson.freeze({ by, reason: 'again' })
    })
    await t.advance('1h')
    if (t.world(send).length === 0) {
      const { holds } = await t.keelson.holds.list()
      expect(holds).toHaveLength(1)
      expect(await t.keelson.holds.cancel(holds[0]!.id, { by, reason: 'no' })).toEqual({ status: 'done' })
    } else expect(await t.keelson.holds.cancel(id, { by, reason: 'no' })).toMatchObject({ why: 'expired' })
    await thaw(t)
    await thaw(t)
    expect(t.world(send).length).toBeLessThanOrEqual(1)
  })

  it.each(['cancel', 'sendNow'] as const)(
    'is answered wherever a freeze meets the pass that lets it go: %s',
    async (verb) => {
      const met = new Set<string>()
      for (let at = 1; at <= 8; at++) {
        let commits = -Infinity
        const data = memoryStore()
        const session = () =>
          intercept(data.session(), {
            before: async (op) => {
              if (op === 'commit' && ++commits === at) await t.keelson.freeze({ by, reason: 'stop' })
            },
          })
        const t = await testConductor({ ...harness(), store: { session, kill: (worker) => data.kill(worker) } })
        const run = await t.start(write, letter)
        commits = 0
        await t.advance('1h')
        if (t.world(send).length > 0) {
          met.add('sent')
          continue
        }
        const [held] = (await t.keelson.holds.list()).holds
        expect(held).toBeDefined()
        const { id, hash } = held!
        const { holds } = t.keelson
        const answer = verb === 'cancel' ? holds.cancel(id, { by, reason: 'no' }) : holds.sendNow(id, { by, hash })
        expect(await answer).toEqual({ status: 'done' })
        await t.advance('1m')
        await thaw(t)
        expect(t.world(send)).toHaveLength(verb === 'cancel' ? 0 : 1)
        expect(['completed', 'declined']).toContain((await run.status()).state)
        met.add('answered')
      }
      expect(met).toEqual(new Set(['sent', 'answered']))
    },
  )

  it('goes out when the freeze ends, where other rules have had a person asked meanwhile', async () => {
    let asks = false
    const rule = policy.rule('window', { on: send }, () => (asks ? policy.ask() : policy.hold('10m')))
    const t = await testConductor({ ...harness(), policy: policy([rule]) })
    const run = await t.start(write, letter)
    asks = true
    await t.advance('1h')
    await t.host((keelson) => keelson.freeze({ by, reason: 'stop' }))
    await t.approve(send)
    await t.advance('1m')
    await thaw(t)
    expect(t.world(send)).toHaveLength(1)
    expect(await run.status()).toMatchObject({ state: 'completed' })
  })

  it.each(['cancel', 'thaw'] as const)('ends the same wherever it is cut: %s', async (verb) => {
    const explored = await exploreCrashes(
      async (t) => {
        const run = await t.start(write, letter)
        await t.host((keelson) => keelson.freeze({ by, reason: 'a wrong list' }))
        await t.advance('1h')
        await t.host(async ({ holds }) => {
          const [held] = (await holds.list()).holds
          if (verb === 'cancel' && held !== undefined) await holds.cancel(held.id, { by, reason: 'no' })
        })
        await thaw(t)
        await t.advance('1h')
        expect(t.world(send)).toHaveLength(verb === 'cancel' ? 0 : 1)
        return { state: (await run.status()).state }
      },
      { harness, depth: 2, limit: 60 },
    )
    expect(explored.schedules).toBeGreaterThan(20)
  })
})
