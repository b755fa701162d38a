/** The read cache: an answer is given again only while nothing says that it has changed, and to nobody else. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, defineEvent, policy, type Conductor, type Context } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { code, me, open } from './support/open.ts'

interface World {
  value: number
  reads: number
  down: boolean
}

function shop(cache: { ttl: '10m'; stale?: '1h' } = { ttl: '10m' }) {
  const world: World = { value: 1, reads: 0, down: false }
  const price = action({
    name: 'shop.price',
    effect: 'read',
    input: z.object({ sku: z.string() }),
    output: z.object({ value: z.number() }),
    cache: { ...cache, tags: ({ sku }) => [`sku:${sku}`] },
    attempts: 1,
    run() {
      world.reads++
      if (world.down) throw new Error('down')
      return { output: { value: world.value } }
    },
  })
  const set = action({
    name: 'shop.set',
    effect: 'reversible',
    input: z.object({ sku: z.string(), value: z.number() }),
    output: z.object({}),
    invalidates: ({ sku }) => [`sku:${sku}`],
    run({ value }) {
      world.value = value
      return { output: {} }
    },
  })
  return { world, price, set }
}

const changed = defineEvent({
  name: 'price.changed',
  schema: z.object({ sku: z.string() }),
  invalidates: ({ sku }) => [`sku:${sku}`],
})

async function scene(cache?: { ttl: '10m'; stale?: '1h' }) {
  const { world, price, set } = shop(cache)
  const time = { now: Date.UTC(2026, 0, 1) }
  const clock = { now: () => time.now, monotonic: () => time.now, timer: () => () => {} } as never
  const data = memoryStore()
  let body: (ctx: Context) => Promise<unknown> = async () => null
  const playbook = code((ctx) => body(ctx))
  const allowed = policy([policy.rule('set', { on: set }, () => policy.allow())])
  const start = (): Promise<Conductor> =>
    open(data, { playbooks: [playbook], clock, actions: [price, set], policy: allowed })
  let keelson = await start()
  let runs = 0
  const run = async (
    what: (ctx: Context) => Promise<unknown>,
    workspace = 'default',
    by = keelson,
  ): Promise<unknown> => {
    body = what
    const started = await by.workspace(workspace).start(playbook, {}, { id: `r${++runs}` })
    return started.result()
  }
  const read = (maxAge?: '0s' | '5m') => (ctx: Context) =>
    ctx.act(price, { sku: 'a' }, maxAge === undefined ? {} : { maxAge }).then(({ value }) => value)
  const wait = (minutes: number): void => void (time.now += minutes * 60_000)
  return { world, price, set, run, read, wait, start, keelson, restart: async () => (keelson = await start()), data }
}

describe('a cached read', () => {
  it('is answered again within its time, and read anew behind it', async () => {
    const { world, run, read, wait } = await scene()
    expect(await run(read())).toBe(1)
    world.value = 2
    wait(9)
    expect(await run(read())).toBe(1)
    expect(world.reads).toBe(1)
    wait(2)
    expect(await run(read())).toBe(2)
    expect(world.reads).toBe(2)
  })

  it('can be asked to be fresher', async () => {
    const { world, run, read, wait, set } = await scene()
    await run(read())
    world.value = 2
    expect(await run(read('0s'))).toBe(2)
    world.value = 3
    wait(4)
    expect(await run(read('5m'))).toBe(2)
    wait(2)
    expect(await run(read('5m'))).toBe(3)
    expect(world.reads).toBe(3)
    await expect(run((ctx) => ctx.act(set, { sku: 'a', value: 1 }, { maxAge: '5m' }))).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    })
  })

  it('counts no more once a write has ended, in whatever process', async () => {
    const { world, run, read, set, start } = await scene()
    const other = await start()
    await run(read(), 'default', other)
    await run(read())
    await run(async (ctx) => ctx.act(set, { sku: 'b', value: 7 }))
    world.value = 1
    const before = world.reads
    expect(await run(read())).toBe(1)
    expect(world.reads).toBe(before) // another tag
    await run(async (ctx) => ctx.act(set, { sku: 'a', value: 9 }))
    expect(await run(read(), 'default', other)).toBe(9)
    expect(await run(read())).toBe(9)
  })

  it('counts no more after an event, or when a person says so', async () => {
    const { world, run, read, keelson, price } = await scene()
    await run(read())
    world.value = 2
    await keelson.send(changed, { sku: 'b' }, { id: 'e1' })
    await keelson.quiet()
    expect(await run(read())).toBe(1)
    await keelson.send(changed, { sku: 'a' }, { id: 'e2' })
    await keelson.quiet()
    expect(await run(read())).toBe(2)
    world.value = 3
    await keelson.cache.invalidate({ tags: ['sku:a'] }, { by: me })
    expect(await run(read())).toBe(3)
    world.value = 4
    await keelson.cache.invalidate({ action: price }, { by: me })
    expect(await run(read())).toBe(4)
    expect(await keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('never crosses a workspace, an account or an input', async () => {
    const { world, run, read, price } = await scene()
    expect(await run(read(), 'acme')).toBe(1)
    world.value = 2
    expect(await run(read(), 'other')).toBe(2)
    expect(await run((ctx) => ctx.act(price.account('second'), { sku: 'a' }), 'acme')).toEqual({ value: 2 })
    expect(await run((ctx) => ctx.act(price, { sku: 'b' }), 'acme')).toEqual({ value: 2 })
    expect(await run(read(), 'acme')).toBe(1)
    expect(world.reads).toBe(4)
  })

  it('says when it was read, in the journal and in what rests on it', async () => {
    const { run, price, wait, data, set } = await scene()
    await run((ctx) => ctx.act(price, { sku: 'a' }))
    wait(3)
    await run(async (ctx) => {
      const seen = await ctx.act(price, { sku: 'a' })
      await ctx.act(set, { sku: 'z', value: 1 }, { because: [seen] })
    })
    const reader = data.session()
    await reader.open({ worker: 'reader', now: () => 0 })
    const tail = (await reader.tail('default', 0, 999)).map(({ payload }) => payload ?? '')
    const receipts = tail.filter((payload) => payload.includes('"readAt"'))
    expect(receipts.filter((payload) => payload.includes('"cached":true'))).toHaveLength(1)
    expect(receipts.every((payload) => payload.includes('"readAt":"2026-01-01T00:00:00.000Z"'))).toBe(true)
    const effects = await reader.records('default', { kind: 'effect', limit: 9 })
    expect(effects.some(({ data: row }) => row.includes('"readAt":"2026-01-01T00:00:00.000Z"'))).toBe(true)
  })

  it('is given stale while it is read anew, only where that is asked for', async () => {
    const { world, run, read, wait } = await scene({ ttl: '10m', stale: '1h' })
    await run(read())
    world.value = 2
    wait(30)
    expect(await run(read())).toBe(1)
    await expect.poll(() => world.reads).toBe(2)
    expect(await run(read())).toBe(2)
    world.value = 3
    wait(120)
    expect(await run(read())).toBe(3)
  })

  it('keeps no failure', async () => {
    const { world, run, read } = await scene()
    world.down = true
    await expect(run(read())).rejects.toMatchObject({ code: 'ACTION_FAILED' })
    world.down = false
    expect(await run(read())).toBe(1)
  })

  it('is refused where it could do harm', () => {
    const base = { input: z.object({}), output: z.object({}), run: () => ({ output: {} }) }
    const write = { ...base, name: 'a.b', effect: 'reversible' as const, cache: { ttl: '1m' as const } }
    expect(() => action(write)).toThrow('writes, and asks to be cached')
    expect(() => action({ ...base, name: 'a.b', effect: 'read', invalidates: ['x'] })).toThrow('only reads')
  })
})
