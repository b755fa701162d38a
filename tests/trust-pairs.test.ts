/** What is read to find a shadow pair: no more, however much was proposed and done before. */
import { action, defineConnector, definePlaybook, defineTrust, policy } from '@keelson/core'
import type { RecordQuery, RecordRow } from '@keelson/core/ports'
import { fake, intercept, memoryStore, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const
const charge = action({
  ...{ name: 'bank.charge', effect: 'reversible', idempotency: { by: 'key' } },
  input: z.object({ invoice: z.string(), cents: z.int() }),
  output: z.object({ ok: z.boolean() }),
  undo: z.object({}),
  intent: ({ invoice }) => ['charge', invoice],
  material: ['cents'],
  simulate: () => ({ ok: true }),
  run: () => Promise.reject(new Error('a test reached the real world')),
  compensate: () => {},
})
const bank = defineConnector({ name: 'bank', actions: { charge } })
const bill = definePlaybook({
  ...{ name: 'bill', version: 1, input: z.object({ invoice: z.string(), cents: z.int() }), output: z.null() },
  run: async (ctx, input) => (await ctx.act(charge, input), null),
})
const free = policy([policy.rule('money', { on: charge }, () => policy.allow())])

/** A harness, and how often, and how many rows, it reads of what was proposed and done. */
async function counting() {
  const inner = memoryStore()
  let reads: number[] = []
  const store = {
    kill: (worker: string) => inner.kill(worker),
    session: () =>
      intercept(inner.session(), {
        after(op, detail, answer) {
          if (op !== 'records') return
          const { kind } = detail[1] as RecordQuery
          if (['would', 'deed', 'effect'].includes(kind)) reads.push((answer as readonly RecordRow[]).length)
        },
      }),
  }
  const t = await testConductor({
    ...{ playbooks: [bill], connectors: [fake(bank)], policy: free, trust: [defineTrust(charge)], store },
  })
  const read = async (what: () => Promise<unknown>): Promise<{ times: number; rows: number }> => {
    reads = []
    await what()
    return { times: reads.length, rows: reads.reduce((sum, rows) => sum + rows, 0) }
  }
  return { t, read }
}

const propose = (t: Harness, invoice: string) => t.start(bill, { invoice, cents: 5 })
const observe = (t: Harness, invoice: string, cents = 5) =>
  t.host((keelson) => keelson.shadow.observe(charge, { invoice, cents }, { id: `seen ${invoice}`, by }))

describe('a shadow pair', () => {
  it('is found by the same few reads, however much was proposed and done in its window', async () => {
    const { t, read } = await counting()
    const all: unknown[] = []
    for (let n = 0; n < 60; n++) {
      await propose(t, `open ${n}`)
      await observe(t, `by hand ${n}`)
      if (n !== 19 && n !== 59) continue
      await observe(t, `first ${n}`)
      all.push([
        await read(() => propose(t, `none ${n}`)),
        await read(() => propose(t, `first ${n}`)),
        await read(() => observe(t, `none ${n}`)),
        await read(() => observe(t, `open ${n - 1}`)),
      ])
    }
    expect(all[1]).toEqual(all[0])
    expect(await t.keelson.trust.list()).toMatchObject([{ seen: 6, good: 6 }])
    await t.stop()
  })

  it('is made with what was done last where much of it was the same, and each counts once', async () => {
    const { t } = await counting()
    for (let n = 0; n < 3; n++) {
      await t.host((keelson) => keelson.shadow.observe(charge, { invoice: 'a', cents: n }, { id: `seen ${n}`, by }))
      await t.advance('1h')
    }
    await propose(t, 'a')
    expect(await t.keelson.trust.list()).toMatchObject([{ seen: 1, good: 0 }])
    await observe(t, 'a')
    expect(await t.keelson.trust.list()).toMatchObject([{ seen: 1, good: 0 }])
    await t.stop()
  })
})
