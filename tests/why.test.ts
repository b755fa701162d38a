/** Why: what a run waits for is told with its reason, and how it ended with what can still be done about it. */
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, ActionError, createConductor, defineEvent, definePlaybook, policy } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { manualClock, testConductor } from '@keelson/testing'
import { shared } from './support/terminal.ts'

const shape = { input: z.object({}), output: z.object({}) }
const ann = { kind: 'person', id: 'ann' } as const
const nine = '2026-01-05T09:00:00.000Z'
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

  it('says of an effect in doubt that it is, and when it is looked for', async () => {
    const pay = action({
      ...{
        name: 'bank.pay',
        effect: 'irreversible',
        idempotency: { by: 'lookup' },
        settleWindowMs: 3_600_000,
        ...shape,
      },
      run: () => {
        throw new Error('socket hang up')
      },
      reconcile: async () => ({ state: 'not-found' }),
    })
    const pays = definePlaybook({ name: 'pays', version: 1, ...shape, run: (ctx) => ctx.act(pay, {}) })
    const rule = policy.rule('money', { on: pay }, () => policy.allow())
    const t = await testConductor({ playbooks: [pays], actions: [pay], policy: policy([rule]), now: nine })
    const run = await t.start(pays, {})
    expect(await t.keelson.why(run.id)).toMatch(
      /^ {2}- since \S+ whether bank\.pay happened is in doubt; it is looked for again at 2026-01-05T10:00:00\.000Z$/m,
    )
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

describe('what a run waits for', () => {
  const go = defineEvent({ name: 'go', schema: z.object({}) })

  it('is told with the instant since when, which a reminder does not move', async () => {
    const waits = definePlaybook({
      name: 'waits',
      version: 1,
      ...shape,
      run: async (ctx) => {
        await Promise.race([
          ctx.ask('Really?', { answer: z.string(), onSilence: 'remind', timeout: '1h' }),
          ctx.waitFor(go),
          ctx.sleep('2d'),
        ])
        return {}
      },
    })
    const t = await testConductor({ playbooks: [waits] })
    const run = await t.start(waits, {})
    await t.advance('1h')
    const status = await run.status()
    expect(status.state === 'waiting' && status.for.map(({ since }) => since)).toEqual([nine, nine, nine])
    expect((await t.keelson.why(run.id)).match(/- since 2026-01-05T09:00:00\.000Z for /g)).toHaveLength(3)
    await t.host((keelson) => keelson.runs.pause(run.id, { by: ann, reason: 'lunch' }))
    await t.advance('1h')
    expect(await t.keelson.why(run.id)).toContain(
      'since 2026-01-05T10:00:00.000Z because it is paused by ann: lunch; resume() ends it',
    )
    await t.stop()
  })

  it('is found in the runs that it has called, with the item that answers', async () => {
    const ask = definePlaybook({
      name: 'ask',
      version: 1,
      ...shape,
      run: async (ctx) => (await ctx.ask('How deep?', { answer: z.string() }), {}),
    })
    const between = definePlaybook({ name: 'between', version: 1, ...shape, run: (ctx) => ctx.call(ask, {}) })
    const top = definePlaybook({ name: 'top', version: 1, ...shape, run: (ctx) => ctx.call(between, {}) })
    const t = await testConductor({ playbooks: [top, between, ask] })
    await t.start(top, {}, { id: 'r' })
    const [item] = (await t.inbox.list()).items
    expect(await t.keelson.why('r')).toContain(
      `for an answer: How deep? (in run r/between/ask); answer it: inbox.decide('${item!.id}', …)`,
    )
    expect(await t.keelson.runs.get('r').status()).toMatchObject({ for: [{ kind: 'question', inbox: item!.id }] })
    await t.stop()
  })

  it('is looked for in so many of them, and no more', async () => {
    const leaf = definePlaybook({
      name: 'leaf',
      version: 1,
      ...shape,
      run: async (ctx) => (await ctx.waitFor(go), {}),
    })
    const many = definePlaybook({
      name: 'many',
      version: 1,
      ...shape,
      run: async (ctx) => (
        await ctx.all(
          Array.from({ length: 120 }, (_, n) => n),
          String,
          (own) => own.call(leaf, {}),
        ),
        {}
      ),
    })
    const t = await testConductor({ playbooks: [many, leaf] })
    const run = await t.start(many, {})
    const status = await run.status()
    const kinds = status.state === 'waiting' ? status.for.map(({ kind }) => kind) : []
    expect([kinds.length, kinds.filter((kind) => kind === 'child').length]).toEqual([120, 20])
    await t.stop()
  })

  it('is its lane where another run holds that', async () => {
    const laned = definePlaybook({
      name: 'laned',
      version: 1,
      ...shape,
      serialize: () => 'one',
      run: async (ctx) => (await ctx.waitFor(go), {}),
    })
    const t = await testConductor({ playbooks: [laned] })
    await t.keelson.start(laned, {}, { id: 'first' })
    await t.keelson.start(laned, {}, { id: 'second' })
    await t.settle()
    expect(await t.keelson.runs.get('second').status()).toEqual({
      state: 'waiting',
      for: [{ kind: 'lane', what: 'lane "laned:one", which run first is in', run: 'first' }],
    })
    expect(await t.keelson.why('second')).toContain('for its turn in lane "laned:one", which run first is in')
    const { runs } = await t.keelson.runs.list()
    expect(runs.map(({ status }) => status.state === 'waiting' && status.for[0]!.kind)).toEqual(['event', 'lane'])
    await t.keelson.runs.cancel('first', { by: ann, reason: 'no' })
    await t.settle()
    expect(await t.keelson.runs.get('second').status()).toMatchObject({ for: [{ kind: 'event' }] })
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

  it('says of a copy that it is to be adopted, and of nothing else that would end that', async () => {
    const [first, copy] = [join(folder, 'first.db'), join(folder, 'copy.db')]
    const { settle, ...setUp } = payments('allow')
    const one = await createConductor({ store: sqlite(first), ...setUp, log })
    await one.start(settle, {}, { id: 'before' })
    await one.quiet()
    await one.stop()
    await copyFile(first, copy)
    const app = await createConductor({ store: sqlite(copy), ...setUp, log })
    await app.start(settle, {}, { id: 'r' })
    await app.quiet()
    const why = await app.why('r')
    await app.stop()
    expect(why).toMatch(/frozen: this store is a copy of another; adopt\(\) it to let it act; adopt\(\) ends it/)
    const { stdout } = await keelson(['why', copy, 'r'])
    expect(stdout).toContain(`adopt() it to let it act; adopt it: npx keelson adopt ${copy}`)
    expect([why, stdout].join()).not.toContain('thaw')
  })
})

function fail(message: string): never {
  throw new Error(message)
}
