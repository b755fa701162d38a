/** Holds whose time came while nothing worked: they can be stopped, changed and put off until a pass lets them go. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, createConductor, defineConnector, definePlaybook, policy, type Held } from '@keelson/core'
import {
  exploreCrashes,
  fake,
  intercept,
  manualClock,
  memoryStore,
  testConductor,
  type Harness,
} from '@keelson/testing'

const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))
const described = {
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string(), text: z.string() }),
  output: z.object({ id: z.string() }),
} as const
const send = action({ ...described, run: real })
const mail = defineConnector({ name: 'mail', actions: { send } })
const outline = { name: 'write', version: 1, input: described.input, output: described.output } as const
const write = definePlaybook({ ...outline, uses: [mail], run: (ctx, input) => ctx.act(send, input) })
const silent = { info: () => {}, warn: () => {}, error: () => {} }
const by = { kind: 'person', id: 'ann' } as const
const gate = policy([policy.rule('window', { on: send }, () => policy.hold('10m'))])
const harness = () => ({ playbooks: [write], connectors: [fake(mail)], policy: gate })
const letter = { to: 'ada', text: 'Dear Ada' }

/** A hold that became due while its company was suspended. */
async function overdue(t: Harness): Promise<Held> {
  await t.host((keelson) => keelson.suspend({ by, reason: 'closed for the day' }))
  await t.advance('1h')
  const { holds } = await t.host((keelson) => keelson.holds.list())
  return holds[0]!
}

async function resume(t: Harness): Promise<void> {
  await t.host((keelson) => keelson.resume({ by }))
  await t.advance('1m')
}

describe('a hold whose time came while nothing worked', () => {
  it('is stopped by another process before the app works again, and then never goes out', async () => {
    const clock = manualClock(Date.parse('2026-01-05T09:00:00Z'))
    const data = memoryStore()
    const sent: string[] = []
    const run = async ({ to }: { to: string }) => (sent.push(to), { output: { id: to } })
    const sends = action({ ...described, run })
    const writes = definePlaybook({ ...outline, uses: [sends], run: (ctx, input) => ctx.act(sends, input) })
    const rule = policy.rule('window', { on: sends }, () => policy.hold('10m'))
    const open = (work: boolean) =>
      createConductor({ store: data.session(), clock, playbooks: [writes], policy: policy([rule]), work, log: silent })
    const first = await open(true)
    await first.start(writes, letter, { id: 'r' })
    await first.quiet()
    await first.stop()
    clock.to(clock.now() + 3_600_000)
    const desk = await open(false)
    const { id } = (await desk.holds.list()).holds[0]!
    expect(await desk.holds.cancel(id, { by, reason: 'no' })).toEqual({ status: 'done' })
    await desk.stop()
    const again = await open(true)
    await expect(again.runs.get('r').result()).rejects.toMatchObject({ code: 'ACTION_DECLINED' })
    expect(sent).toEqual([])
    await again.stop()
  })

  it('takes a no, and is never sent', async () => {
    const t = await testConductor(harness())
    const run = await t.start(write, letter)
    const held = await overdue(t)
    expect(await t.keelson.holds.cancel(held.id, { by, reason: 'no' })).toEqual({ status: 'done' })
    await resume(t)
    await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_DECLINED' })
    expect(t.world(send)).toEqual([])
  })

  it('takes other words, and sends those', async () => {
    const t = await testConductor(harness())
    await t.start(write, letter)
    const { id, hash } = await overdue(t)
    const edit = { text: 'Hello Ada' }
    expect(await t.inbox.decide(id, { hash, by, edit })).toEqual({ status: 'done' })
    await resume(t)
    expect(t.world(send).map(({ input }) => input.text)).toEqual(['Hello Ada'])
  })

  it('takes a later time, and waits for that', async () => {
    const t = await testConductor(harness())
    await t.start(write, letter)
    const { id } = await overdue(t)
    expect(await t.keelson.holds.reschedule(id, { by, to: '2h' })).toEqual({ status: 'done' })
    await resume(t)
    expect(t.world(send)).toEqual([])
    expect((await t.keelson.holds.list()).holds).toHaveLength(1)
    await t.advance('2h')
    expect(t.world(send)).toHaveLength(1)
  })

  it('goes out by itself where nobody said anything, and then takes no more no', async () => {
    const t = await testConductor(harness())
    await t.start(write, letter)
    const { id } = await overdue(t)
    await resume(t)
    expect(t.world(send)).toHaveLength(1)
    expect(await t.keelson.holds.cancel(id, { by, reason: 'no' })).toMatchObject({ status: 'refused', why: 'expired' })
  })

  const comes = {
    cancel: { early: 0, texts: [] },
    edit: { early: 1, texts: ['Hello'] },
    'put off': { early: 0, texts: [letter.text] },
  }

  it.each(['cancel', 'edit', 'put off'] as const)('ends the same wherever it is cut: %s', async (verb) => {
    const explored = await exploreCrashes(
      async (t) => {
        const run = await t.start(write, letter)
        const held = await overdue(t)
        await t.host(async ({ holds, inbox }) => {
          const { id, hash } = held
          if (verb === 'cancel') await holds.cancel(id, { by, reason: 'no' })
          else if (verb === 'edit') await inbox.decide(id, { hash, by, edit: { text: 'Hello' } })
          else if (held.dueAt < '2026-01-05T11') await holds.reschedule(id, { by, to: '2026-01-05T15:00:00Z' })
        })
        await resume(t)
        const early = t.world(send).length
        await t.advance('1d')
        const texts = t.world(send).map(({ input }) => input.text)
        expect({ early, texts }).toEqual(comes[verb])
        return { early, texts, state: (await run.status()).state }
      },
      { harness, depth: 2, limit: 60 },
    )
    expect(explored.schedules).toBeGreaterThan(20)
  })

  it('is either stopped or sent when a no meets the pass that lets it go', async () => {
    const outcomes = new Set<string>()
    for (let at = 1; at <= 12; at++) {
      let commits = -Infinity
      let said = 'none'
      const data = memoryStore()
      const session = () =>
        intercept(data.session(), {
          before: async (op) => {
            if (op !== 'commit' || ++commits !== at) return
            const [held] = (await t.keelson.holds.list()).holds
            if (held !== undefined) said = (await t.keelson.holds.cancel(held.id, { by, reason: 'no' })).status
          },
        })
      const t = await testConductor({ ...harness(), store: { session, kill: (worker) => data.kill(worker) } })
      await t.start(write, letter)
      commits = 0
      await t.advance('1h')
      expect(t.world(send)).toHaveLength(said === 'done' ? 0 : 1)
      outcomes.add(said)
    }
    expect(outcomes).toContain('done')
  })
})
