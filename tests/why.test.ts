/** Why: what a run waits for is told with its reason, and how it ended with what can still be done about it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, ActionError, createConductor, definePlaybook, policy } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { manualClock, testConductor } from '@keelson/testing'
import { shared } from './support/terminal.ts'

const shape = { input: z.object({}), output: z.object({}) }
const log = { info: () => {}, warn: () => {}, error: () => {} }

function payments(verdict: 'allow' | 'hold') {
  const pay = action({
    name: 'bank.pay',
    effect: 'irreversible',
    idempotency: { by: 'key' },
    ...shape,
    run: () => {
      throw new ActionError({ class: 'rate-limited', afterMs: 3_600_000 }, '429 from\nthe bank')
    },
  })
  const rule = policy.rule('money', { on: pay }, () => (verdict === 'allow' ? policy.allow() : policy.hold('1s')))
  const settle = definePlaybook({ name: 'settle', version: 1, ...shape, run: (ctx) => ctx.act(pay, {}) })
  return { playbooks: [settle], actions: [pay], policy: policy([rule]), settle }
}

describe('why', () => {
  it.each(['allow', 'hold'] as const)('says why an effect is tried again (%s)', async (verdict) => {
    const { settle, ...setUp } = payments(verdict)
    const t = await testConductor(setUp)
    const run = await t.start(settle, {})
    await t.advance('1m')
    expect(await t.keelson.why(run.id)).toMatch(/bank\.pay is tried again: 429 from the bank; next at 2026-01-05T10:0/)
    await t.stop()
  })

  it('says why a step is tried again', async () => {
    const fetches = definePlaybook({
      name: 'fetches',
      version: 1,
      ...shape,
      run: (ctx) => ctx.step('fetch', () => fail('the host is away'), { retry: { attempts: 3, first: '1h' } }),
    })
    const t = await testConductor({ playbooks: [fetches] })
    const run = await t.start(fetches, {})
    expect(await t.keelson.why(run.id)).toContain('step "fetch" is tried again: the host is away; next at ')
    await t.stop()
  })

  it('says of a question that climbs whom it goes on to, and of one that reminds that it does, not that it ends', async () => {
    const asks = definePlaybook({
      name: 'asks',
      version: 1,
      ...shape,
      run: async (ctx) => (
        await ctx.approve('Really?', {
          escalate: [
            { after: '1h', to: 'lead' },
            { after: '3h', to: 'owner' },
          ],
        }),
        {}
      ),
    })
    const t = await testConductor({ playbooks: [asks] })
    const run = await t.start(asks, {})
    const said: string[] = []
    for (const time of ['0s', '1h', '2h'] as const) {
      await t.advance(time)
      said.push(/Really\?(.*?); answer it/.exec(await t.keelson.why(run.id))![1]!)
    }
    expect(said).toEqual([
      '; goes on to lead at 2026-01-05T10:00:00.000Z',
      '; goes on to owner at 2026-01-05T12:00:00.000Z',
      '; reminds at 2026-01-06T12:00:00.000Z',
    ])
    await t.stop()
  })
})

describe('why, at the terminal', () => {
  const { run: keelson, end } = shared()
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keelson-why-'))
  })
  afterAll(async () => {
    end()
    await rm(folder, { recursive: true, force: true })
  })

  it('names of a run that failed the item that is open and the command, and after a retry that it is due', async () => {
    const store = join(folder, 'failed.db')
    const fails = definePlaybook({
      name: 'fails',
      version: 1,
      ...shape,
      run: (ctx) => ctx.step('fetch', () => fail('gone'), { retry: { attempts: 1 } }),
    })
    const clock = manualClock(Date.parse('2026-01-05T09:00:00Z'))
    const app = await createConductor({ store: sqlite(store), playbooks: [fails], log, clock })
    await app.start(fails, {}, { id: 'r' })
    await app.quiet()
    const [item] = (await app.inbox.list({ run: 'r' })).items
    await app.stop()
    const { stdout } = await keelson(['why', store, 'r'])
    expect(stdout).toMatch(/is failed: STEP_FAILED: .*gone/)
    expect(stdout).toContain(
      `open in the inbox: ${item!.title}; answer it: npx keelson retry ${store} ${item!.id} (or dismiss)`,
    )
    expect(await keelson(['retry', store, item!.id, '--yes'])).toMatchObject({ code: 0 })
    const due = (await keelson(['why', store, 'r'])).stdout
    expect(due).toMatch(
      /^run r \(fails@1\) is due: a process that works on this store takes it; where none does, nothing happens\n/,
    )
    expect(due).toMatch(/\n {2}it goes on after it was failed: STEP_FAILED: .*gone/)
  })
})

function fail(message: string): never {
  throw new Error(message)
}
