/** Entities: records, their history on two clocks, what leads to them, and what is refused. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, lifecycle, type Json } from '@keelson/core'
import { memoryStore, testConductor, type MemoryStoreSession } from '@keelson/testing'
import { code, me, open, store } from './support/open.ts'

const Company = defineEntity({ name: 'company', version: 1, schema: z.object({ name: z.string() }) })
const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({
    name: z.string(),
    email: z.string(),
    stage: z.enum(['new', 'signed', 'lost']),
    company: z.string().optional(),
  }),
  index: ['stage', 'email'],
  private: ['email'],
  links: { company: Company },
})
const Ledger = defineEntity({
  name: 'ledger',
  version: 1,
  schema: z.object({ number: z.string(), cents: z.number() }),
  key: (ledger) => ledger.number,
})

const at = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString()

/** A conductor whose clock is set by hand. */
async function desk(data: MemoryStoreSession = store(), more: object = {}) {
  const time = { now: Date.UTC(2026, 0, 1) }
  const clock = { now: () => time.now, monotonic: () => time.now, timer: () => () => {} } as never
  const keelson = await open(data, { playbooks: [], clock, work: false, ...more })
  return { keelson, data, set: (minute: number) => void (time.now = Date.UTC(2026, 0, 1, 0, minute)) }
}

const bo = { name: 'Bo', email: 'bo@example.org', stage: 'new' as const }

describe('a record', () => {
  it('is listed by declared indexes, page by page, in order of creation', async () => {
    const { keelson, set } = await desk()
    const customers = keelson.entities(Customer)
    for (let n = 0; n < 25; n++) {
      set(n)
      await customers.create({ ...bo, name: `c${n}`, stage: n % 2 === 0 ? 'new' : 'signed' })
    }
    const seen: string[] = []
    let after: string | undefined
    do {
      const page = await customers.list({
        where: { stage: 'new' },
        limit: 5,
        ...(after === undefined ? {} : { after }),
      })
      seen.push(...page.entities.map(({ data }) => data.name))
      after = page.next
    } while (after !== undefined)
    expect(seen).toEqual(Array.from({ length: 13 }, (_, n) => `c${2 * n}`))
    const newest = await customers.list({ first: 'newest', limit: 2 })
    expect(newest.entities.map(({ data }) => data.name)).toEqual(['c24', 'c23'])
    const both = await customers.list({ where: { stage: 'new', email: bo.email }, limit: 500 })
    expect(both.entities).toHaveLength(13)
    await expect(customers.list({ where: { name: 'c1' } })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(customers.list({ after: 'junk' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('that is archived is left out, stays readable, refuses changes, and comes back', async () => {
    const { keelson } = await desk()
    const customers = keelson.entities(Customer)
    const { id } = await customers.create(bo)
    expect(await customers.archive(id)).toMatchObject({ archived: true, version: 2 })
    expect(await customers.find({ email: bo.email })).toBeUndefined()
    expect((await customers.list()).entities).toEqual([])
    expect((await customers.list({ archived: true })).entities.map((one) => one.id)).toEqual([id])
    expect(await customers.get(id)).toMatchObject({ archived: true, data: bo })
    await expect(customers.update(id, { name: 'x' })).rejects.toMatchObject({ code: 'ENTITY_ARCHIVED' })
    await customers.restore(id)
    expect(await customers.find({ email: bo.email })).toMatchObject({ id, version: 3 })
  })

  it('with a key is one record, however often it is created', async () => {
    const { keelson } = await desk()
    const ledgers = keelson.entities(Ledger)
    const one = await ledgers.create({ number: '2026-1', cents: 1 })
    await expect(ledgers.create({ number: '2026-1', cents: 2 })).rejects.toMatchObject({
      code: 'ENTITY_EXISTS',
      data: { id: one.id },
    })
    expect(await ledgers.upsert({ number: '2026-1', cents: 3 })).toMatchObject({ id: one.id, version: 2 })
    expect(await ledgers.upsert({ number: '2026-2', cents: 3 })).toMatchObject({ version: 1 })
    await expect(ledgers.update(one.id, { number: '2026-9' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(keelson.entities(Company).upsert({ name: 'x' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('is found by its key, in a run as well; one that was merged away leads to the survivor', async () => {
    const finds = code(async (ctx) => {
      const ledgers = ctx.entities(Ledger)
      return [(await ledgers.byKey('2026-1'))?.data.cents, (await ledgers.byKey('2026-3')) ?? null]
    })
    const { keelson } = await desk(store(), { playbooks: [finds], work: true })
    const ledgers = keelson.entities(Ledger, { by: me })
    const one = await ledgers.create({ number: '2026-1', cents: 1 })
    const two = await ledgers.create({ number: '2026-2', cents: 2 })
    expect(await ledgers.byKey('2026-2')).toEqual(two)
    expect(await ledgers.byKey('2026-3')).toBeUndefined()
    await ledgers.merge(one.id, two.id)
    expect(await ledgers.byKey('2026-2')).toMatchObject({ id: one.id })
    expect(await (await keelson.start(finds, {}, { id: 'f' })).result()).toEqual([1, null])
    await expect(keelson.entities(Company).byKey('x')).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('drops a field that is patched away', async () => {
    const { keelson } = await desk()
    const company = await keelson.entities(Company).create({ name: 'Acme' })
    const customers = keelson.entities(Customer)
    const { id } = await customers.create({ ...bo, company: company.id })
    const patch = { company: undefined } as unknown as Partial<typeof bo>
    expect((await customers.update(id, patch)).data).toEqual(bo)
    const history = await customers.history(id)
    expect(history.at(-1)?.fields).toEqual({ company: { before: company.id } })
  })

  it('links only to what is there, and is found by what it links to, over merges', async () => {
    const { keelson } = await desk()
    const [companies, customers] = [keelson.entities(Company), keelson.entities(Customer)]
    await expect(customers.create({ ...bo, company: 'company_none' })).rejects.toMatchObject({ code: 'LINK_BROKEN' })
    const [a, b] = [await companies.create({ name: 'A' }), await companies.create({ name: 'B' })]
    const one = await customers.create({ ...bo, company: a.id })
    const two = await customers.create({ ...bo, name: 'Cy', company: b.id })
    await companies.merge(a.id, b.id)
    for (const id of [a.id, b.id]) {
      const { entities } = await customers.list({ where: { company: id } })
      expect(entities.map((entity) => entity.id).sort()).toEqual([one.id, two.id].sort())
    }
  })
})

describe('what a record is called elsewhere', () => {
  it('leads to it, and to no other', async () => {
    const { keelson } = await desk()
    const customers = keelson.entities(Customer)
    const one = await customers.create(bo, { refs: { stripe: 'cus_1' }, aliases: ['Bo  Diddley'] })
    expect(await customers.byRef('stripe', 'cus_1')).toMatchObject({ id: one.id })
    expect(await customers.byRef('stripe', 'cus_2')).toBeUndefined()
    expect((await customers.byAlias('bo diddley')).map(({ id }) => id)).toEqual([one.id])
    const two = await customers.create({ ...bo, name: 'Cy' })
    await expect(customers.identify(two.id, { refs: { stripe: 'cus_1' } })).rejects.toMatchObject({
      code: 'REF_TAKEN',
      data: { id: one.id, system: 'stripe' },
    })
    await customers.identify(one.id, { refs: { stripe: null } })
    await customers.identify(two.id, { refs: { stripe: 'cus_1' } })
    expect(await customers.byRef('stripe', 'cus_1')).toMatchObject({ id: two.id })
    expect(await keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('is kept as a keyed hash, where it is looked up', async () => {
    const { keelson, data } = await desk()
    await keelson.entities(Customer).create(bo, { refs: { stripe: 'cus_secret' } })
    const own = data.session()
    await own.open({ worker: 'reader', now: () => 0 })
    const rows = await Promise.all(['entity', 'ref', 'alias'].map((kind) => own.records('default', { kind, limit: 9 })))
    expect(JSON.stringify(rows.flat().map(({ index, id }) => [index, id]))).not.toMatch(/bo@example|cus_secret/)
  })

  it('survives a merge: the old id, its refs, its names and its timeline answer the survivor', async () => {
    const { keelson, set } = await desk()
    const customers = keelson.entities(Customer)
    const one = await customers.create(bo, { refs: { stripe: 'cus_1' } })
    set(1)
    const two = await customers.create({ ...bo, name: 'Bodo' }, { refs: { caldav: 'c2' }, aliases: ['Bodo D.'] })
    set(2)
    await customers.note(two.id, { what: 'called' })
    set(3)
    const merged = await customers.merge(one.id, two.id, { take: ['name'], reason: 'same person' })
    expect(merged).toMatchObject({ id: one.id, data: { ...bo, name: 'Bodo' } })
    expect(await customers.get(two.id)).toMatchObject({ id: one.id })
    expect(await customers.byRef('caldav', 'c2')).toMatchObject({ id: one.id })
    expect((await customers.byAlias('bodo d.')).map(({ id }) => id)).toEqual([one.id])
    expect((await customers.list()).entities).toHaveLength(1)
    expect((await customers.timeline(one.id)).map(({ what }) => what)).toEqual([
      'customer created',
      'customer created',
      'called',
      `customer merged with ${two.id}`,
      `customer merged into ${one.id}`,
    ])
    expect(await customers.asOf(two.id, { known: at(1) })).toMatchObject({ id: two.id, data: { name: 'Bodo' } })
    expect(await customers.asOf(two.id, {})).toMatchObject({ id: one.id })
    expect(await customers.update(two.id, { stage: 'lost' })).toMatchObject({ id: one.id })
    await customers.restore(two.id)
    expect(await customers.get(two.id)).toMatchObject({ id: two.id, data: { name: 'Bodo', stage: 'new' } })
    expect(await customers.byRef('caldav', 'c2')).toMatchObject({ id: two.id })
    expect(await keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('keeps two records apart that both have an identity in one system', async () => {
    const { keelson } = await desk()
    const customers = keelson.entities(Customer)
    const one = await customers.create(bo, { refs: { stripe: 'cus_1' } })
    const two = await customers.create(bo, { refs: { stripe: 'cus_2' } })
    await expect(customers.merge(one.id, two.id)).rejects.toMatchObject({ code: 'REF_TAKEN' })
    expect(await customers.merge(one.id, one.id)).toMatchObject({ id: one.id, version: 1 })
  })
})

describe('the two clocks', () => {
  it('tell what was the case from what was known', async () => {
    const { keelson, set } = await desk()
    const customers = keelson.entities(Customer)
    set(10)
    const { id } = await customers.create(bo)
    set(20)
    await customers.update(id, { stage: 'signed' })
    set(30)
    await customers.update(id, { email: 'old@example.org' }, { validAt: at(15), reason: 'found an old letter' })
    set(40)
    const stage = async (valid?: string, known?: string): Promise<unknown> => {
      const clocks = { ...(valid === undefined ? {} : { valid }), ...(known === undefined ? {} : { known }) }
      const found = await customers.asOf(id, clocks)
      return found === undefined ? undefined : [found.data.stage, found.data.email.split('@')[0]]
    }
    expect(await stage(at(5))).toBeUndefined()
    expect(await stage(at(12))).toEqual(['new', 'bo'])
    expect(await stage(at(16))).toEqual(['new', 'old'])
    expect(await stage(at(16), at(29))).toEqual(['new', 'bo'])
    expect(await stage(undefined, at(29))).toEqual(['signed', 'bo'])
    expect(await stage()).toEqual(['signed', 'old'])
    // A stage that held before the present one does not replace it.
    await customers.update(id, { stage: 'lost' }, { validAt: at(18) })
    expect(await customers.get(id)).toMatchObject({ data: { stage: 'signed' }, version: 4 })
    expect(await stage(at(19))).toEqual(['lost', 'old'])
    await expect(customers.update(id, { stage: 'lost' }, { validAt: at(99) })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    })
    await expect(customers.asOf('customer_none', {})).rejects.toMatchObject({
      code: 'ENTITY_NOT_FOUND',
      hint: expect.stringContaining('byKey()') as string,
    })
    await expect(customers.asOf(id, { valid: 'yesterday' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('say why a field is as it is, field by field, and who did it', async () => {
    const { keelson, set } = await desk()
    const mine = keelson.entities(Customer, { by: { kind: 'person', id: 'u1', name: 'Ada' } })
    const { id } = await mine.create(bo)
    set(5)
    await mine.update(id, { stage: 'signed' }, { reason: 'contract came' })
    set(6)
    await mine.update(id, { stage: 'signed', name: 'Bodo' })
    expect(await mine.why(id, 'stage')).toMatchObject({
      value: 'signed',
      since: at(5),
      change: { version: 2, by: 'Ada', reason: 'contract came', fields: { stage: { before: 'new', after: 'signed' } } },
    })
    expect(await mine.why(id, 'company')).toBeUndefined()
    expect((await mine.history(id, { after: 2 })).map(({ fields }) => fields)).toEqual([
      { name: { before: 'Bo', after: 'Bodo' } },
    ])
    expect(await keelson.audit.why(Customer, id, 'stage')).toMatchObject({ version: 2, value: 'signed' })
  })

  it('go on when the clock of the machine is set back', async () => {
    const { keelson, set } = await desk()
    const customers = keelson.entities(Customer)
    set(10)
    const { id } = await customers.create(bo)
    set(2)
    await customers.update(id, { stage: 'signed' })
    expect(await customers.get(id)).toMatchObject({ data: { stage: 'signed' } })
    set(20)
    expect(await customers.asOf(id, { known: at(10) })).toMatchObject({ version: 2, data: { stage: 'signed' } })
    expect((await customers.history(id)).map(({ at: when }) => when)).toEqual([at(10), at(10)])
  })
})

/** A small generator of chance, so that a failing history can be told by its seed. */
function dice(seed: number): (below: number) => number {
  let state = seed + 1
  return (below) => {
    state = (state * 48271) % 2147483647
    return state % below
  }
}

describe('random histories', () => {
  it('are told the same by asOf, with and without snapshots, and by a full replay', async () => {
    const Thing = defineEntity({
      name: 'thing',
      version: 1,
      schema: z.object({ a: z.number().optional(), b: z.number().optional(), c: z.number().optional() }),
    })
    for (let seed = 0; seed < 12; seed++) {
      const roll = dice(seed)
      const { keelson, set } = await desk()
      const things = keelson.entities(Thing)
      const { id } = await things.create({})
      const log = [{ version: 1, at: 0, valid: 0, patch: {} as Record<string, number | undefined> }]
      const changes = 130 + roll(200)
      let minute = 0
      for (let n = 0; n < changes; n++) {
        minute += roll(3)
        set(minute)
        const field = 'abc'[roll(3)]!
        const patch = { [field]: roll(9) === 0 ? undefined : roll(1000) }
        const valid = roll(4) === 0 ? roll(minute + 1) : minute
        const made = await things.update(id, patch, { validAt: at(valid) })
        log.push({ version: made.version, at: minute, valid, patch })
      }
      const replay = (valid: number, known: number): Json | undefined => {
        const seen = log.filter((one) => one.at <= known && one.valid <= valid)
        if (seen.length === 0) return undefined
        seen.sort((x, y) => x.valid - y.valid || x.version - y.version)
        const data: Record<string, number> = {}
        for (const { patch } of seen)
          for (const [field, value] of Object.entries(patch)) {
            if (value === undefined) delete data[field]
            else data[field] = value
          }
        return data
      }
      expect((await things.get(id)).data, `seed ${seed}`).toEqual(replay(minute, minute))
      const points = Array.from({ length: 40 }, () => [roll(minute + 1), roll(minute + 1)] as const)
      const ask = () =>
        Promise.all(points.map(async ([v, k]) => (await things.asOf(id, { valid: at(v), known: at(k) }))?.data))
      const expected = points.map(([v, k]) => replay(v, k))
      expect(await ask(), `seed ${seed}`).toEqual(expected)
      expect(await things.snapshots.drop()).toBe(Math.floor((changes + 1) / 100))
      expect(await ask(), `seed ${seed}, no snapshots`).toEqual(expected)
      expect(await things.snapshots.rebuild(id)).toBe(Math.floor((changes + 1) / 100))
      expect(await ask(), `seed ${seed}, snapshots rebuilt`).toEqual(expected)
      expect(await keelson.audit.verify()).toMatchObject({ ok: true })
    }
  })
})

describe('a schema that has changed', () => {
  const V1 = defineEntity({ name: 'card', version: 1, schema: z.object({ full: z.string() }) })
  const v3 = {
    name: 'card',
    version: 3,
    schema: z.object({ first: z.string(), last: z.string(), vip: z.boolean() }),
  } as const
  const split = (old: { readonly [f: string]: Json }) => {
    const [first = '', last = ''] = (old['full'] as string).split(' ')
    return { first, last }
  }
  const V3 = defineEntity({ ...v3, upcast: { 2: split, 3: (old) => ({ ...old, vip: false }) } })

  it('is read through its upcasters, written anew when it changes, and told in one history', async () => {
    const { keelson, set } = await desk()
    const { id } = await keelson.entities(V1).create({ full: 'Bo Diddley' })
    set(5)
    const cards = keelson.entities(V3)
    expect(await cards.get(id)).toMatchObject({ version: 1, data: { first: 'Bo', last: 'Diddley', vip: false } })
    await cards.update(id, { vip: true })
    expect(await cards.get(id)).toMatchObject({ version: 2, data: { first: 'Bo', last: 'Diddley', vip: true } })
    expect(await cards.asOf(id, { known: at(1) })).toMatchObject({ data: { first: 'Bo', vip: false } })
    expect((await cards.history(id)).at(-1)?.fields).toEqual({ vip: { before: false, after: true } })
    await expect(keelson.entities(V1).get(id)).rejects.toMatchObject({ code: 'SCHEMA_NEWER' })
  })

  it('is migrated while work goes on, with progress, and once', async () => {
    const { keelson } = await desk()
    const old = keelson.entities(V1)
    for (let n = 0; n < 450; n++) await old.create({ full: `A B${n}` })
    const told: object[] = []
    const cards = keelson.entities(V3, { by: me })
    expect(await cards.migrate({ onProgress: (now) => told.push(now) })).toEqual({ done: 450, left: 0 })
    expect(told).toEqual([
      { done: 200, left: 250 },
      { done: 400, left: 50 },
      { done: 450, left: 0 },
    ])
    expect(await cards.migrate()).toEqual({ done: 0, left: 0 })
    expect(await keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('stops the start where an upcaster is missing, and names what it concerns', async () => {
    const data = memoryStore()
    const { keelson } = await desk(data)
    const { id } = await keelson.entities(V1).create({ full: 'Bo Diddley' })
    const Gap = defineEntity({ ...v3, upcast: { 3: (old) => ({ ...old, vip: false }) } })
    const start = open(data, { playbooks: [], work: false, entities: [Gap] })
    await expect(start).rejects.toMatchObject({
      code: 'UPCASTER_MISSING',
      message: expect.stringContaining(id) as string,
    })
    await expect(start).rejects.toThrow('1 in workspace default')
    await open(data, { playbooks: [], work: false, entities: [V3] })
    await expect(keelson.entities(Gap).get(id)).rejects.toMatchObject({ code: 'UPCASTER_MISSING' })
  })

  it('keeps what an upcaster makes from being stored when it does not fit', async () => {
    const { keelson } = await desk()
    const { id } = await keelson.entities(V1).create({ full: 'Bo Diddley' })
    const Bad = defineEntity({ ...v3, upcast: { 2: () => ({ nonsense: 1 }), 3: (old) => old } })
    await expect(keelson.entities(Bad).get(id)).rejects.toMatchObject({ code: 'UPCAST_FAILED' })
    await expect(keelson.entities(Bad).update(id, { vip: true })).rejects.toMatchObject({ code: 'UPCAST_FAILED' })
    expect(await keelson.entities(V1).get(id)).toMatchObject({ version: 1 })
  })

  it('is refused at definition where it could not be', () => {
    const schema = z.object({ a: z.string() })
    expect(() => defineEntity({ name: 'x', version: 2, schema, upcast: { 3: (old) => old } })).toThrow('to version 3')
    expect(() => defineEntity({ name: 'x', version: 0, schema })).toThrow('version 0')
  })
})

describe('in a playbook', () => {
  it('what was read is what a replay reads, and what was written was written once', async () => {
    const seen: unknown[] = []
    const playbook = code(async (ctx) => {
      const customers = ctx.entities(Customer)
      const { id } = await customers.create(bo, { refs: { stripe: 'cus_9' } })
      seen.push((await customers.list()).entities.length, (await customers.byRef('stripe', 'cus_9'))?.version)
      await ctx.sleep('1h')
      await customers.update(id, { stage: 'signed' }, { reason: 'it was time', because: [{ id }] })
      await customers.note(id, { what: 'rang', data: { minutes: 3 } })
      const what = (await customers.timeline(id)).map((line) => line.what)
      return [(await customers.asOf(id, {}))?.data.stage, (await customers.why(id, 'stage'))?.change.reason, what]
    })
    const t = await testConductor({ playbooks: [playbook] })
    const run = await t.start(playbook, {}, { id: 'r' })
    await t.settle()
    const customers = t.keelson.entities(Customer)
    await customers.create({ ...bo, name: 'Other' })
    await t.advance('1h')
    const what = ['customer created', 'customer updated', 'rang']
    expect(await run.result()).toEqual(['signed', 'it was time', what])
    expect(seen).toEqual([1, 1, 1, 1])
    expect(await customers.find({ stage: 'signed' })).toMatchObject({ version: 2 })
    const changed = (await customers.history((await customers.find({ stage: 'signed' }))!.id)).at(-1)
    expect(changed).toMatchObject({ run: 'r', step: 'customer.update', reason: 'it was time' })
  })
})

describe('a lifecycle', () => {
  const flow = lifecycle({
    states: ['draft', 'sent', 'paid', 'void'],
    transitions: {
      send: { from: 'draft', to: 'sent' },
      pay: { from: 'sent', to: 'paid' },
      cancel: { from: ['draft', 'sent'], to: 'void', approval: true },
    },
  })
  const Invoice = defineEntity({
    name: 'invoice',
    version: 1,
    schema: z.object({ number: z.string(), status: z.enum(['draft', 'sent', 'paid', 'void']) }),
    lifecycle: { status: flow },
  })

  it('refuses what leads nowhere, and says what there is', async () => {
    const { keelson } = await desk()
    const invoices = keelson.entities(Invoice)
    await expect(invoices.create({ number: '1', status: 'paid' })).rejects.toMatchObject({ code: 'TRANSITION_ILLEGAL' })
    const { id } = await invoices.create({ number: '1', status: 'draft' })
    await expect(invoices.update(id, { status: 'paid' })).rejects.toMatchObject({
      code: 'TRANSITION_ILLEGAL',
      hint: 'From "draft" it may send (to "sent"), cancel (to "void").',
    })
    await invoices.update(id, { status: 'sent' })
    await invoices.update(id, { number: '2' })
    await invoices.update(id, { status: 'paid' })
    await expect(invoices.update(id, { status: 'void' })).rejects.toThrow('cannot go from "paid" to "void"')
    expect(flow.from('draft')).toEqual(['send', 'cancel'])
  })

  it('takes a transition that needs approval from a person only', async () => {
    const { keelson } = await desk()
    const { id } = await keelson.entities(Invoice).create({ number: '1', status: 'draft' })
    await expect(keelson.entities(Invoice).update(id, { status: 'void' })).rejects.toMatchObject({
      code: 'TRANSITION_NEEDS_APPROVAL',
    })
    expect(await keelson.entities(Invoice, { by: me }).update(id, { status: 'void' })).toMatchObject({ version: 2 })
  })

  it.each([
    ['approve', { approve: true }, 'void', 'completed'],
    ['reject', { reject: 'keep it' }, 'sent', 'declined'],
  ] as const)('asks in a playbook: %s', async (_verb, decision, status, state) => {
    const playbook = code(async (ctx) => {
      const invoices = ctx.entities(Invoice)
      const { id } = await invoices.create({ number: '1', status: 'draft' })
      await invoices.update(id, { status: 'sent' })
      await invoices.update(id, { status: 'void' })
    })
    const keelson = await open(store(), { playbooks: [playbook] })
    const run = await keelson.start(playbook, {}, { id: 'r' })
    await keelson.quiet()
    const [item] = (await keelson.inbox.list()).items
    expect(item).toMatchObject({
      kind: 'question',
      title: expect.stringMatching(
        /^invoice invoice_\w+ \(version 2\): may it cancel \(from "sent" to "void"\)\?$/,
      ) as string,
      preview: { kind: 'fields', rows: [{ label: 'status', before: 'sent', after: 'void' }] },
    })
    expect(await keelson.inbox.decide(item!.id, { hash: item!.hash, by: me, ...decision })).toEqual({ status: 'done' })
    await keelson.quiet()
    expect(await run.status()).toMatchObject({ state })
    expect((await keelson.entities(Invoice).list()).entities[0]?.data.status).toBe(status)
  })

  it('draws itself', () => {
    expect(flow.mermaid()).toBe(
      [
        'stateDiagram-v2',
        '  [*] --> draft',
        '  draft --> sent: send',
        '  sent --> paid: pay',
        '  draft --> void: cancel (approval)',
        '  sent --> void: cancel (approval)',
        '  paid --> [*]',
        '  void --> [*]',
      ].join('\n'),
    )
    const guide = readFileSync(new URL('../docs/guides/entities.md', import.meta.url), 'utf8')
    expect(guide).toContain(`\`\`\`mermaid\n${flow.mermaid()}\n\`\`\``)
    expect(lifecycle({ states: ['in review', 'out'], transitions: {} }).mermaid()).toContain('state "in review" as s0')
    expect(() => lifecycle({ states: ['a'], transitions: { go: { from: 'a', to: 'b' as 'a' } } })).toThrow('"b"')
  })
})

describe('drift', () => {
  const playbook = code(async (ctx) => {
    const customers = ctx.entities(Customer)
    const found = (await customers.find({ email: bo.email })) ?? (await customers.create(bo))
    const theirs = { name: 'Bo D.', email: bo.email, stage: 'signed' as const }
    const { answer, entity } = await customers.drift(found.id, { system: 'stripe', theirs })
    return [answer, entity.data.name, entity.data.stage]
  })

  it('shows both sides, and takes theirs where a person says so, field by field', async () => {
    const t = await testConductor({ playbooks: [playbook] })
    const run = await t.start(playbook, {})
    const [item] = (await t.inbox.list()).items
    expect(item).toMatchObject({
      kind: 'question',
      title: expect.stringMatching(
        /^customer \w+ and stripe differ in name, stage: keep ours, or take theirs\?$/,
      ) as string,
      preview: {
        kind: 'fields',
        rows: [
          { label: 'name', before: 'Bo', after: 'Bo D.' },
          { label: 'stage', before: 'new', after: 'signed' },
        ],
      },
    })
    await t.answer({ keep: 'theirs', except: ['stage'] })
    expect(await run.result()).toEqual(['theirs', 'Bo D.', 'new'])
    const { id } = (await t.keelson.entities(Customer).list()).entities[0]!
    expect((await t.keelson.entities(Customer).why(id, 'name'))?.change.reason).toBe('as stripe has it')
  })

  it('asks anew where ours was corrected by hand since it was shown', async () => {
    const t = await testConductor({ playbooks: [playbook] })
    const run = await t.start(playbook, {})
    const customers = t.keelson.entities(Customer)
    const { id } = (await customers.list()).entities[0]!
    await customers.update(id, { name: 'Bo Dean' })
    await t.answer({ keep: 'theirs', except: ['stage'] })
    const [item] = (await t.inbox.list()).items
    expect(item).toMatchObject({ preview: { rows: [{ label: 'name', before: 'Bo Dean', after: 'Bo D.' }, {}] } })
    expect((await customers.get(id)).data.name).toBe('Bo Dean')
    // What was not shown may change meanwhile.
    await customers.note(id, { what: 'called' })
    await customers.identify(id, { aliases: ['Bo the second'] })
    await t.answer({ keep: 'theirs', except: ['stage'] })
    expect(await run.result()).toEqual(['theirs', 'Bo D.', 'new'])
    await t.stop()
  })

  it('is not asked about twice, once ours was kept, until it is another', async () => {
    const t = await testConductor({ playbooks: [playbook] })
    const run = await t.start(playbook, {})
    await t.answer({ keep: 'ours' })
    expect(await run.result()).toEqual(['ours', 'Bo', 'new'])
    expect(await (await t.start(playbook, {})).result()).toEqual(['ours', 'Bo', 'new'])
    const customers = t.keelson.entities(Customer)
    await customers.update((await customers.list()).entities[0]!.id, { name: 'Robert' })
    await t.start(playbook, {})
    expect((await t.inbox.list()).items).toHaveLength(1)
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
  })
})
