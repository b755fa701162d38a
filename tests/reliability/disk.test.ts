/** Reliability 10, 12: a full disk, and a commit whose answer was lost: work stops loudly and loses nothing (P2, P3, P12). */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type Database from 'better-sqlite3'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { action, createConductor, definePlaybook, policy, type Conductor, type Playbook } from '@keelson/core'
import type { MemoryStore, PassUnit, Unit } from '@keelson/core/ports'
import { sqlite } from '@keelson/memory-sqlite'
import { intercept, storeFailure, type Operation } from '@keelson/testing'
import { fileStore } from '../../packages/memory-sqlite/src/file/store.ts'

const Order = z.object({ n: z.number() })

/** An outside that honours keys, and counts. */
function bank() {
  const calls: string[] = []
  const charge = action({
    name: 'bank.charge',
    input: Order,
    output: z.object({ ref: z.string() }),
    effect: 'irreversible',
    idempotency: { by: 'key' },
    run: ({ n }, { key }) => (calls.push(key), { output: { ref: `charge ${n}` } }),
  })
  return { calls, charge, effects: () => new Set(calls).size }
}

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'keelson-disk-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'company.db')
}

/** A store on a file whose disk can be made full: no page can be added to it then. */
function smallDisk() {
  let handle: Database.Database | undefined
  const store = fileStore(temporary(), { durability: 'process', tamper: (opened) => void (handle = opened) })
  const pages = (): number => handle!.pragma('page_count', { simple: true }) as number
  return {
    store,
    fill: () => void handle!.pragma(`max_page_count = ${pages()}`),
    free: () => void handle!.pragma('max_page_count = 1000000'),
  }
}

async function open(store: MemoryStore, { charge }: ReturnType<typeof bank>, playbooks: Playbook<any, any>[]) {
  const keelson = await createConductor({
    ...{ store, playbooks, actions: [charge], keepAlive: false, log: { info() {}, warn() {}, error() {} } },
    policy: policy([policy.rule('charge', { on: charge }, () => policy.allow())]),
  })
  onTestFinished(() => keelson.stop({ withinMs: 100 }))
  return keelson
}

function next(keelson: Conductor, name: 'store.failed' | 'store.recovered'): Promise<string> {
  return new Promise((resolve) => {
    const end = keelson.on(name, ({ message }) => (end(), resolve(message)))
  })
}

/** Counts operations, and says when there were so many of a kind. */
function counting(store: MemoryStore, before: (op: Operation, unit: Unit) => void = () => {}) {
  const counts = new Map<Operation, number>()
  const waiting: { op: Operation; count: number; done: () => void }[] = []
  const counted = intercept(store, {
    before(op, detail) {
      counts.set(op, (counts.get(op) ?? 0) + 1)
      for (const one of waiting) if (one.op === op && one.count === counts.get(op)) one.done()
      before(op, detail[1] as PassUnit)
    },
  })
  const count = (op: Operation): number => counts.get(op) ?? 0
  /** Resolves at the n-th such operation from now on. */
  const more = (op: Operation, n: number): Promise<void> =>
    new Promise((done) => waiting.push({ op, count: count(op) + n, done }))
  return { store: counted, count, more }
}

describe('a disk that is full in the middle of a run', () => {
  it('#12 stops the work loudly; nothing is claimed until something can be written, then it goes on alone', async () => {
    const disk = smallDisk()
    const outside = bank()
    const { store, count, more } = counting(disk.store)
    let fills = 0
    const big = definePlaybook({
      name: 'big',
      version: 1,
      input: Order,
      output: z.string(),
      async run(ctx, { n }) {
        await ctx.step('a', () => 1)
        const text = await ctx.step('fill', () => {
          if (++fills === 1) disk.fill()
          return 'x'.repeat(300_000)
        })
        const { ref } = await ctx.act(outside.charge, { n })
        return `${ref}, ${text.length}`
      },
    })
    const keelson = await open(store, outside, [big])
    const failed = next(keelson, 'store.failed')
    const recovered = next(keelson, 'store.recovered')
    const run = await keelson.start(big, { n: 1 }, { id: 'r' })
    const waiting = await Promise.all([2, 3].map((n) => keelson.start(big, { n }, { id: `r${n}` })))
    expect(await failed).toContain('full')
    const claims = count('claim')
    await more('beat', 3)
    expect(count('claim')).toBe(claims)
    expect(outside.calls).toEqual([])
    const before = fills
    disk.free()
    await recovered
    expect(fills).toBe(before)
    expect(await run.result()).toBe('charge 1, 300000')
    for (const [i, other] of waiting.entries()) expect(await other.result()).toBe(`charge ${i + 2}, 300000`)
    expect(outside.effects()).toBe(3)
    expect(outside.calls).toHaveLength(3)
    expect(await keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('lets no effect begin whose intent could not be stored', async () => {
    const outside = bank()
    let [sick, letIn] = [false, false]
    const writes: readonly Operation[] = ['write', 'commit', 'claim']
    const { store, count, more } = counting(sqlite(temporary(), { durability: 'process' }), (op, unit) => {
      const intent = op === 'commit' && unit.entries?.some(({ kind }) => kind === 'effect.sending') === true
      if (intent && outside.calls.length === 0 && count('beat') === 0) sick = true
      if (op === 'write' && letIn && unit.starts !== undefined) return
      if (sick && writes.includes(op)) throw storeFailure('the disk is full (on purpose)')
    })
    const pay = definePlaybook({
      name: 'pay',
      version: 1,
      input: Order,
      output: z.string(),
      run: async (ctx, { n }) => (await ctx.act(outside.charge, { n })).ref,
    })
    const keelson = await open(store, outside, [pay])
    const failed = next(keelson, 'store.failed')
    const run = await keelson.start(pay, { n: 1 }, { id: 'r' })
    await failed
    await expect(keelson.start(pay, { n: 2 }, { id: 'refused' })).rejects.toMatchObject({ code: 'STORE_FAILED' })
    const claims = count('claim')
    // What is started all the same is no reason to claim.
    letIn = true
    const late = await keelson.start(pay, { n: 3 }, { id: 'late' })
    await more('beat', 3)
    expect(count('claim')).toBe(claims)
    expect(outside.calls).toEqual([])
    sick = false
    expect(await Promise.all([run.result(), late.result()])).toEqual(['charge 1', 'charge 3'])
    expect(outside.calls).toHaveLength(2)
    expect((await keelson.runs.list({ playbook: 'pay' })).runs.map(({ id }) => id)).toEqual(['r', 'late'])
  })
})

describe('an operation of the store that was done and whose answer was lost', () => {
  const lossy: readonly Operation[] = ['claim', 'commit', 'write']

  /** One run with the answer of its n-th operation lost; true when there was such a one. */
  async function lose(n: number): Promise<boolean> {
    const outside = bank()
    const did: string[] = []
    const recorded: string[] = []
    const again: string[] = []
    let seen = 0
    let armed = false
    const store = intercept(sqlite(temporary(), { durability: 'process' }), {
      after(op, detail) {
        if (op === 'commit') for (const { key } of (detail[1] as PassUnit).entries ?? []) recorded.push(key)
        if (armed && lossy.includes(op) && ++seen === n) throw storeFailure('the answer was lost (on purpose)')
      },
    })
    const step = (name: string): void => {
      if (recorded.some((key) => key.endsWith(name))) again.push(name)
      did.push(name)
    }
    const work = definePlaybook({
      name: 'work',
      version: 1,
      input: Order,
      output: z.string(),
      async run(ctx, { n }) {
        await ctx.step('step a', () => step('step a'))
        const { ref } = await ctx.act(outside.charge, { n })
        await ctx.sleep('0.01s')
        await ctx.all(['x', 'y'], String, (own, name) => own.step(`step ${name}`, () => step(`step ${name}`)))
        return ctx.step('step b', () => (step('step b'), ref))
      },
    })
    const keelson = await open(store, outside, [work])
    await keelson.quiet()
    armed = true
    // What was not acknowledged is asked for again: the same id is the same start.
    const start = () => keelson.start(work, { n: 7 }, { id: 'r' })
    const run = await start().catch(start)
    expect(await run.result()).toBe('charge 7')
    expect(again, `operation ${n}`).toEqual([])
    // Of two branches, the one whose outcome was still on its way when the store failed may be done again.
    expect(did.length).toBeLessThanOrEqual(5)
    expect(outside.effects(), `operation ${n}`).toBe(1)
    expect(await keelson.audit.verify()).toMatchObject({ ok: true })
    await keelson.stop()
    return seen >= n
  }

  it('#10 is never done again: no step and no effect of the run, whichever it was', async () => {
    let lost = 0
    while (await lose(lost + 1)) lost++
    expect(lost).toBeGreaterThan(10)
  })
})
