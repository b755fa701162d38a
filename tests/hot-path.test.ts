/** The hot path: what a run asks of its store, counted; and that what is asked once is never stale. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createConductor, type Conductor, type MemoryStore } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { manualClock, memoryStore } from '@keelson/testing'
import { code, me, open } from './support/open.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const one = code(async (ctx) => ctx.step('one', () => 1))
const settings = code(async (ctx) => (ctx.settings as { tone?: string }).tone ?? 'none')

/** `store`, counting the reads that `counts` names. */
function counting(store: MemoryStore, counts: (name: string, args: readonly unknown[]) => boolean) {
  const seen = { reads: 0 }
  const counted = new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        if (counts(String(name), args)) seen.reads++
        return (value as (...args: unknown[]) => unknown).apply(target, args)
      }
    },
  })
  return { store: counted, seen }
}

const ofCompany = (name: string, [, query]: readonly unknown[]): boolean =>
  name === 'records' && (query as { kind: string }).kind === 'company'

async function conductorOn(store: MemoryStore, options = {}): Promise<Conductor> {
  const playbooks = [one]
  const conductor = await createConductor({ store, playbooks, log: quiet, keepAlive: false, ...options })
  onTestFinished(() => conductor.stop({ withinMs: 100 }))
  return conductor
}

function file(): string {
  const folder = mkdtempSync(join(tmpdir(), 'keelson-hot-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'company.db')
}

describe('what a start and a pass ask of their company', () => {
  it('is read once for all that begin in one turn', async () => {
    const { store, seen } = counting(sqlite(file()), ofCompany)
    const conductor = await conductorOn(store)
    await (await conductor.start(one, {}, { id: 'first' })).result()
    const before = seen.reads
    const ids = Array.from({ length: 60 }, (_, at) => `r${at}`)
    const runs = await Promise.all(ids.map((id) => conductor.start(one, {}, { id })))
    await Promise.all(runs.map((run) => run.result()))
    expect(seen.reads - before).toBeLessThanOrEqual(6)
  })

  it('is what this process has written, at once', async () => {
    const shared = memoryStore()
    const conductor = await open(shared, { playbooks: [settings] })
    expect(await (await conductor.start(settings, {}, { id: 'a' })).result()).toBe('none')
    await conductor.configure({ tone: 'dry' }, { by: me })
    expect(await (await conductor.start(settings, {}, { id: 'b' })).result()).toBe('dry')
    await conductor.suspend({ by: me, reason: 'enough' })
    await expect(conductor.start(settings, {}, { id: 'c' })).rejects.toMatchObject({ code: 'WORKSPACE_CLOSED' })
    await conductor.resume({ by: me })
    expect(await (await conductor.start(settings, {}, { id: 'c' })).result()).toBe('dry')
  })

  it('is what another process has written, at the latest at the next claim', async () => {
    const path = file()
    const web = await conductorOn(sqlite(path), { work: false, playbooks: [settings] })
    const worker = await conductorOn(sqlite(path), { playbooks: [settings] })
    await (await worker.start(settings, {}, { id: 'a' })).result()
    await web.suspend({ by: me, reason: 'enough' })
    await expect(worker.start(settings, {}, { id: 'b' })).rejects.toMatchObject({ code: 'WORKSPACE_CLOSED' })
    await web.resume({ by: me })
    await web.configure({ tone: 'dry' }, { by: me })
    const run = await web.start(settings, {}, { id: 'b' })
    expect(await run.result()).toBe('dry')
  })
})

describe('a run from its start to its result', () => {
  it('is claimed in the group that starts it, and not read again once it has settled', async () => {
    const inner = sqlite(file())
    const told: string[] = []
    const { store } = counting(inner, (name) => name !== 'records' && told.push(name) > 0)
    const [write, claim] = [inner.write.bind(inner), inner.claim.bind(inner)]
    inner.write = async (...args) => {
      const answered = write(...args)
      setImmediate(() => told.push('the turn is over'))
      return answered
    }
    inner.claim = async (query) => {
      const answer = await claim(query)
      told.push(...answer.claimed.map(({ row }) => `claimed ${row.id}`))
      return answer
    }
    const conductor = await conductorOn(store)
    await (await conductor.start(one, {}, { id: 'first' })).result()
    await conductor.quiet()
    told.length = 0
    const run = await conductor.start(one, {}, { id: 'second' })
    await run.result()
    const looks = told.filter((name) => name === 'runs')
    expect(looks).toHaveLength(1)
    expect(told.slice(0, told.indexOf('the turn is over'))).toContain('claimed second')
  })
})

describe('a conductor with nothing to do', () => {
  it('asks its store for nothing, however much time passes', async () => {
    const clock = manualClock(Date.UTC(2026, 0, 1))
    const parked = code(async (ctx) => ctx.sleep('400d'))
    const { store, seen } = counting(memoryStore(), () => true)
    const conductor = await conductorOn(store, { playbooks: [parked], clock, limits: { beatMs: 0 } })
    for (const id of ['a', 'b', 'c']) await conductor.start(parked, {}, { id })
    await conductor.quiet()
    seen.reads = 0
    clock.to(clock.now() + 300 * 86_400_000)
    await new Promise((resolve) => setImmediate(resolve))
    await conductor.quiet()
    expect(seen.reads).toBe(0)
  })
})

describe('mail of another process', () => {
  for (const [name, stores] of [
    ['SQLite', () => ((path) => [sqlite(path), sqlite(path)] as const)(file())],
    ['memory', () => ((shared) => [shared.session(), shared.session()] as const)(memoryStore())],
  ] as const)
    it(`reaches a run that is being led, on ${name}, without a beat`, async () => {
      const entered = Promise.withResolvers<void>()
      const slow = code(async (ctx) => {
        await ctx.step('slow', ({ signal }) => {
          entered.resolve()
          return new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Error('over'))))
        })
      })
      const [mine, theirs] = stores()
      const limits = { beatMs: 3_600_000 }
      const first = await conductorOn(mine, { playbooks: [slow], limits })
      const second = await conductorOn(theirs, { playbooks: [slow], work: false, limits })
      const run = await first.start(slow, {}, { id: 'r' })
      await entered.promise
      await second.runs.cancel('r', { by: me, reason: 'enough' })
      await expect(run.result()).rejects.toMatchObject({ code: 'RUN_CANCELLED' })
    })
})

describe('a workspace with a long past', () => {
  it('is edited after a look at the last entry of its stream, and at no other', async () => {
    const shared = memoryStore()
    const before = await open(shared, { playbooks: [one] })
    for (let at = 0; at < 30; at++) await before.configure({ at }, { by: me })
    const lengths: number[] = []
    const session = shared.session()
    const read = session.entries.bind(session)
    const store: MemoryStore = Object.assign(session, {
      entries: async (...asked: Parameters<MemoryStore['entries']>) => {
        const found = await read(...asked)
        if (asked[1] === 'workspace') lengths.push(found.length)
        return found
      },
    })
    const conductor = await conductorOn(store)
    await conductor.configure({ at: 'last' }, { by: me })
    expect(await conductor.settings()).toEqual({ at: 'last' })
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBeLessThanOrEqual(2)
    expect(await conductor.audit.verify()).toMatchObject({ ok: true })
  })
})

describe('a schedule', () => {
  it('is found by its name alone, however often it was set', async () => {
    const conductor = await open(memoryStore(), { playbooks: [one] })
    const set = (name: string, minute: number): Promise<void> =>
      conductor.schedules.set(name, one, { cron: `${minute} 9 * * *`, input: {}, by: me })
    await set('daily#1', 7)
    for (let at = 0; at < 55; at++) await set('daily', at)
    await conductor.quiet()
    const { runs } = await conductor.runs.list({ playbook: 'keelson.schedule', state: 'open', limit: 100 })
    expect(runs.map(({ id }) => id)).toEqual(['schedule:daily#1#1', 'schedule:daily#55'])
    await conductor.schedules.remove('daily', { by: me })
    await conductor.quiet()
    expect(await conductor.schedules.next('daily')).toEqual([])
    expect(await conductor.schedules.next('daily#1', 1)).toHaveLength(1)
  })
})
