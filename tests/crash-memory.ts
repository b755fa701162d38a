/** Programs for the crash matrix about memory: consolidation, retention into the bin and back, erasure, large sets and their revert. */
import {
  defineEntity,
  definePlaybook,
  type Conductor,
  type Decision,
  type Memory,
  type RevertResult,
} from '@keelson/core'
import type { Harness } from '@keelson/testing'
import { z } from 'zod'
import type { Program } from './crash-programs.ts'

const by = { kind: 'person', id: 'ann' } as const
const host = { kind: 'system', id: 'app' } as const

/** Kept once: a host that comes back after a crash looks first. */
async function kept(t: Harness, memories: readonly { text: string }[]): Promise<void> {
  await t.host(async ({ memory }) => {
    if ((await memory.facts()).length === 0) await memory.remember(memories, { by })
  })
}

/** Proposed once, and decided. */
async function proposed(t: Harness, propose: (keelson: Conductor) => Promise<unknown>, decision: Decision) {
  await t.host(async (keelson) => {
    if ((await keelson.memory.changes.list()).some((set) => set.reason === REASON)) return
    await propose(keelson)
  })
  await t.decide({ kind: 'question' }, decision)
}
const REASON = 'the program says so'

async function standing(t: Harness): Promise<string[]> {
  const facts = await t.host((keelson) => keelson.memory.facts())
  return facts.map(({ text }: Memory) => text).sort()
}

const learn = definePlaybook({
  name: 'learn',
  version: 1,
  input: z.object({}),
  output: z.array(z.string()),
  async run(ctx) {
    await ctx.memory.remember({ text: 'Acme pays late.' })
    await ctx.memory.remember({ text: 'Acme is in Ghent.' })
    await ctx.sleep('1h')
    const found = await ctx.memory.recall('where is acme')
    return found.map(({ memory }) => memory.text)
  },
})
/** What is said twice is said once, when a person agrees; a run that reads meanwhile reads what stands. */
const consolidation: Program = {
  name: 'consolidation',
  harness: () => ({ playbooks: [learn] }),
  async test(t) {
    await kept(t, [{ text: 'ACME  pays late!' }, { text: 'Acme pays invoice 260 late.' }])
    const run = await t.start(learn, {})
    const options = { by: host, reason: REASON }
    await proposed(t, (keelson) => keelson.memory.consolidate(undefined, options), { approve: true })
    const after = await standing(t)
    await t.advance('1h')
    return [after, await run.result()]
  },
}

/** What is past its time goes into the bin when a person agrees, comes back within its grace, and not after it. */
const retention: Program = {
  name: 'retention',
  harness: () => ({ playbooks: [] }),
  async test(t) {
    await t.host((keelson) => keelson.memory.retention.set({ name: 'month', keep: '30d', grace: '7d' }, { by }))
    await kept(t, [{ text: 'The door is green.' }, { text: 'The dog is old.' }])
    await t.host(async ({ memory }) => memory.pin(await idOf(memory, 'The dog'), { by }))
    await t.advance('31d')
    await t.host(async ({ memory }) => {
      const id = await idOf(memory, 'The dog')
      if ((await memory.get(id)).pinned) await memory.unpin(id, { by })
    })
    await proposed(t, ({ memory }) => memory.retention.run({ by: host, reason: REASON }), { approve: true })
    const gone = await standing(t)
    await t.host(async ({ memory }) => memory.restore(await idOf(memory, 'The door'), { by }))
    const back = await standing(t)
    await t.advance('8d')
    const late = await t.host(async ({ memory }) =>
      memory.restore(await idOf(memory, 'The dog'), { by }).then(
        () => 'back',
        (no: { code: string }) => no.code,
      ),
    )
    return [gone, back, late, await standing(t)]
  },
}

/** The id of what begins like this, whatever became of it. */
async function idOf(memory: Conductor['memory'], start: string): Promise<string> {
  const [found] = (await memory.facts({ history: true })).filter(({ text }) => text.startsWith(start))
  return found!.id
}

const SECRET = 'Ada hides 4711 coins'
const tell = definePlaybook({
  name: 'tell',
  version: 1,
  input: z.object({}),
  output: z.number(),
  async run(ctx) {
    const found = await ctx.memory.recall('coins')
    await ctx.memory.remember({ text: `I read: ${found[0]?.memory.text ?? 'nothing'}` })
    return found.length
  },
})
/** Erased is erased, also where a run has read it and a proposal holds it; what else was kept stays. */
const erasure: Program = {
  name: 'erasure',
  harness: () => ({ playbooks: [tell] }),
  async test(t) {
    await kept(t, [{ text: SECRET }, { text: 'The office is in Ghent.' }])
    const run = await t.start(tell, {})
    await run.result()
    await t.host(async ({ memory }) => {
      if ((await memory.changes.list()).some((set) => set.reason === REASON)) return
      await memory.changes.propose([{ op: 'add', memory: { text: `A rule: ${SECRET}` } }], {
        by: { kind: 'agent', id: 'robot' },
        reason: REASON,
      })
    })
    const ids = await t.host(async ({ memory }) =>
      (await memory.facts({ history: true })).filter(({ text }) => text.includes('4711')).map(({ id }) => id),
    )
    const { left } = await t.host((keelson) => keelson.memory.erase({ ids }, { by, reason: 'asked for' }))
    const found = await t.host((keelson) => keelson.memory.recall('coins'))
    const open = await t.host((keelson) => keelson.memory.changes.list({ status: 'proposed' }))
    return [left, found.length, open.length, await standing(t)]
  },
  async invariant(t) {
    for await (const line of t.keelson.audit.export())
      if (line.includes('4711')) throw new Error(`the erased text is in ${line.slice(0, 200)}`)
  },
}

const old = { name: 'client', version: 1, schema: z.object({ full: z.string() }) }
const Old = defineEntity({ ...old, key: ({ full }) => full })
const Client = defineEntity({
  ...{ name: 'client', version: 2, schema: z.object({ name: z.string() }), index: ['name'] as const },
  key: ({ name }) => name,
  upcast: { 2: ({ full }) => ({ name: full! }) },
})

/** Records of an older schema are stored anew once each, wherever it dies; a run that reads meanwhile reads them as of today. */
const migration: Program = {
  name: 'migration',
  harness: () => ({ playbooks: [calls], entities: [Client] }),
  async test(t) {
    const names = ['Ada', 'Bob', 'Cleo']
    for (const full of names) await t.host((keelson) => keelson.entities(Old, { by }).upsert({ full }))
    const run = await t.start(calls, { names })
    await t.host((keelson) => keelson.entities(Client, { by }).migrate())
    const clients = t.keelson.entities(Client)
    const found = (await clients.list()).entities
    const histories = await Promise.all(found.map(({ id }) => clients.history(id)))
    const told = histories.map((history) => history.map(({ what, version }) => `${version} ${what}`))
    return [await run.result(), found.map(({ data }) => data.name).sort(), told.map((one) => one.join())]
  },
}

const calls = definePlaybook({
  name: 'calls',
  version: 1,
  input: z.object({ names: z.array(z.string()) }),
  output: z.array(z.string()),
  async run(ctx, { names }) {
    const found: string[] = []
    for (const name of names) found.push((await ctx.entities(Client).find({ name }))?.data.name ?? 'nobody')
    return found
  },
})

const ITEMS = 100
const robot = { kind: 'agent', id: 'robot' } as const
const prices = (value: number, count = ITEMS) =>
  Array.from({ length: count }, (_, n) => ({ subject: `item ${n}`, predicate: 'price', value, functional: true }))
const stock = definePlaybook({
  name: 'stock',
  version: 1,
  input: z.object({}),
  output: z.number(),
  async run(ctx) {
    const told = await ctx.memory.remember(prices(20))
    await ctx.memory.append(
      prices(20, 3).map(({ subject }) => ({ text: `${subject} costs 20 now.`, thread: 'prices' })),
    )
    await ctx.sleep('1h')
    return told.filter(({ superseded }) => superseded !== undefined).length
  },
})
/** A set of very many, half of which takes the place of others, is there whole or not at all; taken back, all is as it was. */
const many: Program = {
  name: 'very many memories',
  harness: () => ({ playbooks: [stock] }),
  async test(t) {
    await t.host(async ({ memory }) => {
      if ((await memory.facts()).length === 0) await memory.remember(prices(10, ITEMS / 2), { by: robot })
    })
    const before = await priced(t)
    const run = await t.start(stock, {}, { id: 'stock' })
    await t.advance('1h')
    const superseded = await run.result()
    const between = await priced(t)
    await t.host(async ({ memory }) => {
      const ids = (await memory.facts({ about: 'item 7' })).filter(({ value }) => value === 20).map(({ id }) => id)
      if (ids.length > 0) await memory.erase({ ids }, { by, reason: 'asked for' })
    })
    const plan = await t.host((keelson) => keelson.revert.plan({ run: 'stock' }))
    const reverting = await t.host((keelson) => keelson.revert.apply(plan, { by }))
    const { undone, failed } = (await t.keelson.runs.get(reverting.id).result()) as RevertResult
    const after = await priced(t)
    if (JSON.stringify(after) !== JSON.stringify(before)) throw new Error(`not as before: ${JSON.stringify(after)}`)
    return [superseded, before, between, undone, failed, (await t.keelson.memory.history()).length]
  },
  async invariant(t) {
    const { faults } = await t.keelson.audit.verify()
    if (faults.length > 0) throw new Error(JSON.stringify(faults))
  },
}

/** How many items have each price; each has one. */
async function priced(t: Harness): Promise<Record<string, number>> {
  const facts = await t.host((keelson) => keelson.memory.facts({ limit: 2 * ITEMS }))
  if (new Set(facts.map(({ subject }) => subject)).size !== facts.length) throw new Error('an item has two prices')
  const counts: Record<string, number> = {}
  for (const { text } of facts) {
    const value = text.split(' ').at(-1)!
    counts[value] = (counts[value] ?? 0) + 1
  }
  return counts
}

export const memoryPrograms: readonly Program[] = [consolidation, retention, erasure, migration, many]
