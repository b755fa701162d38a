/** The ladder of an alert is the one that it began to climb, whatever the host configures meanwhile and wherever it dies. */
import { action, defineConnector, definePlaybook, policy, type AlertRung } from '@keelson/core'
import { exploreCrashes, fake, memoryStore, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const send = action({
  name: 'email.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.object({ id: z.string() }),
  run: () => Promise.reject(new Error('a test reached the real world')),
})
const email = defineConnector({ name: 'email', actions: { send } })
const broken = definePlaybook({
  name: 'broken',
  version: 1,
  input: z.object({}),
  output: z.string(),
  run: (ctx) => ctx.step('fetch', (): string => gone(), { retry: { attempts: 1 } }),
})
function gone(): never {
  throw new Error('gone')
}

/** One host after the other over one store, each with a ladder of its own. */
function hosts(verdict: 'allow' | 'ask' = 'allow'): (ladder: AlertRung[], now?: string) => Promise<Harness> {
  const store = memoryStore()
  const connector = fake(email)
  const rules = policy([policy.rule('alerts', { on: send }, () => policy[verdict]())])
  let last: Harness | undefined
  return async (alerts, now = '2026-01-05T09:00:00Z') => {
    await last?.stop()
    const common = { playbooks: [broken], connectors: [connector], policy: rules, store, alwaysReplay: true }
    last = await testConductor({ ...common, alerts, now, seed: now })
    return last
  }
}

async function trouble(t: Harness): Promise<void> {
  for (let i = 0; i < 3; i++) await t.start(broken, {}, { id: `broken ${i}` })
}

const climb = (t: Harness) => t.keelson.runs.get('alert:exhausted:broken:fetch:1')

describe('the ladder of an alert', () => {
  it.each([
    ['none', () => []],
    ['fewer', (tell: (rung: string) => AlertRung) => [tell('new 1')]],
    ['more, and sooner', (tell: (rung: string) => AlertRung) => [1, 2, 3, 4, 5].map((n) => tell(`new ${n}`))],
    ['others', () => [0, 1, 2].map((): AlertRung => ({ after: '0s', act: () => [send, { to: 'other' }] }))],
  ] as const)('has the rungs of its start, though the host names %s by then', async (_what, later) => {
    const heard: string[] = []
    const tell = (rung: string, after: AlertRung['after'] = '0s'): AlertRung => ({
      after,
      call: () => void heard.push(rung),
    })
    const act: AlertRung = { after: '3h', act: () => [send, { to: 'boss' }] }
    const begin = hosts()
    await trouble(await begin([tell('first'), tell('second', '1h'), tell('third', '2h'), act]))
    expect(heard).toEqual(['first'])
    const ladder = later(tell)
    const t = await begin(ladder, '2026-01-05T09:30:00Z')
    await t.advance('29m')
    expect(heard).toEqual(['first']) // no rung comes sooner than it was to come
    await t.advance('5h')
    expect(await climb(t).status()).toEqual({ state: 'completed' })
    expect(await climb(t).result()).toEqual({ told: 4 })
    expect(heard.slice(1)).toEqual(ladder.slice(1, 3).flatMap((one, n) => ('call' in one ? [`new ${n + 2}`] : [])))
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('does once what a rung had begun to do, though no rung is left', async () => {
    const begin = hosts('ask')
    const first = await begin([{ after: '1h', act: (alert) => [send, { to: `boss: ${alert.count}` }] }])
    await trouble(first)
    await first.advance('1h')
    expect((await first.inbox.list()).items.at(-1)).toMatchObject({ action: 'email.send' })
    const t = await begin([], '2026-01-05T11:00:00Z')
    await t.approve(send)
    expect(t.world(send).map((one) => one.input)).toEqual([{ to: 'boss: 3' }])
    expect(await climb(t).status()).toEqual({ state: 'completed' })
    expect(await climb(t).result()).toEqual({ told: 1 })
    await t.stop()
  })

  it('ends the same wherever the process dies, each rung done once', async () => {
    const explored = await exploreCrashes(
      async (t) => {
        await trouble(t)
        await t.advance('1h')
        await t.advance('1h')
        return [
          t.world(send).map((one) => one.input.to),
          await t.host(({ runs }) => runs.get('alert:exhausted:broken:fetch:1').status()),
        ]
      },
      {
        depth: 2,
        limit: 150,
        harness: () => ({
          playbooks: [broken],
          connectors: [fake(email)],
          policy: policy([policy.rule('alerts', { on: send }, () => policy.allow())]),
          alerts: [1, 2].map((n): AlertRung => ({ after: `${n}h`, act: () => [send, { to: `boss ${n}` }] })),
        }),
      },
    )
    expect(explored.schedules).toBeGreaterThan(100)
  })
})
