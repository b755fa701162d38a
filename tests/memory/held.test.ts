/** What recall hands out without looking it up is what stands in the store, whatever became of it and whoever did it. */
import { expect, it } from 'vitest'
import type { Conductor, WorkspaceMemory } from '@keelson/core'
import type { MemoryStore } from '@keelson/core/ports'
import { intercept, type MemoryStoreSession } from '@keelson/testing'
import { me, open, store } from '../support/open.ts'

const by = me

/** What somebody may take a memory for who does not look at types. */
interface Loose {
  readonly memory: {
    text: string
    value?: { cups: number[] }
    source: { by: { id: string } }
    evidence: { kind: string; id: string }[]
  }
}

/** What is found, and the same memories as they are looked up. */
async function both(memory: WorkspaceMemory): Promise<{ found: unknown[]; stored: unknown[] }> {
  const found = (await memory.recall('what is said of tea')).map((one) => one.memory)
  const stored = await Promise.all(found.map(({ id }) => memory.get(id)))
  return { found, stored }
}

it('is what stands there after each change, for who made it and for another process', async () => {
  const kept = store()
  const conductors: Conductor[] = [await open(kept, { playbooks: [] }), await open(kept, { playbooks: [] })]
  const [one, other] = conductors.map(({ memory }) => memory.scope('customer:ada')) as [
    WorkspaceMemory,
    WorkspaceMemory,
  ]
  const agree = async (count: number): Promise<void> => {
    for (const memory of [one, other]) {
      const { found, stored } = await both(memory)
      expect(found).toEqual(stored)
      expect(found).toHaveLength(count)
    }
  }
  const remembered = []
  for (const text of ['tea in the morning', 'tea with milk', 'tea without sugar', 'tea for two', 'no tea at night'])
    remembered.push((await one.remember({ text, value: { cups: [1, 2] } }, { by })).id)
  const [first, second, third, fourth] = remembered as [string, string, string, string]
  await agree(5)
  await other.pin(first, { by })
  await agree(5)
  await one.expire(second, { by, at: '2999-01-01T00:00:00Z' })
  await agree(5)
  await other.correct(third, { text: 'tea with sugar after all' }, { by })
  await agree(5)
  const { changeSet = '' } = await one.forget(fourth, { by })
  await agree(4)
  await other.revert({ changeSet }, { by })
  await agree(5)
  await one.erase({ ids: [first] }, { by, reason: 'asked' })
  await agree(4)
  await other.unpin(second, { by })
  await agree(4)
})

it('is not looked up, unless it is so long that it is not held', async () => {
  const asked: string[] = []
  const counted = intercept(store().session(), {
    after(op, detail) {
      const query = detail[1] as { kind: string; ids?: readonly string[] }
      if (op === 'records' && query.kind === 'memory' && query.ids !== undefined) asked.push(...query.ids)
    },
  })
  const { memory } = await open({ session: () => counted } as MemoryStoreSession, { playbooks: [] })
  await memory.remember({ text: 'tea is short' }, { by })
  const long = await memory.remember({ text: `tea ${'and much else '.repeat(400)}` }, { by })
  asked.length = 0
  const found = await memory.recall('tea')
  expect(found).toHaveLength(2)
  expect(asked).toEqual([long.id])
  const { text } = await memory.get(long.id)
  expect(found.map((one) => one.memory.text).sort()).toEqual(['tea is short', text].sort())
})

it("is each asker's own: what somebody does to it, nobody else sees", async () => {
  const { memory } = await open(store(), { playbooks: [] })
  const evidence = [{ kind: 'url', id: 'https://example.org' }] as const
  await memory.remember({ text: 'tea at six', value: { cups: [1] }, evidence }, { by })
  for (const text of ['tea at seven', 'tea at eight']) await memory.remember({ text }, { by })
  const before = JSON.stringify(await memory.recall('tea'))
  for (const { memory: found } of (await memory.recall('tea')) as unknown as Loose[]) {
    found.text = 'coffee'
    found.value?.cups.push(2)
    found.source.by.id = 'nobody'
    for (const one of found.evidence) one.id = 'elsewhere'
    found.evidence.push({ kind: 'url', id: 'another' })
  }
  expect(JSON.stringify(await memory.recall('tea'))).toBe(before)
})

type Held = 'records' | 'tail'

/** Two processes: one writes; of the other, what it reads can be held up, by what is asked for. */
async function held(): Promise<{
  one: WorkspaceMemory
  other: WorkspaceMemory
  hold(op: Held, asks: string, until: () => Promise<unknown>): void
}> {
  const kept = store()
  const holds: { op: Held; asks: string; until: () => Promise<unknown> }[] = []
  const session = kept.session()
  const waiting = intercept(session, {
    before: async (op, detail) => {
      const at = holds.findIndex((hold) => hold.op === op && JSON.stringify(detail).includes(hold.asks))
      if (at >= 0) await holds.splice(at, 1)[0]!.until()
    },
  }) satisfies MemoryStore
  const one = (await open(kept, { playbooks: [] })).memory.scope('customer:ada')
  const other = (await open(kept, { playbooks: [], store: waiting })).memory.scope('customer:ada')
  return { one, other, hold: (op, asks, until) => void holds.push({ op, asks, until }) }
}

const texts = async (asked: ReturnType<WorkspaceMemory['recall']>): Promise<string[]> =>
  (await asked).map(({ memory }) => memory.text)

it('is the one or the other where it is corrected while it is looked for, and never neither', async () => {
  const { one, other, hold } = await held()
  const { id } = await one.remember({ text: 'green tea' }, { by })
  expect(await texts(other.recall('tea'))).toEqual(['green tea'])
  hold('records', '"past:', () => one.correct(id, { text: 'black tea' }, { by }))
  expect(await texts(other.recall('tea'))).toEqual(['black tea'])
})

it('is the one or the other while another question has read a half of it, and never both', async () => {
  const { one, other, hold } = await held()
  const { id } = await one.remember({ text: 'green tea', subject: { type: 'customer', id: 'ada' } }, { by })
  expect(await texts(other.recall('tea'))).toEqual(['green tea'])
  const [asked, looked, half, rest] = Array.from({ length: 4 }, () => Promise.withResolvers<void>())
  hold('tail', '', () => (asked!.resolve(), looked!.promise))
  const first = texts(other.recall('tea'))
  await asked!.promise
  await one.correct(id, { text: 'black tea' }, { by })
  hold('records', '"past:', () => (half!.resolve(), rest!.promise))
  const second = texts(other.recall('tea'))
  await half!.promise
  looked!.resolve()
  expect(await first).toEqual(['green tea'])
  rest!.resolve()
  expect(await second).toEqual(['black tea'])
})
