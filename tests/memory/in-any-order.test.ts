/** Facts that are written, taken back and brought back in any order: one value holds at a time, and what was there returns. */
import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { createConductor, type Actor, type Conductor, type WorkspaceMemory } from '@keelson/core'
import { intercept } from '@keelson/testing'
import { code, me, open, store } from '../support/open.ts'

const robot: Actor = { kind: 'agent', id: 'robot' }
const price = (value: string, validFrom?: string) => ({
  ...{ subject: 'acme', predicate: 'price', value, functional: true },
  ...(validFrom === undefined ? {} : { validFrom }),
})

async function company(): Promise<Conductor> {
  return open(store(), { playbooks: [] })
}

async function held(memory: WorkspaceMemory, valid?: string): Promise<unknown[]> {
  return (await memory.facts({ about: 'acme', ...(valid === undefined ? {} : { asOf: { valid } }) })).map(
    ({ value }) => value,
  )
}

describe('a functional fact', () => {
  it('that is told late ends what held then, up to the next one', async () => {
    const { memory } = await company()
    await memory.remember(price('one', '2024-01-01'), { by: me })
    await memory.remember(price('nine', '2024-09-01'), { by: me })
    const five = await memory.remember(price('five', '2024-05-01'), { by: me })
    const seven = await memory.remember(price('seven', '2024-07-01'), { by: me })
    const months = async () => [
      await held(memory, '2024-04-01'),
      await held(memory, '2024-06-01'),
      await held(memory, '2024-08-01'),
      await held(memory),
    ]
    expect(await months()).toEqual([['one'], ['five'], ['seven'], ['nine']])
    await memory.revert({ changeSet: seven.changeSet! }, { by: me })
    expect(await months()).toEqual([['one'], ['five'], ['five'], ['nine']])
    await memory.revert({ changeSet: five.changeSet! }, { by: me })
    expect(await months()).toEqual([['one'], ['one'], ['one'], ['nine']])
  })

  it('that held before is pinned without taking the place of the one that holds', async () => {
    const { memory } = await company()
    await memory.remember(price('nine', '2024-09-01'), { by: me })
    const five = await memory.remember(price('five', '2024-05-01'), { by: me })
    await memory.pin(five.id, { by: me })
    await memory.remember(price('now'), { by: me })
    expect(await held(memory)).toEqual(['now'])
  })

  it('of which the next value is announced has one value until then', async () => {
    const { memory } = await company()
    await memory.remember(price('old', '2024-01-01'), { by: me })
    await memory.remember(price('announced', '2099-01-01'), { by: me })
    expect(await held(memory)).toEqual(['old'])
    await memory.remember(price('meanwhile'), { by: me })
    expect(await held(memory)).toEqual(['meanwhile'])
    expect(await held(memory, '2099-02-01')).toEqual(['announced'])
  })

  it('that is told late does not shorten the word of the operator unasked', async () => {
    const { memory } = await company()
    await memory.remember(price('nine', '2024-09-01'), { by: robot })
    await memory.remember(price('one', '2024-01-01'), { by: me })
    const said = await memory.remember(price('five', '2024-05-01'), { by: robot })
    expect(said).toMatchObject({ status: 'proposed' })
    expect(await held(memory, '2024-06-01')).toEqual(['one'])
  })

  it('has one value at each instant, in whatever order values are told (property)', async () => {
    const month = (n: number) => new Date(Date.UTC(2024, n, 1)).toISOString()
    const told = fc.uniqueArray(fc.integer({ min: 0, max: 11 }), { minLength: 2, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(told, fc.boolean(), async (months, atOnce) => {
        const { memory } = await company()
        const all = months.map((n) => price(`v${n}`, month(n)))
        if (atOnce) await memory.remember(all, { by: me })
        else for (const one of all) await memory.remember(one, { by: me })
        for (let n = 0; n < 12; n++) {
          const last = months.filter((one) => one <= n).sort((a, b) => a - b)
          expect(await held(memory, month(n))).toEqual(last.length === 0 ? [] : [`v${last.at(-1)}`])
        }
      }),
      { numRuns: 30 },
    )
  })

  describe('of which nothing stands now, as it was closed', () => {
    const months = (memory: WorkspaceMemory, ...all: number[]) =>
      Promise.all(all.map((n) => held(memory, new Date(Date.UTC(2024, n - 1, 15)).toISOString())))

    /** Held from March until it was closed in June. */
    async function closed(by: Actor = me) {
      const keelson = await company()
      const { memory } = keelson
      const { id } = await memory.remember(price('march', '2024-03-01'), { by })
      await close(keelson, id, '2024-06-01')
      return { keelson, memory, id }
    }

    async function close(keelson: Conductor, id: string, at: string): Promise<void> {
      const { memory } = keelson
      const { changeSet } = await memory.changes.propose([{ op: 'close', id, at }], { by: me, reason: 'over' })
      await keelson.quiet()
      await memory.changes.apply(changeSet, { by: me })
    }

    it('and is told late, ends where the one began that was closed', async () => {
      const { memory } = await closed()
      const said = await memory.remember(price('january', '2024-01-01'), { by: robot })
      expect(said.status).toBe('applied')
      expect(await memory.get(said.id)).toMatchObject({ validTo: '2024-03-01T00:00:00.000Z' })
      expect(await months(memory, 1, 4, 7)).toEqual([['january'], ['march'], []])
      expect(await held(memory)).toEqual([])
    })

    it('and began while that held, ends it, and stands', async () => {
      const { memory, id } = await closed()
      const may = await memory.remember(price('may', '2024-05-01'), { by: me })
      expect(await months(memory, 4, 5, 7)).toEqual([['march'], ['may'], ['may']])
      await memory.revert({ changeSet: may.changeSet! }, { by: me })
      expect(await months(memory, 4, 5, 7)).toEqual([['march'], ['march'], []])
      expect(await memory.get(id)).toMatchObject({ status: 'closed', validTo: '2024-06-01T00:00:00.000Z' })
    })

    it('and began while that held, is asked about where that was the word of the operator', async () => {
      const { memory, id } = await closed()
      const said = await memory.remember(price('may', '2024-05-01'), { by: robot })
      expect(said).toMatchObject({ status: 'proposed', why: expect.stringContaining(id) })
      expect(await months(memory, 4, 5, 7)).toEqual([['march'], ['march'], []])
    })

    it('and began behind that, stands, and touches nothing of it', async () => {
      const { memory } = await closed()
      expect(await memory.remember(price('july', '2024-07-01'), { by: robot })).toMatchObject({ status: 'applied' })
      expect(await months(memory, 4, 6, 7)).toEqual([['march'], [], ['july']])
      expect(await held(memory)).toEqual(['july'])
    })

    it('is known to the set that closes it and tells the other', async () => {
      const { keelson, memory } = await closed()
      const july = await memory.remember(price('july', '2024-07-01'), { by: me })
      const { changeSet } = await memory.changes.propose(
        [
          { op: 'close', id: july.id, at: '2024-08-01' },
          { op: 'add', memory: price('august', '2024-08-01') },
          { op: 'add', memory: price('february', '2024-02-01') },
        ],
        { by: me, reason: 'over' },
      )
      await keelson.quiet()
      await memory.changes.apply(changeSet, { by: me })
      expect(await months(memory, 2, 4, 6, 7, 8)).toEqual([['february'], ['march'], [], ['july'], ['august']])
    })

    it('has one value at most at each instant, in whatever order it is told and closed (property)', async () => {
      const month = (n: number) => new Date(Date.UTC(2024, n, 1)).toISOString()
      const step = fc.record({
        from: fc.integer({ min: 0, max: 11 }),
        lasts: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
        closes: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
      })
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 7 }), async (steps) => {
          const keelson = await company()
          const { memory } = keelson
          for (const [n, { from, lasts, closes }] of steps.entries()) {
            const until = lasts === undefined ? {} : { validTo: month(from + lasts) }
            const { id } = await memory.remember({ ...price(`v${n}`, month(from)), ...until }, { by: me })
            expect(await held(memory, month(from))).toEqual([`v${n}`])
            const { status } = await memory.get(id)
            if (closes !== undefined && status === 'open') await close(keelson, id, month(from + closes))
            for (let at = 0; at < 24; at++) expect((await held(memory, month(at))).length).toBeLessThan(2)
          }
          await keelson.stop()
        }),
        { numRuns: 40 },
      )
    })
  })

  it.each([
    ['before one that stands', undefined],
    ['where none stands any more', '2024-10-01'],
  ])('that a run tells late while another is told late, %s, has one value at each instant', async (_, closed) => {
    const shared = store()
    const tells = code((ctx) => ctx.memory.remember(price('five', '2024-05-01')))
    const other = await open(shared, { playbooks: [], work: false })
    const nine = await other.memory.remember(price('nine', '2024-09-01'), { by: robot })
    if (closed !== undefined) {
      const ends = [{ op: 'close', id: nine.id, at: closed }] as const
      const { changeSet } = await other.memory.changes.propose(ends, { by: me, reason: 'over' })
      const desk = await open(shared, { playbooks: [] })
      await desk.quiet()
      await desk.memory.changes.apply(changeSet, { by: me })
      await desk.stop()
    }
    let meanwhile = (): Promise<unknown> => other.memory.remember(price('seven', '2024-07-01'), { by: robot })
    const one = await createConductor({
      ...{ playbooks: [tells], keepAlive: false },
      store: intercept(shared.session(), {
        async before(op, [, unit]) {
          if (op !== 'commit' || !JSON.stringify(unit).includes('acme price five')) return
          const late = meanwhile
          meanwhile = () => Promise.resolve()
          await late()
        },
      }),
    })
    await (await one.start(tells, {}, { id: 'r' })).result()
    expect(await held(one.memory, '2024-08-01')).toEqual(['seven'])
    expect(await held(one.memory, '2024-06-01')).toEqual(['five'])
    await one.stop()
  })

  it('does not come back from the bin beside the one that took its place', async () => {
    const { memory } = await company()
    const old = await memory.remember(price('old'), { by: me })
    await memory.forget(old.id, { by: me })
    const other = await memory.remember(price('new'), { by: me })
    await expect(memory.restore(old.id, { by: me })).rejects.toMatchObject({ code: 'MEMORY_STALE' })
    await memory.forget(other.id, { by: me })
    await memory.restore(old.id, { by: me })
    expect(await held(memory)).toEqual(['old'])
  })
})

describe('what is taken back', () => {
  it('in whatever order leaves the fact that was there before all of it (property)', async () => {
    const order = fc.shuffledSubarray([1, 2, 3, 4], { minLength: 4, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(order, async (sets) => {
        const { memory } = await company()
        await memory.remember([price('v0'), { text: 'The price of tea.' }], { by: me })
        const look = async () => JSON.stringify([await memory.recall('price of acme'), await memory.facts()])
        const before = await look()
        const ids: string[] = ['']
        for (const n of [1, 2, 3, 4]) ids.push((await memory.remember(price(`v${n}`), { by: me })).changeSet!)
        const reverts: string[] = []
        for (const n of sets) reverts.push(...(await memory.revert({ changeSet: ids[n]! }, { by: me })).changeSets)
        expect(await look()).toBe(before)
        await memory.revert({ changeSet: reverts.at(-1)! }, { by: me })
        expect(await held(memory)).toEqual([`v${sets.at(-1)}`])
      }),
      { numRuns: 24 },
    )
  })

  it('leaves a field alone that was changed again since, names it, and can be tried again', async () => {
    const keelson = await company()
    const { memory } = keelson
    const { id } = await memory.remember({ text: 'The code of the safe' }, { by: me })
    const amended = async (set: { sensitivity: number; pinned?: boolean }): Promise<string> => {
      const changeSet = await memory.changes.propose([{ op: 'amend', id, set }], { by: me, reason: 'r' })
      await keelson.quiet()
      await memory.changes.apply(changeSet.changeSet, { by: me })
      return changeSet.changeSet
    }
    const first = await amended({ sensitivity: 1, pinned: true })
    const second = await amended({ sensitivity: 3, pinned: true })
    const said = await memory.revert({ changeSet: first }, { by: me })
    expect(said.blocked).toEqual([{ id, why: 'sensitivity was changed since' }])
    expect(await memory.get(id)).toMatchObject({ sensitivity: 3, pinned: false })
    await memory.revert({ changeSet: second }, { by: me })
    expect(await memory.get(id)).toMatchObject({ sensitivity: 1 })

    const third = await amended({ sensitivity: 2 })
    const fourth = await amended({ sensitivity: 3 })
    expect(await memory.revert({ changeSet: third }, { by: me })).toMatchObject({ reverted: [] })
    await memory.revert({ changeSet: fourth }, { by: me })
    expect(await memory.revert({ changeSet: third }, { by: me })).toMatchObject({ reverted: [third], blocked: [] })
    expect(await memory.get(id)).toMatchObject({ sensitivity: 1 })
  })
})

describe('a proposal that contradicts', () => {
  it('shows what it would close, and is asked anew when another stands there by then', async () => {
    const keelson = await company()
    const { memory, inbox } = keelson
    const scoped = memory.scope('customer:acme')
    for (const desk of [memory, scoped]) {
      await desk.remember(price('old'), { by: me })
      const { changeSet } = await desk.remember(price('other'), { by: robot })
      await keelson.quiet()
      const [first] = (await inbox.list()).items
      expect(first!.preview).toMatchObject({ rows: [{ before: 'acme price old', after: 'acme price other' }] })
      expect(await desk.changes.diff(changeSet!)).toMatchObject([{ op: 'replace', before: { value: 'old' } }])
      await desk.remember(price('corrected'), { by: me })
      await inbox.decide(first!.id, { hash: first!.hash, by: me, approve: true })
      await keelson.quiet()
      expect((await desk.facts({ about: 'acme', predicate: 'price' })).at(-1)).toMatchObject({ value: 'corrected' })
      const [again] = (await inbox.list()).items
      expect(again!.preview).toMatchObject({ rows: [{ before: 'acme price corrected', after: 'acme price other' }] })
      await inbox.decide(again!.id, { hash: again!.hash, by: me, approve: true })
      await keelson.quiet()
      expect((await desk.facts({ about: 'acme', predicate: 'price' })).at(-1)).toMatchObject({ value: 'other' })
    }
  })
})

describe('a correction', () => {
  it('keeps what is not corrected: words, pin, dates', async () => {
    const { memory } = await company()
    const dates = { validTo: '2098-01-01', expiresAt: '2099-01-01' }
    const old = await memory.remember({ ...price('old'), ...dates, outside: true }, { by: me })
    await memory.pin(old.id, { by: me })
    const same = await memory.correct(old.id, { confidence: 0.4 }, { by: me })
    const kept = { pinned: true, validTo: '2098-01-01T00:00:00.000Z', expiresAt: '2099-01-01T00:00:00.000Z' }
    expect(await memory.get(same.id)).toMatchObject({ ...kept, value: 'old', text: 'acme price old', outside: true })
    const other = await memory.correct(same.id, { value: 'new' }, { by: me })
    expect(await memory.get(other.id)).toMatchObject({ ...kept, value: 'new', text: 'acme price new', outside: false })
  })
})
