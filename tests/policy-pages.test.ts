/** Other rules over a company in which thousands of effects may be open: woken a page at a time, none missed, none twice. */
import { action, defineConnector, definePlaybook, policy, type PolicyGate, type Rule } from '@keelson/core'
import type { MemoryStore, PassUnit } from '@keelson/core/ports'
import {
  exploreCrashes,
  fake,
  intercept,
  memoryStore,
  storeFailure,
  testConductor,
  type Detail,
  type Harness,
  type Operation,
} from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))
const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.object({}),
  run: real,
})
const deploy = action({
  name: 'host.deploy',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({}),
  output: z.object({}),
  run: real,
})
const mail = defineConnector({ name: 'mail', actions: { send } })
const host = defineConnector({ name: 'host', actions: { deploy } })
const post = definePlaybook({
  name: 'post',
  version: 1,
  input: z.object({ to: z.string() }),
  output: z.object({}),
  run: (ctx, input) => ctx.act(send, input),
})
const release = definePlaybook({
  name: 'release',
  version: 1,
  input: z.object({}),
  output: z.object({}),
  run: (ctx) => ctx.act(deploy, {}),
})

const free = policy.rule('free', { on: deploy }, () => policy.allow())
const before: Rule[] = [
  free,
  policy.rule('mail', { on: send }, ({ input }) => (input.to.startsWith('held') ? policy.hold('1h') : policy.ask())),
]
/** Some are denied, some asked anew, some sent, some held longer; the others stay as they are. */
const after: Rule[] = [
  free,
  policy.rule('mail', { on: send }, ({ input }) => {
    if (input.to.endsWith('1')) return policy.deny('no ones')
    if (input.to.endsWith('2')) return policy.allow()
    return input.to.startsWith('held') ? policy.hold('2h') : policy.ask()
  }),
  policy.rule('threes', { on: send }, ({ input }) => (input.to.endsWith('3') ? policy.ask() : policy.allow())),
]

const NOW = '2026-01-05T09:00:00Z'
const COUNT = 205
const names = Array.from({ length: COUNT }, (_, n) => `${n % 3 === 0 ? 'held' : 'asked'} ${n}`)

/** A store with many open effects under the rules of before. */
async function filled(): Promise<ReturnType<typeof memoryStore>> {
  const store = memoryStore()
  const t = await testConductor({ playbooks: [post], connectors: [fake(mail)], policy: policy(before), store })
  await t.host(async (keelson) => {
    for (const to of names) await keelson.start(post, { to }, { id: to })
  })
  await t.stop()
  return store
}

/** What is asked and held, as 'name: what', and how each run stands. */
async function whatIsLeft(t: Harness): Promise<unknown> {
  const left: string[] = []
  for (let after: string | undefined; ;) {
    const page = await t.inbox.list({ limit: 500, ...(after === undefined ? {} : { after }) })
    for (const item of page.items) {
      if (item.kind !== 'approval') continue
      const { to } = item.input as { to: string }
      const held = item.dueAt === undefined ? 0 : Date.parse(item.dueAt) - Date.parse(NOW)
      left.push(
        `${to}: ${held > 0 ? `held ${held / 3_600_000}h` : item.title.includes('Changed') ? 'changed' : 'asked'}`,
      )
    }
    after = page.next
    if (after === undefined) break
  }
  const runs = await Promise.all(names.map(async (id) => (await t.keelson.runs.get(id).status()).state))
  return {
    sent: t
      .world(send)
      .map((one) => one.input.to)
      .sort(),
    left: left.sort(),
    runs,
  }
}

/** As it must end, by the text of the rules. */
function expected(): unknown {
  const left = names.flatMap((to) => {
    if (/[12]$/.test(to)) return []
    if (to.endsWith('3')) return [`${to}: changed`]
    return [`${to}: ${to.startsWith('held') ? 'held 2h' : 'asked'}`]
  })
  const runs = names.map((to) => (to.endsWith('1') ? 'failed' : to.endsWith('2') ? 'completed' : 'waiting'))
  return { sent: names.filter((to) => to.endsWith('2')).sort(), left: left.sort(), runs }
}

const setUp = (store: { session(): MemoryStore; kill(worker: string): void | Promise<void> }) => ({
  playbooks: [post],
  connectors: [fake(mail)],
  policy: policy(after),
  store,
})

describe('rules that change while much is open', () => {
  it('wake what is open in units that are bounded, each effect once', async () => {
    const data = await filled()
    const woken: string[][] = []
    const session = () =>
      intercept(data.session(), {
        before(op, detail) {
          if (op !== 'commit' && op !== 'write') return
          const { deliveries = [] } = detail[1] as { deliveries?: { kind: string; run: string }[] }
          const wakes = deliveries.filter((one) => one.kind === 'wake').map((one) => one.run)
          if (wakes.length > 0) woken.push(wakes)
        },
      })
    const t = await testConductor(setUp({ session, kill: (worker) => data.kill(worker) }))
    await t.settle()
    expect(woken.map((one) => one.length)).toEqual([100, 100, 5])
    expect(new Set(woken.flat()).size).toBe(COUNT)
    expect(await whatIsLeft(t)).toEqual(expected())
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  const cuts = [
    { key: 'page 1', when: 'after' },
    { key: 'page 2', when: 'before' },
    { key: 'page 2', when: 'failing' },
    { key: 'page 3', when: 'after' },
  ] as const
  it.each(cuts)('miss nothing, and judge nothing twice, when they are cut $when $key', async ({ key, when }) => {
    const data = await filled()
    let cut = false
    const hit = (op: Operation, detail: Detail): boolean => {
      if (cut || op !== 'commit') return false
      return (cut =
        (detail[1] as PassUnit).entries?.some((one) => one.key === key && one.kind === 'step.completed') === true)
    }
    const session = () =>
      intercept(data.session(), {
        before(op, detail) {
          if (when === 'after' || !hit(op, detail)) return
          if (when === 'failing') throw storeFailure()
          void t.crash()
        },
        after(op, detail) {
          if (when === 'after' && hit(op, detail)) void t.crash()
        },
      })
    const t: Harness = await testConductor(setUp({ session, kill: (worker) => data.kill(worker) }))
    await t.settle()
    expect(cut).toBe(true)
    expect(await whatIsLeft(t)).toEqual(expected())
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('end the same wherever the process dies, or its store fails', async () => {
    const explored = await exploreCrashes(
      async (t) => {
        for (const to of ['asked 1', 'asked 2', 'asked 3', 'held 4']) await t.start(post, { to }, { id: to })
        await t.start(release, {}, { id: 'release' }) // from now on, a conductor that begins has the new rules
        await t.crash()
        await t.advance('3h')
        const { items } = await t.host(({ inbox }) => inbox.list())
        return [items.map((one) => one.title), t.world(send).map((one) => one.input.to)]
      },
      {
        depth: 2,
        limit: 80,
        harness: () => {
          let released = false
          const deploying = fake(host, { 'host.deploy': () => ((released = true), {}) })
          const now = () => policy(released ? after : before)
          const rules: PolicyGate = {
            get version() {
              return now().version
            },
            get rules() {
              return now().rules
            },
          }
          return { playbooks: [post, release], connectors: [fake(mail), deploying], policy: rules }
        },
      },
    )
    expect(explored.schedules).toBeGreaterThan(60)
  })
})
