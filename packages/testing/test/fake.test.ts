/** Fakes against what every connector keeps, and what they answer when nobody told them. */
import { action, defineConnector } from '@keelson/core'
import { actionsOf } from '@keelson/core/ports'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { sample } from '../src/fake/sample.ts'
import { fake, testConductor } from '../src/index.ts'
import { World } from '../src/fake/world.ts'
import { fakeIn, recipeOf } from '../src/fake/fake.ts'
import { manualClock } from '../src/clock.ts'
import { connectorConformance } from '../src/vitest.ts'

const real = (): Promise<never> => Promise.reject(new Error('real'))
const Thing = z.object({ name: z.string().min(1) })
const shop = defineConnector({
  name: 'shop',
  actions: {
    list: action({ name: 'shop.list', effect: 'read', input: z.object({}), output: z.array(Thing), run: real }),
    make: action({
      name: 'shop.make',
      effect: 'reversible',
      idempotency: { by: 'id' },
      input: Thing,
      output: z.object({ id: z.string() }),
      undo: z.object({ id: z.string() }),
      run: real,
      compensate: real,
    }),
    send: action({
      name: 'shop.send',
      effect: 'irreversible',
      idempotency: { by: 'lookup' },
      input: Thing,
      output: z.object({ at: z.iso.datetime(), tags: z.array(z.string()) }),
      run: real,
      reconcile: real,
    }),
  },
})

connectorConformance({
  name: 'a fake',
  async open() {
    const world = new World()
    const connector = fakeIn(recipeOf(fake(shop))!, world, manualClock(0))
    return { connector, state: () => ['shop.list', 'shop.make', 'shop.send'].map((name) => world.happened(name)) }
  },
  cases: [
    { action: shop.list, input: {} },
    { action: shop.make, input: { name: 'a' }, refused: [{ name: '' }, {}] },
    { action: shop.send, input: { name: 'b' }, refused: [null] },
  ],
})

describe('a sample', () => {
  it('is the smallest value that fits', () => {
    const schema = z.object({
      email: z.email(),
      at: z.iso.datetime(),
      list: z.array(z.object({ n: z.number().min(3) })).min(1),
      kind: z.enum(['a', 'b']),
      maybe: z.string().nullable(),
      left: z.string().optional(),
      text: z.string().min(2),
      either: z.union([z.boolean(), z.string()]),
    })
    expect(sample(schema, 'x')).toEqual({
      email: 'a@example.org',
      at: '1970-01-01T00:00:00Z',
      list: [{ n: 3 }],
      kind: 'a',
      maybe: null,
      text: 'xx',
      either: false,
    })
  })

  it('is the example that a schema gives, where that fits', () => {
    const id = z.string().meta({ examples: ['<0@example.org>', 'x'] })
    const none = z.int().meta({ examples: ['none'] })
    expect(sample(z.object({ id, ids: z.array(id).min(1), none }), 'x')).toEqual({
      id: '<0@example.org>',
      ids: ['<0@example.org>'],
      none: 0,
    })
  })

  it('is made up where the examples of a schema are no list', () => {
    expect(sample(z.string().meta({ examples: { one: { value: '7' } } }), 'x')).toBe('')
  })

  it('is what is said, by what the connector calls its action or by the whole name', () => {
    for (const answers of [{ list: () => [{ name: 'a' }] }, { 'shop.list': () => [{ name: 'a' }] }])
      expect(Object.keys(recipeOf(fake(shop, answers))!.answers)).toEqual(['shop.list'])
    expect(() => fake(shop, { lst: () => [] } as never)).toThrow('lst')
  })

  it('is refused where it cannot be made up, with what to do', () => {
    const odd = z.string().refine((text) => text === 'magic')
    expect(() => sample(odd, 'shop.odd')).toThrowError(/shop\.odd/)
  })
})

describe('a world', () => {
  it('counts an effect that really happened twice', async () => {
    const world = new World()
    const send = actionsOf(fakeIn(recipeOf(fake(shop))!, world, manualClock(0))).find(
      (one) => one.name === 'shop.send',
    )!
    const options = { key: 'k', signal: new AbortController().signal, attempt: 1, config: undefined, since: 0 }
    await send.run({ name: 'a' }, options)
    await send.run({ name: 'a' }, options)
    expect(world.happened('shop.send')).toMatchObject([{ times: 2 }])
  })

  it('honours a key for as long as its action says, and then forgets it', async () => {
    const clock = manualClock(0)
    const charge = action({
      name: 'bank.charge',
      effect: 'irreversible',
      idempotency: { by: 'key', forMs: 1000 },
      input: z.object({}),
      output: z.object({}),
      run: real,
    })
    const bank = fake(defineConnector({ name: 'bank', actions: { charge } }))
    const world = new World()
    const [made] = actionsOf(fakeIn(recipeOf(bank)!, world, clock.process().clock))
    const options = { key: 'k', signal: new AbortController().signal, attempt: 1, config: undefined, since: 0 }
    const times: number[] = []
    for (const at of [0, 999, 1000, 1999, 2000]) {
      clock.to(at)
      await made!.run({}, options)
      times.push(world.happened('bank.charge')[0]!.times)
    }
    expect(times).toEqual([1, 1, 2, 2, 3])
  })

  it('is another one in each harness, even where a fake is shared', async () => {
    const shared = fake(shop)
    const one = await testConductor({ playbooks: [], connectors: [shared] })
    const other = await testConductor({ playbooks: [], connectors: [shared] })
    one.fault(shop.make, 'refused')
    expect(other.world(shop.make)).toEqual([])
    await Promise.all([one.stop(), other.stop()])
  })
})
