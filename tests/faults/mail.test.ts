/** Mail meets a pass: nothing that was delivered is lost, and no wake-up is. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent, definePlaybook, type Conductor } from '@keelson/core'
import type { StoreChange, MemoryStore, PassUnit } from '@keelson/core/ports'
import { intercept, memoryStore, testConductor, type TestStore } from '@keelson/testing'
import { code, me, open, store } from '../support/open.ts'

const go = defineEvent({ name: 'go', schema: z.object({ n: z.number() }) })

/** A store whose units can be answered, once, as meeting a conflict, and whose word can be given at will. */
function bent(bend: { conflict?: (unit: PassUnit) => boolean; before?: (unit: PassUnit) => Promise<void> | void }) {
  const listeners: ((change: StoreChange) => void)[] = []
  const base = memoryStore()
  let bentOnce = false
  const wrapped = (inner: MemoryStore): MemoryStore => {
    const seen = intercept(inner, {
      before: (op, detail) => (op === 'commit' ? bend.before?.(detail[1] as PassUnit) : undefined),
    })
    return {
      ...seen,
      commit: async (lease, unit) => {
        if (bend.conflict?.(unit) === true && !bentOnce) {
          bentOnce = true
          return { status: 'conflict', rows: [{ record: 'inbox', id: 'x', version: 1 }] }
        }
        return seen.commit(lease, unit)
      },
      watch: (listener) => (listeners.push(listener), inner.watch(listener)),
    }
  }
  const session: TestStore = { session: () => wrapped(base.session()), kill: (worker) => base.kill(worker) }
  return { base, session, tell: (change: StoreChange) => listeners.forEach((listener) => listener(change)) }
}

async function send(conductor: Conductor, n: number, id: string): Promise<void> {
  await conductor.send(go, { n }, { id })
  await conductor.quiet()
}

describe('mail', () => {
  it('whose unit meets a conflict is taken in all the same', async () => {
    const { session } = bent({ conflict: (unit) => (unit.consumed?.length ?? 0) > 0 })
    const waits = code(async (ctx) => (await ctx.waitFor(go)).n)
    const t = await testConductor({ playbooks: [waits], store: session })
    const run = await t.start(waits, {})
    await t.send(go, { n: 7 })
    expect(await run.result()).toBe(7)
    await t.stop()
  })

  it('that is taken in while the run is about to park leaves it due', async () => {
    const held: { deliver?: (() => Promise<void>) | undefined } = {}
    const { base, session, tell } = bent({
      before: async (unit) => {
        if (unit.entries?.some((entry) => entry.kind === 'run.recovered') === true) await held.deliver?.()
      },
    })
    const other = await open(base, { playbooks: [], work: false })
    let broken = true
    const waits = code(async (ctx) => {
      if (broken) throw new Error('broken')
      return (await ctx.waitFor(go)).n
    })
    const t = await open(session as never, { playbooks: [waits] })
    await t.start(waits, {}, { id: 'r' })
    await t.quiet()
    broken = false
    held.deliver = async () => {
      held.deliver = undefined
      const direct = base.session()
      await direct.open({ worker: 'outside', now: () => Date.now() })
      const payload = JSON.stringify({ event: 'go', id: 'event:go:1', payload: { n: 7 } })
      await direct.write('default', {
        deliveries: [{ run: 'r', onceKey: 'event:go:1', kind: 'event', payload, at: Date.now() }],
      })
      tell({ workspace: 'default', runs: ['r'] })
    }
    await t.runs.retry('r', { by: me })
    await t.quiet()
    await other.quiet()
    expect((await t.runs.get('r').status()).state).toBe('completed')
  })

  it('that nobody waits for any more never quarantines the run', async () => {
    const child = definePlaybook({
      name: 'child',
      version: 1,
      input: z.object({ n: z.number() }),
      output: z.number(),
      run: async (ctx, { n }) => (await ctx.waitFor(go, { match: { n } })).n,
    })
    const many = Array.from({ length: 15 }, (_, n) => n)
    const parent = code(async (ctx) => {
      const all = ctx.all(
        [...many, -1],
        String,
        async (own, n) => {
          if (n < 0) {
            await own.waitFor(go, { match: { n } })
            throw new Error('no')
          }
          return own.call(child, { n })
        },
        { onError: 'cancel' },
      )
      await all.catch(() => {})
      return (await ctx.waitFor(go, { match: { n: 99 } })).n
    })
    const t = await open(store(), { playbooks: [parent, child] })
    await t.start(parent, {}, { id: 'r' })
    await t.quiet()
    await send(t, -1, 'give up')
    for (const n of many) await send(t, n, `e${n}`)
    expect((await t.inbox.list()).items).toEqual([])
    await send(t, 99, 'last')
    expect((await t.runs.get('r').status()).state).toBe('completed')
  })

  it('that moves a run in flight to a version does so', async () => {
    const begun = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const first = code(async (ctx) => {
      await ctx.step('slow', async () => {
        begun.resolve()
        await release.promise
      })
      await ctx.waitFor(go)
      return 1
    })
    const second = code(
      async (ctx) => {
        await ctx.step('slow', () => undefined)
        await ctx.waitFor(go)
        return 2
      },
      { version: 2 },
    )
    const t = await open(store(), { playbooks: [first, second] })
    await t.start(first, {}, { id: 'r' })
    await begun.promise
    await t.runs.move('r', { by: me, to: 2 })
    release.resolve()
    await t.quiet()
    await send(t, 1, 'e')
    expect(await t.runs.get('r').result()).toBe(2)
  })

  it('of a deadline reaches a run that other work holds, one deadline after the other', async () => {
    const passed: string[] = []
    const release = Promise.withResolvers<void>()
    const busy = code(async (ctx) => {
      await Promise.all([
        ctx.step('slow', () => release.promise),
        ...['10s', '20s', '30s'].map(async (time) => {
          await ctx.sleep(time as '10s')
          passed.push(time)
        }),
      ])
    })
    const t = await testConductor({ playbooks: [busy] })
    void t.start(busy, {})
    const turns = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    }
    await turns()
    for (let i = 1; i <= 3; i++) {
      t.clock.to(t.clock.now() + 10_000)
      await turns()
    }
    expect(passed).toEqual(['10s', '20s', '30s'])
    release.resolve()
    await t.stop()
  })
})

describe('a run that was held because its code did not fit', () => {
  it('goes on with the right code, however often the wrong one was tried', async () => {
    const shared = store()
    const good = code(async (ctx) => {
      await ctx.step('a', () => 1)
      return (await ctx.waitFor(go)).n
    })
    const bad = code(async (ctx) => {
      await ctx.step('b', () => 1)
      return (await ctx.waitFor(go)).n
    })
    const first = await open(shared, { playbooks: [good] })
    await first.start(good, {}, { id: 'r' })
    await first.quiet()
    await first.stop()
    for (let i = 0; i < 13; i++) {
      const wrong = await open(shared, { playbooks: [bad] })
      for (let k = 0; k < 10; k++) await new Promise((resolve) => setImmediate(resolve))
      await wrong.quiet()
      await wrong.stop()
    }
    const right = await open(shared, { playbooks: [good] })
    await send(right, 3, 'e')
    expect((await right.runs.get('r').status()).state).toBe('completed')
  })
})

describe('a run that is quarantined', () => {
  it('stays so when mail comes, until a person tries it again', async () => {
    const shared = store()
    let deadly = true
    const current: { kill?: () => void } = {}
    const kills = code(async (ctx) => {
      if (deadly) current.kill?.()
      return (await ctx.waitFor(go)).n
    })
    const paper = await open(shared, { playbooks: [kills], work: false })
    await paper.start(kills, {}, { id: 'r' })
    const live = async (): Promise<Conductor> => {
      const session = shared.session()
      const t = await open({ ...session, session: () => session }, { playbooks: [kills] })
      current.kill = () => (session.kill(), t.abandon())
      for (let k = 0; k < 20; k++) await new Promise((resolve) => setImmediate(resolve))
      return t
    }
    for (let i = 0; i < 6; i++) await live()
    expect(await paper.why('r')).toContain('RUN_QUARANTINED')
    deadly = false
    await paper.runs.resume('r', { by: me })
    const t = await live()
    await t.quiet()
    expect(await paper.why('r')).toContain('RUN_QUARANTINED')
    await t.runs.retry('r', { by: me })
    await send(t, 5, 'e')
    expect(await t.runs.get('r').result()).toBe(5)
  })
})
