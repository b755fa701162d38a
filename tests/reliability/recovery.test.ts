/** Reliability 7, 8, 15, 17, 35: crashes, poison, lost leases, verbs, hot reload: runs go on, or wait visibly. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createConductor, defineEntity, defineEvent, definePlaybook, type Context } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { code, me, open, store } from '../support/open.ts'

const go = defineEvent({ name: 'go', schema: z.object({}) })

describe('a poison run among a hundred', () => {
  it('#17 is the only one that is quarantined, and all others end', async () => {
    const data = store()
    let die: (() => void) | undefined
    const started = Promise.withResolvers<void>()
    const work = definePlaybook({
      name: 'work',
      version: 1,
      input: z.object({ n: z.number() }),
      output: z.object({ n: z.number() }),
      async run(ctx, { n }) {
        await ctx.step('first', () => n)
        await ctx.step('second', async () => {
          if (n !== 42) return n
          await started.promise
          die?.()
          return new Promise<number>(() => {}) // the process is gone
        })
        return { n }
      },
    })
    let session = data.session()
    const start = async () => {
      const conductor = await createConductor({
        store: session,
        playbooks: [work],
        keepAlive: false,
        log: { info() {}, warn() {}, error() {} },
      })
      return conductor
    }
    let conductor = await start()
    let deaths = 0
    const died = () =>
      new Promise<void>((resolve) => {
        die = () => {
          deaths++
          session.kill()
          conductor.abandon()
          setImmediate(resolve)
        }
      })
    let death = died()
    for (let n = 0; n < 100; n++) await conductor.start(work, { n }, { id: `r${n}` })
    started.resolve()
    for (let round = 0; round < 20; round++) {
      const before = deaths
      await Promise.race([death, conductor.quiet()])
      if (deaths === before) break
      await death
      session = data.session()
      death = died()
      conductor = await start()
    }
    const { runs } = await conductor.runs.list({ limit: 500 })
    const open_ = runs.filter((run) => run.status.state === 'waiting')
    expect(open_.map((run) => run.id)).toEqual(['r42'])
    expect(await conductor.why('r42')).toContain('RUN_QUARANTINED')
    expect(runs.filter((run) => run.status.state === 'completed')).toHaveLength(99)
    expect(deaths).toBeGreaterThanOrEqual(4)
    await conductor.stop()
  })
})

describe('two conductors on one store', () => {
  it('#8 run a thousand runs, each step recorded once', async () => {
    const data = store()
    const did = new Map<string, number>()
    const work = definePlaybook({
      name: 'work',
      version: 1,
      input: z.object({ id: z.string() }),
      output: z.object({}),
      async run(ctx, { id }) {
        await ctx.step('a', () => void did.set(id, (did.get(id) ?? 0) + 1) as never)
        await ctx.step('b', () => 1)
        return {}
      },
    })
    const one = await open(data, { playbooks: [work] })
    const two = await open(data, { playbooks: [work] })
    const runs = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? one : two).start(work, { id: `r${i}` }, { id: `r${i}` })),
    )
    await Promise.all(runs.map((run) => run.result()))
    expect(did.size).toBe(1000)
    expect([...did.values()].every((times) => times === 1)).toBe(true)
    expect(await one.audit.verify()).toMatchObject({ ok: true })
  })

  it('#7 never both record: the one that lost its lease is fenced', async () => {
    const data = store()
    const session = data.session()
    const release = Promise.withResolvers<string>()
    const began = Promise.withResolvers<void>()
    let calls = 0
    const slow = code(async (ctx) =>
      ctx.step('slow', async () => {
        calls++
        if (calls > 1) return 'second'
        began.resolve()
        return release.promise
      }),
    )
    const zombie = await createConductor({
      store: session,
      playbooks: [slow],
      keepAlive: false,
      log: { info() {}, warn() {}, error() {} },
    })
    await zombie.start(slow, {}, { id: 'r' })
    await began.promise
    session.kill() // it does not know: its pass goes on
    const heir = await open(data, { playbooks: [slow] })
    const run = heir.runs.get('r')
    expect(await run.result()).toBe('second')
    release.resolve('first')
    await new Promise((resolve) => setImmediate(resolve))
    expect(await run.result()).toBe('second')
    expect(await heir.audit.verify()).toMatchObject({ ok: true })
    zombie.abandon()
  })
})

describe('another run that changes an entity between two passes', () => {
  it('does not change what the first one read', async () => {
    const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ stage: z.string() }) })
    const seen: string[] = []
    const reader = definePlaybook({
      name: 'reader',
      version: 1,
      input: z.object({ id: z.string() }),
      output: z.object({ stage: z.string() }),
      async run(ctx, { id }) {
        const customer = await ctx.entities(Customer).get(id)
        seen.push(customer.data.stage)
        await ctx.waitFor(go)
        return { stage: customer.data.stage }
      },
    })
    const t = await testConductor({ playbooks: [reader] })
    const { id } = await t.keelson.entities(Customer).create({ stage: 'old' })
    const run = await t.start(reader, { id })
    await t.keelson.entities(Customer).update(id, { stage: 'new' })
    await t.crash()
    await t.send(go, {})
    expect(await run.result()).toEqual({ stage: 'old' })
    expect(new Set(seen)).toEqual(new Set(['old']))
    await t.stop()
  })

  it('makes an update with an expected version a conflict, live and on replay', async () => {
    const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ stage: z.string() }) })
    const writer = definePlaybook({
      name: 'writer',
      version: 1,
      input: z.object({ id: z.string() }),
      output: z.string(),
      async run(ctx, { id }) {
        const customer = await ctx.entities(Customer).get(id)
        await ctx.waitFor(go)
        try {
          await ctx.entities(Customer).update(id, { stage: 'mine' }, { expect: customer.version })
          return 'written'
        } catch (error) {
          const caught = (error as { code: string }).code
          await ctx.sleep('1h')
          return caught
        }
      },
    })
    const t = await testConductor({ playbooks: [writer] })
    const { id } = await t.keelson.entities(Customer).create({ stage: 'old' })
    const run = await t.start(writer, { id })
    await t.keelson.entities(Customer).update(id, { stage: 'theirs' })
    await t.send(go, {})
    await t.crash()
    await t.advance('1h')
    expect(await run.result()).toBe('ENTITY_CONFLICT')
    expect((await t.keelson.entities(Customer).get(id)).data.stage).toBe('theirs')
    expect((await t.keelson.entities(Customer).timeline(id)).map((event) => event.what)).toEqual([
      'customer created',
      'customer updated',
    ])
    await t.stop()
  })
})

describe('a verb', () => {
  it('tries a failed step again, and the run goes on', async () => {
    let broken = true
    const flaky = code(async (ctx) => {
      const a = await ctx.step('a', () => 'a')
      return [
        a,
        await ctx.step('b', () => (broken ? Promise.reject(new Error('down')) : 'b'), { retry: { attempts: 1 } }),
      ]
    })
    const t = await testConductor({ playbooks: [flaky] })
    const run = await t.start(flaky, {})
    await expect(run.result()).rejects.toMatchObject({ message: 'down' })
    expect((await t.inbox.list()).items).toMatchObject([
      { kind: 'attention', allows: ['retry', 'dismiss', 'delegate'] },
    ])
    broken = false
    await t.keelson.runs.retry(run.id, { by: me })
    await t.settle()
    expect(await run.result()).toEqual(['a', 'b'])
    expect((await t.inbox.list()).items).toEqual([])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('is reached from the inbox item that a failure raised', async () => {
    let broken = true
    const flaky = code(async (ctx) =>
      ctx.step('b', () => (broken ? Promise.reject(new Error('down')) : 'b'), { retry: { attempts: 1 } }),
    )
    const t = await testConductor({ playbooks: [flaky] })
    const run = await t.start(flaky, {})
    const item = (await t.inbox.list()).items[0]!
    broken = false
    await t.inbox.decide(item.id, { hash: item.hash, by: me, retry: true })
    await t.settle()
    expect(await run.result()).toBe('b')
    await t.stop()
  })

  it('sets the outcome of a step by hand, and says who', async () => {
    const stuck = code(async (ctx) => [
      await ctx.step('a', () => Promise.reject(new Error('never')), { retry: { attempts: 1 } }),
      'end',
    ])
    const t = await testConductor({ playbooks: [stuck] })
    const run = await t.start(stuck, {})
    await t.keelson.runs.setOutcome(run.id, { by: { ...me, name: 'Maria' }, step: 'a', outcome: 'by hand' })
    await t.settle()
    expect(await run.result()).toEqual(['by hand', 'end'])
    expect((await t.keelson.audit.story(run.id)).join('\n')).toContain('Maria set the outcome of "a" by hand')
    await t.stop()
  })

  it('runs again from a checkpoint, keeping what is before it', async () => {
    const did: string[] = []
    const step = (ctx: Context, name: string) => ctx.step(name, () => did.push(name))
    const long = code(async (ctx) => {
      await step(ctx, 'a')
      await ctx.checkpoint('half')
      await step(ctx, 'b')
      await ctx.waitFor(go)
      return did.length
    })
    const t = await testConductor({ playbooks: [long] })
    const run = await t.start(long, {})
    await t.keelson.runs.restart(run.id, { by: me, checkpoint: 'half' })
    await t.settle()
    expect(did).toEqual(['a', 'b', 'b'])
    await t.keelson.runs.restart(run.id, { by: me, from: 'start' })
    await t.settle()
    expect(did).toEqual(['a', 'b', 'b', 'a', 'b'])
    await t.send(go, {})
    expect(await run.result()).toBe(5)
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('that aims at what the run has not is refused at once', async () => {
    const wait = code(async (ctx) => ctx.waitFor(go))
    const t = await testConductor({ playbooks: [wait] })
    const run = await t.start(wait, {})
    const missing = { code: 'STEP_NOT_FOUND' }
    await expect(t.keelson.runs.retry(run.id, { by: me, step: 'nope' })).rejects.toMatchObject(missing)
    await expect(t.keelson.runs.restart(run.id, { by: me, checkpoint: 'nope' })).rejects.toMatchObject(missing)
    await expect(t.keelson.runs.setOutcome(run.id, { by: me, step: 'x', outcome: 1 })).rejects.toMatchObject(missing)
    await t.stop()
  })

  it('pauses and resumes, and an event in between is not lost', async () => {
    const wait = code(async (ctx) => (await ctx.waitFor(go)) && 'gone')
    const t = await testConductor({ playbooks: [wait] })
    const run = await t.start(wait, {})
    await t.keelson.runs.pause(run.id, { by: me, reason: 'lunch' })
    await t.settle()
    await t.send(go, {})
    expect(await t.keelson.why(run.id)).toContain('paused by me: lunch')
    await t.keelson.runs.resume(run.id, { by: me })
    await t.settle()
    expect(await run.result()).toBe('gone')
    await t.stop()
  })

  it('cancels a run and its child, and its code is not resumed', async () => {
    let resumed = 0
    const child = code(async (ctx) => ctx.waitFor(go), { name: 'child' })
    const parent = code(async (ctx) => {
      resumed++
      return ctx.call(child, {})
    })
    const t = await testConductor({ playbooks: [parent, child] })
    const run = await t.start(parent, {})
    const before = resumed
    await t.keelson.runs.cancel(run.id, { by: me, reason: 'enough' })
    await t.settle()
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_CANCELLED' })
    const { runs } = await t.keelson.runs.list({ playbook: 'child' })
    expect(runs.map((one) => one.status.state)).toEqual(['cancelled'])
    expect(resumed).toBe(before)
    await expect(t.keelson.runs.cancel(run.id, { by: me, reason: 'again' })).rejects.toMatchObject({
      code: 'RUN_CLOSED',
    })
    await t.stop()
  })
})

describe('a step', () => {
  it('inside a step is refused', async () => {
    const nested = code(async (ctx) => ctx.step('outer', () => ctx.step('inner', () => 1), { retry: { attempts: 1 } }))
    const t = await testConductor({ playbooks: [nested] })
    await expect((await t.start(nested, {})).result()).rejects.toMatchObject({ code: 'NESTED_STEP' })
    await t.stop()
  })

  it('of the same bare name twice at once is refused; in ctx.all each branch has its own', async () => {
    const twice = code(async (ctx) => Promise.all([ctx.step('x', () => 1), ctx.step('x', () => 2)]))
    const t = await testConductor({ playbooks: [twice] })
    await expect((await t.start(twice, {})).result()).rejects.toMatchObject({ code: 'STEP_KEY_NEEDED' })
    const branched = code(
      async (ctx) =>
        ctx.all(
          ['a', 'b'],
          (x) => x,
          (own, x) => own.step('x', () => x),
        ),
      { name: 'branched' },
    )
    const u = await testConductor({ playbooks: [branched], alwaysReplay: true })
    expect(await (await u.start(branched, {})).result()).toEqual(['a', 'b'])
    await t.stop()
    await u.stop()
  })

  it('that takes too long fails with its name and place', async () => {
    const slow = code(async (ctx) =>
      ctx.step('slow', () => new Promise<never>(() => {}), { timeout: '10s', retry: { attempts: 1 } }),
    )
    const t = await testConductor({ playbooks: [slow] })
    await expect((await t.start(slow, {})).result()).rejects.toMatchObject({ code: 'STEP_TIMEOUT' })
    await t.stop()
  })

  it('gives code the same error live and in replay', async () => {
    const seen = new Set<string>()
    const failing = code(async (ctx) => {
      try {
        await ctx.step('bad', () => Promise.reject(new RangeError('too far')), { retry: { attempts: 1 } })
      } catch (error) {
        const {
          name,
          message,
          code: errorCode,
          data,
        } = error as { name: string; message: string; code: string; data: Record<string, string> }
        seen.add(
          `${name} ${message} ${errorCode} ${data['playbook']} ${data['step']} ${data['at']?.includes('recovery.test.ts') ?? false}`,
        )
      }
      await ctx.sleep('1h')
      return null
    })
    const t = await testConductor({ playbooks: [failing] })
    const run = await t.start(failing, {})
    await t.advance('1h')
    await run.result()
    expect([...seen]).toEqual(['RangeError too far STEP_FAILED work@1 bad true'])
    await t.stop()
  })
})

describe('a lane', () => {
  it('lets runs of one key go one after the other, in order of starting', async () => {
    const order: string[] = []
    const serial = definePlaybook({
      name: 'serial',
      version: 1,
      input: z.object({ key: z.string(), n: z.number() }),
      output: z.object({}),
      serialize: ({ key }) => key,
      async run(ctx, { key, n }) {
        await ctx.step('in', () => order.push(`${key}${n} in`))
        await ctx.sleep('1h')
        await ctx.step('out', () => order.push(`${key}${n} out`))
        return {}
      },
    })
    const t = await testConductor({ playbooks: [serial] })
    for (const n of [1, 2]) for (const key of ['a', 'b']) await t.start(serial, { key, n })
    await t.advance('1h')
    await t.advance('1h')
    expect(order.filter((line) => line.startsWith('a'))).toEqual(['a1 in', 'a1 out', 'a2 in', 'a2 out'])
    expect(order.slice(0, 2)).toEqual(['a1 in', 'b1 in'])
    await t.stop()
  })

  it.each([
    ['a number', 5, '5'],
    ['nothing', undefined, 'undefined'],
    ['an object', { customer: 'c' }, 'an object'],
    ['a promise', Promise.resolve('c'), 'a promise'],
    ['an empty text', '', '""'],
  ])('whose key is %s is no lane: nothing is started or called, and no store is harmed', async (_what, key, said) => {
    const laned = definePlaybook({
      ...{ name: 'laned', version: 1, input: z.object({}), output: z.object({}) },
      serialize: () => key as never,
      run: async () => ({}),
    })
    const calls = code(async (ctx) => ctx.call(laned, {}), { name: 'calls' })
    const t = await testConductor({ playbooks: [laned, calls] })
    const failures: unknown[] = []
    t.keelson.on('store.failed', (e) => failures.push(e))
    const refusal = {
      code: 'INPUT_INVALID',
      message: `serialize of laned answered ${said}, and a lane is named by a text`,
      hint: expect.stringContaining('serialize: (input) =>') as string,
    }
    await expect(t.start(laned, {})).rejects.toMatchObject(refusal)
    await expect((await t.start(calls, {})).result()).rejects.toMatchObject({ code: refusal.code })
    expect((await t.keelson.runs.list({})).runs.map(({ playbook }) => playbook)).toEqual(['calls'])
    expect(failures).toEqual([])
    await t.stop()
  })

  it('that a run was given by an earlier release, by what is no text, is kept when it continues as new', async () => {
    let key: unknown = 'one'
    const rounds = definePlaybook({
      ...{ name: 'rounds', version: 1, input: z.object({ round: z.number() }), output: z.number() },
      serialize: () => key as string,
      async run(ctx, { round }) {
        await ctx.sleep('1h')
        return round < 2 ? ctx.continueAsNew({ round: round + 1 }) : round
      },
    })
    const t = await testConductor({ playbooks: [rounds] })
    const run = await t.start(rounds, { round: 1 })
    key = 5
    await t.advance('1h')
    await t.advance('1h')
    expect(await run.result()).toBe(2)
    await t.stop()
  })

  it('that an ancestor holds is an error, not a wait for ever', async () => {
    const inner = definePlaybook({
      name: 'p',
      version: 1,
      input: z.object({ deep: z.boolean() }),
      output: z.object({}),
      serialize: () => 'same',
      run: async (ctx, { deep }): Promise<Record<string, never>> => (deep ? ctx.call(inner, { deep: false }) : {}),
    })
    const t = await testConductor({ playbooks: [inner] })
    await expect((await t.start(inner, { deep: true })).result()).rejects.toMatchObject({ code: 'LANE_CYCLE' })
    await t.stop()
  })
})

describe('a conductor', () => {
  it('of the same name replaces the earlier one, and its runs go on', async () => {
    const data = store()
    const wait = code(async (ctx) => (await ctx.waitFor(go)) && 'done')
    const first = await open(data, { playbooks: [wait], name: 'app' })
    await first.start(wait, {}, { id: 'r' })
    const second = await open(data, { playbooks: [wait], name: 'app' })
    await second.send(go, {}, { id: 'g' })
    expect(await second.runs.get('r').result()).toBe('done')
    await expect(first.start(wait, {}, { id: 's' })).rejects.toMatchObject({ code: 'CONDUCTOR_STOPPED' })
  })

  it('that does not work starts and decides; another executes', async () => {
    const data = store()
    const question = code(async (ctx) => ctx.ask('why?', { answer: z.string() }))
    const web = await open(data, { playbooks: [question], work: false })
    await web.start(question, {}, { id: 'r' })
    await web.quiet()
    expect(await web.runs.get('r').status()).toEqual({ state: 'due' })
    const worker = await open(data, { playbooks: [question] })
    await worker.quiet()
    const item = (await web.inbox.list()).items[0]!
    expect(await web.inbox.decide(item.id, { hash: item.hash, by: me, answer: 42 })).toMatchObject({
      status: 'refused',
      why: 'invalid',
    })
    await web.inbox.decide(item.id, { hash: item.hash, by: me, answer: 'because' })
    expect(await web.runs.get('r').result()).toBe('because')
  })

  it('that stops records what runs, gives the rest back, and counts no death', async () => {
    const data = store()
    const finish = Promise.withResolvers<void>()
    const began = Promise.withResolvers<void>()
    let calls = 0
    const slow = code(async (ctx) => {
      await ctx.step('slow', async () => {
        calls++
        began.resolve()
        await finish.promise
        return 1
      })
      return ctx.step('next', () => 2)
    })
    const first = await open(data, { playbooks: [slow] })
    await first.start(slow, {}, { id: 'r' })
    await began.promise
    const stopped = first.stop()
    finish.resolve()
    await stopped
    const second = await open(data, { playbooks: [slow] })
    expect(await second.runs.get('r').result()).toBe(2)
    expect(calls).toBe(1)
  })

  it('never lets a listener harm a run', async () => {
    const data = store()
    const easy = code(async (ctx) => ctx.step('a', () => 1))
    const conductor = await open(data, { playbooks: [easy] })
    conductor.on('run.started', () => {
      throw new Error('listener')
    })
    conductor.on('run.settled', async () => {
      throw new Error('late listener')
    })
    expect(await (await conductor.start(easy, {}, { id: 'r' })).result()).toBe(1)
  })

  it('of one workspace sees nothing of another', async () => {
    const data = store()
    const wait = code(async (ctx) => (await ctx.waitFor(go, { timeout: '1d' })) ?? 'nothing')
    const conductor = await open(data, { playbooks: [wait] })
    const [a, b] = [conductor.workspace('a'), conductor.workspace('b')]
    await a.start(wait, {}, { id: 'r' })
    await b.start(wait, {}, { id: 'r' })
    await b.send(go, {}, { id: 'g' })
    await conductor.quiet()
    expect((await a.runs.get('r').status()).state).toBe('waiting')
    expect((await b.runs.get('r').status()).state).toBe('completed')
    await expect(conductor.workspace('c').why('r')).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' })
    expect(() => conductor.workspace('../etc')).toThrow(expect.objectContaining({ code: 'WORKSPACE_INVALID' }) as Error)
    expect([...(await conductor.workspaces.list())].sort()).toEqual(['a', 'b'])
  })
})

describe('a run that continues as new', () => {
  it('keeps its id, its parent and its unread mail, with an empty journal', async () => {
    const counter = definePlaybook({
      name: 'counter',
      version: 1,
      input: z.object({ n: z.number() }),
      output: z.object({ n: z.number() }),
      async run(ctx, { n }) {
        await ctx.waitFor(go)
        if (n < 3) return ctx.continueAsNew({ n: n + 1 })
        return { n }
      },
    })
    const parent = code(async (ctx) => ctx.call(counter, { n: 1 }), { name: 'parent' })
    const t = await testConductor({ playbooks: [counter, parent] })
    const run = await t.start(parent, {})
    for (let i = 0; i < 3; i++) await t.send(go, {})
    expect(await run.result()).toEqual({ n: 3 })
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })
})

describe('a limit', () => {
  it('of entries makes the run fail with what to do, after a warning at a fifth', async () => {
    const long = code(async (ctx) => {
      for (let i = 0; i < 60; i++) await ctx.step('turn', () => i)
    })
    const t = await testConductor({ playbooks: [long], limits: { entriesMax: 50 } })
    const run = await t.start(long, {})
    await expect(run.result()).rejects.toMatchObject({
      code: 'RUN_TOO_LARGE',
      hint: expect.stringContaining('continueAsNew'),
    })
    expect(t.log.some((line) => line.message.includes('has 10 entries'))).toBe(true)
    await t.stop()
  })

  it('of a lane: one that is held for more than a day shows in the inbox, once, until it ends', async () => {
    const held = definePlaybook({
      name: 'held',
      version: 1,
      input: z.object({}),
      output: z.object({}),
      serialize: () => 'one',
      async run(ctx) {
        await ctx.waitFor(go)
        return {}
      },
    })
    const t = await testConductor({ playbooks: [held] })
    const run = await t.start(held, {})
    await t.advance('23h')
    expect((await t.inbox.list()).items).toEqual([])
    await t.advance('3d')
    expect((await t.inbox.list()).items).toMatchObject([{ kind: 'attention', code: 'LANE_HELD' }])
    await t.send(go, {})
    await run.result()
    expect((await t.inbox.list()).items).toEqual([])
    await t.stop()
  })
})
