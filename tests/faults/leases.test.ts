/** Leases: who may lead a run when lanes, lost workers, failing stores, corrupt rows and missing code get in between. */
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { z } from 'zod'
import { createConductor, defineEvent, definePlaybook, type Conductor } from '@keelson/core'
import type { MemoryStore } from '@keelson/core/ports'
import { manualClock, testConductor, type MemoryStoreSession } from '@keelson/testing'
import { code, me, open, store } from '../support/open.ts'

const go = defineEvent({ name: 'go', schema: z.object({ n: z.number() }) })
const silent = { info() {}, warn() {}, error() {} }

describe('a lane', () => {
  it('lets one at a time in when one that had failed is tried again', async () => {
    let inside = 0
    let most = 0
    let broken = true
    const enters = definePlaybook({
      name: 'enters',
      version: 1,
      input: z.object({ id: z.string() }),
      output: z.null(),
      serialize: () => 'door',
      run: async (ctx, { id }) => {
        if (id === 'a' && broken) throw new Error('no')
        await ctx.step('enter', () => void (most = Math.max(most, ++inside)))
        await ctx.waitFor(go, { match: { n: id === 'a' ? 1 : 2 } })
        await ctx.step('leave', () => void inside--)
        return null
      },
    })
    const t = await testConductor({ playbooks: [enters] })
    const a = await t.start(enters, { id: 'a' }, { id: 'a' })
    await expect(a.result()).rejects.toThrow('no')
    const b = await t.start(enters, { id: 'b' }, { id: 'b' })
    broken = false
    await t.host((keelson) => keelson.runs.retry('a', { by: me }))
    await t.settle()
    expect({ inside, most }).toEqual({ inside: 1, most: 1 })
    await t.send(go, { n: 2 })
    expect(await b.result()).toBeNull()
    await t.send(go, { n: 1 })
    expect(await a.result()).toBeNull()
    expect(most).toBe(1)
    await t.stop()
  })
})

describe('a run whose version is not registered', () => {
  it('is due to a process that neither works nor brings code, and waits for its code to any other', async () => {
    const data = store()
    const work = code(async () => 'done')
    const web = await open(data, { playbooks: [work], work: false })
    await web.start(work, {}, { id: 'r' })
    const looking = await open(data, { playbooks: [], work: false })
    expect(await looking.why('r')).toMatch(
      /^run r \(work@1\) is due: a process that works on this store takes it; where none does, nothing happens$/,
    )
    const other = code(async () => 'else', { name: 'other' })
    for (const conductor of [
      await open(data, { playbooks: [other], work: false }),
      await open(data, { playbooks: [] }),
    ])
      expect(await conductor.why('r')).toContain('for its code: work@1 is not registered in this process; register it')
  })

  it('waits for its code once its time or its mail has come, and for nothing that is over', async () => {
    const data = store()
    const clock = manualClock(Date.UTC(2026, 0, 5))
    const naps = code((ctx) => Promise.all([ctx.sleep('1h'), ctx.approve('And now?')]), { name: 'naps' })
    const hears = code((ctx) => ctx.waitFor(go), { name: 'hears' })
    const first = await open(data, { playbooks: [naps, hears], clock })
    await first.start(naps, {}, { id: 'naps' })
    await first.start(hears, {}, { id: 'hears' })
    await first.quiet()
    await first.stop()
    const without = await open(data, { playbooks: [], clock })
    expect(await without.why('naps')).toContain('for time: sleeps until')
    clock.to(Date.UTC(2026, 0, 5, 1))
    await without.send(go, { n: 1 }, { id: 'e' })
    await without.quiet()
    expect(await without.why('hears')).toMatch(
      /waits:\n {2}- for its code: hears@1 is not registered in this process; /,
    )
    expect((await without.why('naps')).split('\n').slice(1)).toEqual([
      '  - for its code: naps@1 is not registered in this process; register it, or move, restart or cancel the run',
      expect.stringContaining('for an answer: And now?; answer it: '),
    ])
    const { runs } = await without.runs.list()
    expect(runs.map(({ status }) => status.state === 'waiting' && status.for[0]!.kind)).toEqual(['version', 'version'])
  })

  it('is due to a process that brings no code, once its time has come', async () => {
    const data = store()
    const clock = manualClock(Date.UTC(2026, 0, 5))
    const naps = code((ctx) => ctx.sleep('1h'))
    const first = await open(data, { playbooks: [naps], clock })
    await first.start(naps, {}, { id: 'r' })
    await first.quiet()
    await first.stop()
    const looking = await open(data, { playbooks: [], work: false, clock })
    expect(await looking.why('r')).toContain('for time: sleeps until')
    clock.to(Date.UTC(2026, 0, 5, 1))
    expect(await looking.why('r')).toContain('is due: a process that works on this store takes it')
  })

  it('is not called; one that was before comes with its caller, once that goes on', async () => {
    const data = store()
    const clock = manualClock(Date.UTC(2026, 0, 5))
    const child = code(async (ctx) => (await ctx.sleep('1h'), 7), { name: 'child' })
    const parent = code((ctx) => Promise.all([ctx.call(child, {}), ctx.waitFor(go)]), { name: 'parent' })
    const first = await open(data, { playbooks: [parent, child], clock })
    await first.start(parent, {}, { id: 'r' })
    await first.quiet()
    await first.stop()
    const second = await open(data, { playbooks: [parent], clock })
    const refused = await second.start(parent, {}, { id: 'new' })
    await expect(refused.result()).rejects.toMatchObject({
      ...{ code: 'PLAYBOOK_NOT_FOUND', message: 'playbook child@1 is not registered' },
      hint: expect.stringContaining('Pass it in createConductor({ playbooks })') as string,
    })
    clock.to(Date.UTC(2026, 0, 5, 1))
    expect(await second.why('r')).toContain('for its code: child@1 is not registered in this process (in run r/child)')
    await second.send(go, { n: 1 }, { id: 'e' })
    expect(await second.runs.get('r').result()).toEqual([7, { n: 1 }])
  })

  const v1 = code(
    async (ctx) => {
      await ctx.ask('and now?', { answer: z.string() })
    },
    { version: 1 },
  )
  const v2 = code(async () => 'new', { version: 2 })

  it.each([
    ['one that works', true],
    ['one that does not', false],
  ])('is cancelled by %s, and its questions are withdrawn', async (_what, work) => {
    const shared = store()
    const first = await open(shared, { playbooks: [v1] })
    await first.start(v1, {}, { id: 'r' })
    await first.quiet()
    await first.stop()
    const second = await open(shared, { playbooks: [v2], work })
    expect((await second.inbox.list()).items).toHaveLength(1)
    await second.runs.cancel('r', { by: me, reason: 'enough' })
    await expect(second.runs.get('r').result()).rejects.toMatchObject({ code: 'RUN_CANCELLED' })
    expect((await second.inbox.list()).items).toEqual([])
    expect(await second.audit.verify()).toMatchObject({ ok: true })
  })

  it('is left to whoever holds it', async () => {
    const shared = store()
    const entered = Promise.withResolvers<void>()
    const slow = code(async (ctx) => {
      await ctx.step('slow', ({ signal }) => {
        entered.resolve()
        return new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
      })
    })
    const first = await open(shared, { playbooks: [slow], limits: { beatMs: 5 } })
    const run = await first.start(slow, {}, { id: 'r' })
    await entered.promise
    const second = await open(shared, { playbooks: [v2] })
    await second.runs.cancel('r', { by: me, reason: 'enough' })
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_CANCELLED' })
  })
})

/** A session whose commits fail while `failing` answers true. */
function faulty(session: MemoryStoreSession, failing: () => boolean): MemoryStore {
  return new Proxy<MemoryStore>(session, {
    get(target, name) {
      if (name === 'commit')
        return async (...args: Parameters<MemoryStore['commit']>) => {
          if (args[1].entries !== undefined && failing()) throw new Error('the disk is full')
          return target.commit(...args)
        }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

async function conductor(
  from: MemoryStore,
  options: Partial<Parameters<typeof createConductor>[0]>,
): Promise<Conductor> {
  const made = await createConductor({ store: from, keepAlive: false, log: silent, playbooks: [], ...options })
  onTestFinished(() => made.stop({ withinMs: 100 }))
  return made
}

describe('a store that fails again and again', () => {
  it('quarantines no run: the claims are given back', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    let failures = 0
    const works = code(async (ctx) => ctx.step('a', () => 'done'))
    const t = await conductor(
      faulty(store(), () => ++failures <= 12),
      { playbooks: [works] },
    )
    await t.start(works, {}, { id: 'r' })
    while ((await t.runs.get('r').status()).state !== 'completed') await vi.advanceTimersByTimeAsync(60_000)
    expect(failures).toBeGreaterThan(12)
  })
})

describe('a worker that was taken for dead', () => {
  it('abandons its passes, says so, and goes on under new leases', async () => {
    const session = store()
    const lost = Promise.withResolvers<{ passes: number }>()
    const entered = Promise.withResolvers<void>()
    let times = 0
    const works = code(async (ctx) =>
      ctx.step('a', ({ signal }) => {
        if (++times > 1) return times
        entered.resolve()
        return new Promise<number>((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('aborted')))
        })
      }),
    )
    const t = await conductor(session, { playbooks: [works], limits: { beatMs: 5 } })
    t.on('worker.lost', lost.resolve)
    const run = await t.start(works, {}, { id: 'r' })
    await entered.promise
    session.kill()
    expect(await lost.promise).toMatchObject({ passes: 1 })
    expect(await run.result()).toBe(2)
  })
})

describe('a suspect', () => {
  it('has its turn under steady load', async () => {
    const shared = store()
    const entered = [1, 2].map(() => Promise.withResolvers<void>())
    let lives = 0
    const suspect = code(
      async (ctx) =>
        ctx.step('a', () => (lives < 2 ? (entered[lives]!.resolve(), new Promise<never>(() => {})) : 'alive')),
      { name: 'suspect' },
    )
    const busy = code(async (ctx) => ctx.step('x', () => 1), { name: 'busy' })
    for (; lives < 2; lives++) {
      const session = shared.session()
      const mortal = await createConductor({ store: session, playbooks: [suspect], keepAlive: false, log: silent })
      await mortal.start(suspect, {}, { id: 'r' })
      await entered[lives]!.promise
      session.kill()
      mortal.abandon()
    }
    // Never idle: whenever one run of the load ends, two others are under way.
    let load = 0
    let stopped = false
    const t = await open(shared, { playbooks: [busy], work: false })
    const feed = async (): Promise<void> => {
      while (!stopped) await (await t.start(busy, {}, { id: `busy ${++load}` })).result()
    }
    for (let n = 0; n < 30; n++) await t.start(busy, {}, { id: `first ${n}` })
    const worker = await open(shared, { playbooks: [suspect, busy], concurrency: 4 })
    const feeds = [feed(), feed(), feed(), feed(), feed(), feed()]
    expect(await worker.runs.get('r').result()).toBe('alive')
    stopped = true
    await Promise.all(feeds)
  })
})
