/** A bundle that is merged brings nothing back that was erased here, and no blanks of what was erased there. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, type EntityType, type Workspace } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { me, open } from './support/open.ts'

const schema = z.object({ name: z.string(), town: z.string().optional(), debts: z.number().optional() })
const Customer = defineEntity({ name: 'customer', version: 1, schema })
const ada = { name: 'Ada Augusta Lovelace', town: 'Marylebone', debts: 12 }

async function linesOf(workspace: Workspace): Promise<string[]> {
  const lines: string[] = []
  for await (const line of workspace.export()) lines.push(line)
  return lines
}

const on = (workspace: Workspace) => workspace.entities(Customer, { by: me })
const take = { by: me, onConflict: 'take' } as const
const NOBODY = { refs: { stripe: null } }

async function two() {
  const keelson = await open(memoryStore(), { playbooks: [], entities: [Customer] })
  return { from: keelson.workspace('from'), there: keelson.workspace('there') }
}

describe('what was erased here', () => {
  it('is not brought back by a bundle of an earlier day into a field that was given another value since, or none', async () => {
    const { from } = await two()
    const { id } = await on(from).create(ada)
    const bundle = await linesOf(from)
    await on(from).erase(id, { fields: ['name', 'town'] })
    await on(from).update(id, { name: 'A.', debts: 13 })
    await on(from).update(id, { town: undefined })
    expect((await on(from).get(id)).data).toEqual({ name: 'A.', debts: 13 })
    expect(await from.merge(bundle, { by: me })).toMatchObject({ entities: [{ what: 'kept', fields: ['debts'] }] })
    expect(await from.merge(bundle, take)).toMatchObject({ entities: [{ what: 'taken', fields: ['debts'] }] })
    expect((await on(from).get(id)).data).toEqual({ name: 'A.', debts: 12 })
    expect((await linesOf(from)).join('')).not.toMatch(/Augusta|Marylebone/)
  })

  it('stays away as a whole where all of a record was erased', async () => {
    const { from } = await two()
    const { id } = await on(from).create(ada)
    const bundle = await linesOf(from)
    await on(from).update(id, { town: undefined })
    await on(from).erase(id)
    await on(from).restore(id)
    await on(from).update(id, { name: 'B.', debts: undefined })
    expect(await from.merge(bundle, take)).toMatchObject({ entities: [{ what: 'same' }] })
    expect((await on(from).get(id)).data).toEqual({ name: 'B.' })
  })

  it('is not brought back under the name that a newer schema has for it', async () => {
    const kept = memoryStore()
    const first = await open(kept, { playbooks: [], entities: [Customer] })
    const { id } = await first.entities(Customer, { by: me }).create(ada)
    const bundle = await linesOf(first.workspace('default'))
    await first.entities(Customer, { by: me }).erase(id, { fields: ['name'] })
    await first.stop()
    const Newer = defineEntity({
      ...{ name: 'customer', version: 2, schema: z.object({ called: z.string(), town: z.string().optional() }) },
      upcast: { 2: ({ name, town }) => ({ called: `the ${name as string}`, ...(town === undefined ? {} : { town }) }) },
    })
    const second = await open(kept, { playbooks: [], entities: [Newer as EntityType<object>] })
    const newer = second.entities(Newer, { by: me })
    for (let round = 0; round < 2; round++) {
      await second.workspace('default').merge(bundle, take)
      expect((await newer.get(id)).data).toEqual({ called: 'the [erased]', town: 'Marylebone' })
      await newer.migrate()
    }
  })

  it('is known again in a bundle of another company, and in a memory of which only a part was erased', async () => {
    const { from, there } = await two()
    await from.memory.remember({ subject: 'ada', text: 'Ada hides gold coins' }, { by: me })
    await from.memory.remember({ text: 'The office is in Berlin.' }, { by: me })
    const bundle = await linesOf(from)
    expect((await there.merge(bundle, { by: me })).memories).toMatchObject({ imported: 2, erased: 0 })
    await there.memory.erase({ about: 'ada' }, { by: me, reason: 'asked' })
    expect((await there.merge(bundle, { by: me })).memories).toEqual({ imported: 0, known: 1, proposed: 0, erased: 1 })
    expect(await there.memory.recall('gold coins')).toEqual([])

    const { id } = await on(from).create(ada)
    await from.memory.remember({ text: `${ada.name} is to be greeted` }, { by: me })
    const older = await linesOf(from)
    await on(from).erase(id)
    await from.merge(older, take)
    expect((await linesOf(from)).join('')).not.toContain('Augusta')
    expect((await from.memory.recall('greeted')).map(({ memory }) => memory.text)).toEqual([
      '[erased] is to be greeted',
    ])
  })

  it('does not come back whole beside a memory that was taken over, and of which a part was erased', async () => {
    const { from, there } = await two()
    await from.memory.remember({ subject: 'ada', text: 'phone 555-1234-77' }, { by: me })
    await from.memory.remember({ text: 'Call Ada: phone 555-1234-77' }, { by: me })
    const number = { subject: 'office', predicate: 'number', functional: true }
    await from.memory.remember({ ...number, text: 'Ask for Ada, phone 555-1234-77', value: 7 }, { by: me })
    await from.memory.remember({ text: 'The office is in Berlin.' }, { by: me })
    const bundle = await linesOf(from)
    await there.merge(bundle, { by: me })
    await there.memory.erase({ about: 'ada' }, { by: me, reason: 'asked' })
    const texts = ['Ask for Ada, [erased]', 'Call Ada: [erased]', 'The office is in Berlin.']
    expect((await there.memory.facts()).map(({ text }) => text).sort()).toEqual(texts)
    expect((await there.merge(bundle, { by: me })).memories).toEqual({ imported: 0, known: 1, proposed: 0, erased: 3 })
    expect((await there.memory.facts()).map(({ text }) => text).sort()).toEqual(texts)
    // Nor when what is left of them is forgotten, or erased, too.
    const [office, call] = (await there.memory.facts()).filter(({ text }) => text.includes('[erased]'))
    await there.memory.forget(office!.id, { by: me })
    await there.memory.erase({ ids: [call!.id] }, { by: me, reason: 'asked' })
    expect((await there.merge(bundle, { by: me })).memories).toEqual({ imported: 0, known: 1, proposed: 0, erased: 3 })
    expect((await linesOf(there)).join('')).not.toContain('555-1234')
  })

  it('does not come back whole in any of the states that a memory had between two erasures', async () => {
    const { from, there } = await two()
    const { id } = await on(from).create(ada)
    const text = `${ada.name} lives in ${ada.town}`
    await from.memory.remember({ text }, { by: me })
    const whole = await linesOf(from)
    await on(from).erase(id, { fields: ['name'] })
    const partly = await linesOf(from)
    await there.merge(whole, take)
    await on(there).erase(id, { fields: ['name'] })
    await on(there).erase(id, { fields: ['town'] })
    for (const bundle of [whole, partly]) await there.merge(bundle, take)
    expect((await there.memory.facts()).map((one) => one.text)).toEqual(['[erased] lives in [erased]'])
    expect((await linesOf(there)).join('')).not.toMatch(/Augusta|Marylebone/)
  })

  it('leads to the blank record by the identity outside that it had, whoever has that now', async () => {
    const { from, there } = await two()
    const [x, z] = [await on(from).create(ada), await on(from).create({ name: 'Zoe' })]
    await on(from).identify(x.id, { refs: { stripe: 'cus_1' } })
    await on(from).identify(z.id, { refs: { stripe: 'cus_2' } })
    await from.memory.remember({ subject: { type: 'customer', id: x.id }, text: 'Ada plays whist.' }, { by: me })
    const bundle = await linesOf(from)
    const here = await on(there).create({ name: 'A' })
    await on(there).identify(here.id, { refs: { stripe: 'cus_1' } })
    await there.merge(bundle, take)
    await there.memory.erase({ about: { type: 'customer', id: here.id } }, { by: me, reason: 'asked' })
    await on(there).erase(here.id)
    const merged = await there.merge(bundle, take)
    const led = (one: string) => merged.entities.find(({ id }) => id === one)
    expect([led(x.id), led(z.id)]).toMatchObject([
      { here: here.id, what: 'same' },
      { here: z.id, what: 'same' },
    ])
    expect(merged.memories).toMatchObject({ imported: 0, erased: 1 })
    expect((await linesOf(there)).join('')).not.toMatch(/Augusta|Marylebone|cus_1/)

    const fresh = await on(there).create({ name: 'B' })
    await on(there).identify(fresh.id, { refs: { stripe: 'cus_1' } })
    const again = (await there.merge(bundle, take)).entities.filter(({ id }) => id === x.id)
    expect(again).toMatchObject([{ here: fresh.id, what: 'same' }])
    expect((await on(there).get(fresh.id)).data).toEqual({ name: 'B' })
    expect((await on(there).get(here.id)).archived).toBe(true)
  })

  it('leads to the blank record by the identity of one that had been merged into it', async () => {
    const { from, there } = await two()
    const x = await on(from).create(ada)
    await on(from).identify(x.id, { refs: { stripe: 'cus_1' } })
    const bundle = await linesOf(from)
    const [a, b] = [await on(there).create({ name: 'A' }), await on(there).create({ name: 'B' })]
    await on(there).identify(a.id, { refs: { stripe: 'cus_1' } })
    await on(there).merge(b.id, a.id)
    await on(there).erase(b.id)
    expect((await there.merge(bundle, take)).entities).toMatchObject([{ id: x.id, what: 'same' }])
    expect((await linesOf(there)).join('')).not.toMatch(/Augusta|Marylebone/)
  })

  it('of one record is erased of all that are one with it by now: neither a field nor a memory comes back to another', async () => {
    const { from, there } = await two()
    const x = await on(from).create(ada)
    await on(from).identify(x.id, { refs: { stripe: 'cus_1' } })
    await from.memory.remember({ subject: { type: 'customer', id: x.id }, text: 'Ada plays whist.' }, { by: me })
    const bundle = await linesOf(from)
    const [a, b] = [await on(there).create({ name: 'A' }), await on(there).create({ name: 'B' })]
    await on(there).identify(a.id, { refs: { stripe: 'cus_1' } })
    await there.merge(bundle, take)
    await there.memory.erase({ about: { type: 'customer', id: a.id } }, { by: me, reason: 'asked' })
    await on(there).erase(a.id, { fields: ['name', 'town'] })
    await on(there).merge(b.id, a.id)
    expect(await there.merge(bundle, take)).toMatchObject({
      entities: [{ here: b.id, what: 'taken', fields: ['debts'] }],
      memories: { imported: 0, erased: 1 },
    })
    expect((await on(there).get(b.id)).data).toEqual({ name: 'B', debts: 12 })
    expect((await linesOf(there)).join('')).not.toMatch(/Augusta|Marylebone|whist/)
  })

  it('does not come back with a bundle in which the record has become one with another', async () => {
    const { from, there } = await two()
    const [x, y] = [await on(from).create(ada), await on(from).create({ name: 'A. L.' })]
    await from.memory.remember({ subject: { type: 'customer', id: x.id }, text: 'Ada plays whist.' }, { by: me })
    await there.merge(await linesOf(from), { by: me })
    await there.memory.erase({ about: { type: 'customer', id: x.id } }, { by: me, reason: 'asked' })
    await on(there).erase(x.id)
    await on(from).merge(y.id, x.id, { take: ['name', 'town'] })
    expect(await there.merge(await linesOf(from), take)).toMatchObject({
      entities: [{ here: y.id, what: 'same' }],
      memories: { imported: 0, erased: 1 },
    })
    expect((await linesOf(there)).join('')).not.toMatch(/Augusta|Marylebone|whist/)
  })

  it('does not come back with a bundle in which another record has the identity now', async () => {
    const { from, there } = await two()
    const [x, z] = [await on(from).create(ada), await on(from).create({ name: 'A. L.' })]
    await on(from).identify(x.id, { refs: { stripe: 'cus_1' } })
    await from.memory.remember({ subject: { type: 'customer', id: x.id }, text: 'Ada plays whist.' }, { by: me })
    const y = await on(there).create({ name: 'A' })
    await on(there).identify(y.id, { refs: { stripe: 'cus_1' } })
    await there.merge(await linesOf(from), take)
    await there.memory.erase({ about: { type: 'customer', id: y.id } }, { by: me, reason: 'asked' })
    await on(there).erase(y.id, { fields: ['name', 'town'] })
    await on(from).merge(z.id, x.id, { take: ['name', 'town'] })
    expect(await there.merge(await linesOf(from), take)).toMatchObject({
      entities: [{ here: z.id, what: 'same' }],
      memories: { imported: 0, erased: 1 },
    })
    expect((await linesOf(there)).join('')).not.toMatch(/Augusta|Marylebone|whist/)
  })

  it('does not come back as a memory about the record that has the identity now', async () => {
    const { from, there } = await two()
    const x = await on(from).create(ada)
    await on(from).identify(x.id, { refs: { stripe: 'cus_1' } })
    await from.memory.remember({ subject: { type: 'customer', id: x.id }, text: 'Ada plays whist.' }, { by: me })
    const bundle = await linesOf(from)
    const a = await on(there).create({ name: 'A' })
    await on(there).identify(a.id, { refs: { stripe: 'cus_1' } })
    await there.merge(bundle, take)
    await there.memory.erase({ about: { type: 'customer', id: a.id } }, { by: me, reason: 'asked' })
    await on(there).erase(a.id)
    const fresh = await on(there).create({ name: 'B' })
    await on(there).identify(fresh.id, { refs: { stripe: 'cus_1' } })
    expect((await there.merge(bundle, take)).memories).toMatchObject({ imported: 0, erased: 1 })
  })

  it('does not come back under another id, when the identity that led to it was given up there or here', async () => {
    for (const isHere of [false, true]) {
      const { from, there } = await two()
      const x = await on(from).create(ada)
      await on(from).identify(x.id, { refs: { stripe: 'cus_1' } })
      const y = await on(there).create({ name: 'A' })
      await on(there).identify(y.id, { refs: { stripe: 'cus_1' } })
      await there.merge(await linesOf(from), take)
      await (isHere ? on(there).identify(y.id, NOBODY) : on(from).identify(x.id, NOBODY))
      await on(there).erase(y.id)
      expect(await there.merge(await linesOf(from), take)).toMatchObject({ entities: [{ here: y.id, what: 'same' }] })
      expect((await linesOf(there)).join('')).not.toMatch(/Augusta|Marylebone/)
    }
  })

  it('does not come back with a record that the erased one was merged into there, and not when they are two again', async () => {
    const { from, there } = await two()
    const x = await on(from).create(ada)
    await there.merge(await linesOf(from), take)
    await on(there).erase(x.id)
    const z = await on(from).create({ name: 'Zoe', debts: 1 })
    await on(from).merge(z.id, x.id, { take: ['name', 'town'] })
    expect(await there.merge(await linesOf(from), take)).toMatchObject({ entities: [{ here: x.id, what: 'same' }] })
    await on(from).restore(x.id)
    await on(from).update(z.id, { debts: 2 })
    const { entities } = await there.merge(await linesOf(from), take)
    const became = Object.fromEntries(entities.map(({ id, here, what }) => [id, { here, what }]))
    expect(became).toEqual({ [z.id]: { here: z.id, what: 'created' }, [x.id]: { here: x.id, what: 'same' } })
    // Its own comes; of what it had taken over it is told that it was erased.
    expect(await on(there).get(z.id)).toMatchObject({
      data: { name: '[erased]', debts: 2 },
      erased: [{ fields: ['name', 'town'] }],
    })
    expect((await linesOf(there)).join('')).not.toMatch(/Augusta|Marylebone/)
    expect(await there.audit.verify()).toMatchObject({ ok: true })
  })

  it('does not come back in part where it was the same on both sides when the record was taken over', async () => {
    const { from, there } = await two()
    const x = await on(from).create(ada, { refs: { stripe: 'cus_1' } })
    const y = await on(there).create({ name: ada.name, debts: 1 }, { refs: { stripe: 'cus_1' } })
    await there.merge(await linesOf(from), take)
    await on(there).identify(y.id, NOBODY)
    await on(there).erase(y.id, { fields: ['name'] })
    await there.merge(await linesOf(from), take)
    expect((await on(there).get(x.id)).data).toEqual({ ...ada, name: '[erased]' })
    expect((await linesOf(there)).join('')).not.toContain('Augusta')
  })

  it('keeps away from somebody else who lives here no more than what the erased one had once taken of them', async () => {
    const { from, there } = await two()
    const [x, z] = [await on(from).create(ada), await on(from).create({ name: 'Zoe', debts: 1 })]
    await there.merge(await linesOf(from), take)
    await on(there).merge(z.id, x.id, { take: ['name'] })
    await on(there).restore(x.id)
    await on(there).erase(z.id)
    const w = await on(from).create({ name: 'Will' })
    await on(from).merge(w.id, x.id, { take: ['town', 'name'] })
    await on(from).restore(x.id)
    await on(from).update(x.id, { name: 'Ada L.', town: 'Ockham', debts: 13 })
    const { entities } = await there.merge(await linesOf(from), take)
    expect(Object.fromEntries(entities.map(({ id, here, what, fields }) => [id, { here, what, fields }]))).toEqual({
      [x.id]: { here: x.id, what: 'taken', fields: ['debts', 'town'] },
      [z.id]: { here: z.id, what: 'same', fields: undefined },
      [w.id]: { here: w.id, what: 'created', fields: undefined },
    })
    expect((await on(there).get(x.id)).data).toEqual({ ...ada, town: 'Ockham', debts: 13 })
    expect((await on(there).get(w.id)).data).toEqual({ name: '[erased]', town: 'Marylebone' })
  })

  it('does not come back as an event from a company that had taken it over', async () => {
    const { from, there } = await two()
    const { id } = await from.memory.append({ text: 'Ada spoke of gold coins.', about: 'ada' }, { by: me })
    await there.merge(await linesOf(from), { by: me })
    await from.memory.erase({ ids: [id] }, { by: me, reason: 'asked' })
    expect((await from.merge(await linesOf(there), { by: me })).memories).toMatchObject({ imported: 0, erased: 1 })
    expect(await from.memory.history()).toEqual([])
  })

  it('leads to the record of an identity outside where the key is another, blank or not', async () => {
    const Keyed = defineEntity({
      ...{ name: 'keyed', version: 1, schema: z.object({ email: z.string(), note: z.string() }) },
      key: ({ email }) => email,
    })
    const keelson = await open(memoryStore(), { playbooks: [], entities: [Keyed] })
    const [from, there] = [keelson.workspace('from'), keelson.workspace('there')]
    const refs = { stripe: 'cus_1' }
    await from.entities(Keyed, { by: me }).create({ email: 'ada@example.org', note: 'plays whist' }, { refs })
    const bundle = await linesOf(from)
    const keyed = there.entities(Keyed, { by: me })
    const { id } = await keyed.create({ email: 'countess@example.org', note: 'tall' }, { refs })
    expect((await there.merge(bundle, { by: me })).entities).toMatchObject([{ here: id, what: 'kept' }])
    await keyed.erase(id)
    expect((await there.merge(bundle, take)).entities).toMatchObject([{ here: id, what: 'same' }])
    expect((await linesOf(there)).join('')).not.toMatch(/whist|countess/)
  })
})

describe('what was erased in the bundle', () => {
  it('is not written as blanks over what a company has alive', async () => {
    const { from, there } = await two()
    const { id } = await on(from).create(ada)
    await there.merge(await linesOf(from), { by: me })
    await on(from).erase(id, { fields: ['name'] })
    await on(from).update(id, { debts: 13 })
    expect(await there.merge(await linesOf(from), take)).toMatchObject({
      entities: [{ what: 'taken', fields: ['debts'] }],
    })
    expect((await on(there).get(id)).data).toEqual({ ...ada, debts: 13 })
    await on(from).erase(id)
    expect(await there.merge(await linesOf(from), take)).toMatchObject({ entities: [{ what: 'same' }] })
    expect((await on(there).get(id)).data).toEqual({ ...ada, debts: 13 })
  })

  it('is told as erased where the record is new here, and left out where it need not be there', async () => {
    const { from, there } = await two()
    const { id } = await on(from).create(ada)
    const older = await linesOf(from)
    await on(from).erase(id)
    expect(await there.merge(await linesOf(from), take)).toMatchObject({ entities: [{ what: 'created' }] })
    const made = await on(there).get(id)
    expect(made).toMatchObject({ archived: true, erased: [{ fields: ['debts', 'name', 'town'] }] })
    expect(made.data).toEqual({ name: '[erased]' })
    expect(await on(there).asOf(id, {})).toMatchObject({ data: { name: '[erased]' } })
    // What its company had erased does not come with an older bundle of it, either.
    await there.merge(older, take)
    expect((await on(there).get(id)).data).toEqual({ name: '[erased]' })
    expect(await there.audit.verify()).toMatchObject({ ok: true })
  })

  it('stands in no way of finding the record by its id or key, also where no blank fits the schema', async () => {
    const Keyed = defineEntity({
      ...{ name: 'keyed', version: 1, key: ({ code }: { code: string }) => code },
      schema: z.object({ code: z.string(), tier: z.enum(['gold', 'silver']) }),
    })
    const keelson = await open(memoryStore(), { playbooks: [], entities: [Keyed] })
    const [from, there] = [keelson.workspace('from'), keelson.workspace('there')]
    const { id } = await from.entities(Keyed, { by: me }).create({ code: 'a', tier: 'gold' })
    const { here } = (await there.merge(await linesOf(from), { by: me })).entities[0]!
    expect(here).not.toBe(id)
    await from.entities(Keyed, { by: me }).erase(id, { fields: ['tier'] })
    const bundle = await linesOf(from)
    expect((await from.merge(bundle, { by: me })).entities).toMatchObject([{ what: 'same', here: id }])
    expect((await there.merge(bundle, { by: me })).entities).toMatchObject([{ what: 'same', here }])
  })

  it('is taken for no record that has blanks where its key was', async () => {
    const Keyed = defineEntity({
      ...{ name: 'keyed', version: 1, schema: z.object({ email: z.string(), note: z.string() }) },
      key: ({ email }) => email,
    })
    const keelson = await open(memoryStore(), { playbooks: [], entities: [Keyed] })
    const [from, there] = [keelson.workspace('from'), keelson.workspace('there')]
    const keyed = from.entities(Keyed, { by: me })
    for (const email of ['ada@example.org', 'bob@example.org']) {
      const { id } = await keyed.create({ email, note: 'tall' })
      await keyed.erase(id, { fields: ['email'] })
    }
    const { entities } = await there.merge(await linesOf(from), { by: me })
    expect(entities.map(({ what }) => what)).toEqual(['created', 'created'])
    expect(new Set(entities.map(({ here }) => here)).size).toBe(2)
  })
})
