/** How much is read for what is asked: no more rows than it takes, and each place once. */
import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { createConductor, defineEntity, definePlaybook, type Conductor, type Playbook } from '@keelson/core'
import type { RecordQuery, RecordRow } from '@keelson/core/ports'
import { intercept, memoryStore } from '@keelson/testing'
import { me } from '../support/open.ts'

const Customer = defineEntity({
  ...{ name: 'customer', version: 1, index: ['name'] },
  schema: z.object({ name: z.string() }),
})

/** A conductor, what it reads of records while something is done, and the single entries that it looks at. */
async function counting(playbooks: readonly Playbook<any, any>[] = []) {
  const places: string[] = []
  let seen: { query: RecordQuery; rows: number }[] = []
  const store = intercept(memoryStore(), {
    after(op, detail, answer) {
      if (op === 'entries' && detail[3] === 1) places.push(`${detail[1] as string} ${detail[2] as number}`)
      if (op !== 'records') return
      seen.push({ query: detail[1] as RecordQuery, rows: (answer as readonly RecordRow[]).length })
    },
  })
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const keelson = await createConductor({ store, playbooks, entities: [Customer], keepAlive: false, log })
  onTestFinished(() => keelson.stop({ withinMs: 100 }))
  const reads = async (kind: string, what: () => Promise<unknown>): Promise<{ times: number; rows: number }> => {
    seen = []
    await what()
    const own = seen.filter(({ query }) => query.kind === kind)
    return { times: own.length, rows: own.reduce((sum, { rows }) => sum + rows, 0) }
  }
  return { keelson, reads, places }
}

async function remember({ memory }: Conductor, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await memory.remember({ text: `fact number ${n}` }, { by: me })
}

it('reads as many logs of contexts as are wanted', async () => {
  const { keelson, reads } = await counting()
  for (let n = 0; n < 12; n++) await keelson.memory.context({ task: `question ${n}` })
  const list = (limit: number) => keelson.memory.contexts({ limit })
  expect(await list(3)).toHaveLength(3)
  expect(await reads('memory-context', () => list(3))).toEqual({ times: 1, rows: 3 })
  expect(await reads('memory-context', () => list(0))).toEqual({ times: 0, rows: 0 })
  expect(await list(20)).toHaveLength(12)
})

it('asks once of a change set whether it may be seen, and only of those that are handed out', async () => {
  const { keelson, reads } = await counting()
  await remember(keelson, 12)
  const held = keelson.memory.scope('workspace', { maxSensitivity: 1 })
  expect(await held.changes.list({ limit: 3 })).toHaveLength(3)
  expect(await reads('memory', () => held.changes.list({ limit: 3 }))).toEqual({ times: 3, rows: 3 })
  expect(await reads('memory', () => held.changes.list())).toEqual({ times: 12, rows: 12 })
})

it('looks once at a place where an erased text stayed, when it is erased again', async () => {
  const asking = definePlaybook({
    ...{ name: 'asking', version: 1, input: z.object({ id: z.string() }), output: z.null() },
    async run(ctx, { id }) {
      const { data } = await ctx.entities(Customer).get(id)
      await ctx.step('copy', () => ({ said: `it is ${data.name}` }))
      await ctx.ask('Go on?', { answer: z.boolean() })
      return null
    },
  })
  const { keelson, places } = await counting([asking])
  const customers = keelson.entities(Customer, { by: me })
  const { id } = await customers.create({ name: 'Ada Lovelace of Ockham' })
  await keelson.start(asking, { id }, { id: 'one' })
  await keelson.quiet()
  expect((await customers.erase(id)).left).toHaveLength(1)
  places.length = 0
  expect((await customers.erase(id)).left).toHaveLength(1)
  expect(places.length).toBeGreaterThan(0)
  expect(new Set(places).size).toBe(places.length)
})
