/** What could not be taken is named by every erasure until it can, whatever began to hold it in between. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { defineEntity, definePlaybook, type Conductor } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { temporary } from '../../packages/memory-sqlite/test/subject.ts'
import { me, open } from '../support/open.ts'

const NAME = 'Ada Augusta Lovelace'
const OTHER = 'Nine Elms Passage 47'
const by = { by: me, reason: 'asked' }

const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ name: z.string() }) })

/** Holds what it is given, so many times, until it is answered. */
const holder = definePlaybook({
  ...{ name: 'holder', version: 1, input: z.object({ said: z.string(), times: z.number() }), output: z.null() },
  async run(ctx, { said, times }) {
    for (let at = 0; at < times; at++) await ctx.step(`copy ${at}`, () => ({ at, said }))
    await ctx.ask('Go on?', { answer: z.boolean() })
    return null
  },
})

async function company() {
  const { folder, remove } = temporary()
  onTestFinished(remove)
  const keelson = await open({ session: () => sqlite(join(folder, 'company.db')) } as never, {
    ...{ playbooks: [holder], entities: [Customer] },
  })
  const bytes = (): string =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile())
      .map((file) => readFileSync(join(file.parentPath, file.name)).toString('latin1'))
      .join('')
  return { keelson, bytes }
}

async function holds(keelson: Conductor, id: string, said: string, times = 1): Promise<() => Promise<void>> {
  const before = new Set((await keelson.inbox.list()).items.map((item) => item.id))
  const run = await keelson.start(holder, { said, times }, { id })
  await keelson.quiet()
  const item = (await keelson.inbox.list()).items.find((one) => !before.has(one.id))!
  return async () => {
    await keelson.inbox.decide(item.id, { hash: item.hash, by: me, answer: true })
    await run.result()
  }
}

const wheres = ({ left }: { left: readonly { where: string }[] }): string[] => left.map(({ where }) => where).sort()

describe('what an open run began to hold after an erasure', () => {
  const cases = {
    memory: async ({ memory }: Conductor) => {
      const { id } = await memory.remember({ text: NAME }, { by: me })
      return () => memory.erase({ ids: [id] }, by)
    },
    entity: async ({ entities }: Conductor) => {
      const customers = entities(Customer, { by: me })
      const { id } = await customers.create({ name: NAME })
      return () => customers.erase(id)
    },
    field: async ({ entities }: Conductor) => {
      const customers = entities(Customer, { by: me })
      const { id } = await customers.create({ name: NAME })
      return () => customers.erase(id, { fields: ['name'] })
    },
  }
  for (const [what, make] of Object.entries(cases))
    it(`is named by each later erasure of the same ${what}, also once what held it before is gone`, async () => {
      const { keelson, bytes } = await company()
      const erase = await make(keelson)
      const endFirst = await holds(keelson, 'first', NAME)
      expect(wheres(await erase())).toEqual(['run:first:0'])
      const endSecond = await holds(keelson, 'second', NAME)
      expect(wheres(await erase())).toEqual(['run:first:0', 'run:second:0'])
      await endFirst()
      for (let times = 0; times < 2; times++) expect(wheres(await erase())).toEqual(['run:second:0'])
      const entries = (await keelson.audit.verify()).entries
      expect(wheres(await erase())).toEqual(['run:second:0'])
      // Nothing is new: nothing is written.
      expect(await keelson.audit.verify()).toMatchObject({ faults: [], entries })
      await endSecond()
      expect(wheres(await erase())).toEqual([])
      expect(wheres(await erase())).toEqual([])
      expect((await keelson.audit.verify()).faults).toEqual([])
      await keelson.stop()
      expect(bytes()).not.toContain('Augusta')
    })
})

it('keeps every run in view that holds a text, however often one of them does', async () => {
  const { keelson, bytes } = await company()
  const { memory } = keelson
  const one = await memory.remember({ text: NAME }, { by: me })
  const other = await memory.remember({ text: OTHER }, { by: me })
  const endFirst = await holds(keelson, 'first', `${NAME}, ${OTHER}`, 25)
  const endSecond = await holds(keelson, 'second', NAME)
  expect(wheres(await memory.erase({ ids: [one.id] }, by))).toEqual(['run:first:0', 'run:second:0'])
  await endFirst()
  // Takes all that the first run held of either.
  await memory.erase({ ids: [other.id] }, by)
  expect(wheres(await memory.erase({ ids: [one.id] }, by))).toEqual(['run:second:0'])
  await endSecond()
  expect(wheres(await memory.erase({ ids: [one.id] }, by))).toEqual([])
  await keelson.stop()
  expect(bytes()).not.toMatch(/Augusta|Elms Passage/)
})
