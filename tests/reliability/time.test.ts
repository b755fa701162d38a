/** Reliability 18 and 19: timers, schedules and events under late passes, clock steps and daylight saving. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent, definePlaybook } from '@keelson/core'
import { manualClock, memoryStore, testConductor } from '@keelson/testing'
import { code, me, open, store } from '../support/open.ts'

const paid = defineEvent({ name: 'paid', schema: z.object({ invoice: z.string(), cents: z.number() }) })

describe('an event', () => {
  it('#19 sent before anybody waits is kept for who comes', async () => {
    const early = code(async (ctx) => {
      await ctx.sleep('1h')
      return ctx.waitFor(paid, { match: { invoice: 'i1' } })
    })
    const t = await testConductor({ playbooks: [early] })
    const run = await t.start(early, {})
    await t.send(paid, { invoice: 'i1', cents: 5 })
    await t.advance('1h')
    expect(await run.result()).toEqual({ invoice: 'i1', cents: 5 })
    await t.stop()
  })

  it('#19 sent three times under one id is one event, and a run gets it once', async () => {
    const twice = code(async (ctx) => {
      const first = await ctx.waitFor(paid)
      const second = await ctx.waitFor(paid, { timeout: '1d' })
      return [first, second ?? null]
    })
    const t = await testConductor({ playbooks: [twice] })
    const run = await t.start(twice, {})
    await t.send(paid, { invoice: 'i1', cents: 5 }, { id: 'e', times: 3 })
    await t.advance('1d')
    expect(await run.result()).toEqual([{ invoice: 'i1', cents: 5 }, null])
    await t.stop()
  })

  it('answers every run that waits for it, and only those that match', async () => {
    const wait = definePlaybook({
      name: 'wait',
      version: 1,
      input: z.object({ invoice: z.string() }),
      output: z.object({ cents: z.number() }),
      run: async (ctx, { invoice }) => ({ cents: (await ctx.waitFor(paid, { match: { invoice } })).cents }),
    })
    const t = await testConductor({ playbooks: [wait] })
    const [a, b, c] = [
      await t.start(wait, { invoice: 'x' }),
      await t.start(wait, { invoice: 'x' }),
      await t.start(wait, { invoice: 'y' }),
    ]
    await t.send(paid, { invoice: 'x', cents: 7 })
    expect(await a.result()).toEqual({ cents: 7 })
    expect(await b.result()).toEqual({ cents: 7 })
    await expect(c.result()).rejects.toMatchObject({ code: 'RUN_WAITING' })
    await t.stop()
  })

  it('stored before the deadline beats it, however late the pass', async () => {
    const wait = code(async (ctx) => (await ctx.waitFor(paid, { timeout: '1d' })) ?? 'too late')
    const t = await testConductor({ playbooks: [wait] })
    const run = await t.start(wait, {})
    await t.advance('23h')
    await t.keelson.send(paid, { invoice: 'i', cents: 1 }, { id: 'e' }) // stored, nobody has looked yet
    await t.advance('2d')
    expect(await run.result()).toEqual({ invoice: 'i', cents: 1 })
    await t.stop()
  })

  it('#19 stored before the deadline beats it, though nobody worked to deliver it until long after', async () => {
    const clock = manualClock(Date.UTC(2026, 0, 1))
    const data = store()
    const wait = code(async (ctx) => (await ctx.waitFor(paid, { timeout: '1d' })) ?? 'too late')
    const first = await open(data, { playbooks: [wait], clock })
    await first.start(wait, {}, { id: 'w' })
    await first.start(wait, {}, { id: 'x' })
    await first.quiet()
    await first.stop()
    const web = await open(data, { playbooks: [wait], clock, work: false })
    clock.to(clock.now() + 23 * 3_600_000)
    await web.send(paid, { invoice: 'i', cents: 1 }, { id: 'e' })
    clock.to(clock.now() + 48 * 3_600_000)
    const later = await open(data, { playbooks: [wait], clock })
    for (const id of ['w', 'x']) expect(await later.runs.get(id).result()).toEqual({ invoice: 'i', cents: 1 })
    await later.quiet()
    expect(await later.audit.verify()).toMatchObject({ ok: true })
  })

  it('is had once, of two waits whose deadlines have passed', async () => {
    const clock = manualClock(Date.UTC(2026, 0, 1))
    const data = store()
    const wait = code(async (ctx) =>
      ctx.all(['a', 'b'], String, async (each) => (await each.waitFor(paid, { timeout: '1d' }))?.cents ?? 'too late'),
    )
    const first = await open(data, { playbooks: [wait], clock })
    const run = await first.start(wait, {}, { id: 'w' })
    await first.quiet()
    await first.stop()
    const web = await open(data, { playbooks: [wait], clock, work: false })
    await web.send(paid, { invoice: 'i', cents: 1 }, { id: 'e' })
    clock.to(clock.now() + 48 * 3_600_000)
    const later = await open(data, { playbooks: [wait], clock })
    expect(await later.runs.get(run.id).result()).toEqual([1, 'too late'])
  })

  it('sent after the deadline is too late', async () => {
    const wait = code(async (ctx) => (await ctx.waitFor(paid, { timeout: '1d' })) ?? 'too late')
    const t = await testConductor({ playbooks: [wait] })
    const run = await t.start(wait, {})
    await t.advance('1d')
    await t.send(paid, { invoice: 'i', cents: 1 })
    expect(await run.result()).toBe('too late')
    await t.stop()
  })

  it('#19 that comes out of order is had in the order of its recording', async () => {
    const three = code(async (ctx) => {
      const had: number[] = []
      for (let i = 0; i < 3; i++) had.push((await ctx.waitFor(paid, { match: { invoice: 'i' } })).cents)
      return had
    })
    const t = await testConductor({ playbooks: [three] })
    const run = await t.start(three, {})
    for (const cents of [3, 1]) await t.send(paid, { invoice: 'i', cents }, { id: `e${cents}` })
    await t.crash()
    await t.send(paid, { invoice: 'i', cents: 2 }, { id: 'e2' })
    expect(await run.result()).toEqual([3, 1, 2])
    await t.stop()
  })

  it('#19 for a later step is kept when it comes before that of an earlier one', async () => {
    const two = code(async (ctx) => [
      (await ctx.waitFor(paid, { match: { invoice: 'first' } })).cents,
      (await ctx.waitFor(paid, { match: { invoice: 'second' } })).cents,
    ])
    const t = await testConductor({ playbooks: [two] })
    const run = await t.start(two, {})
    await t.send(paid, { invoice: 'second', cents: 2 })
    await t.send(paid, { invoice: 'first', cents: 1 })
    expect(await run.result()).toEqual([1, 2])
    await t.stop()
  })

  it('#19 sent after a run has completed leaves it as it ended, and is kept', async () => {
    const wait = code(async (ctx) => (await ctx.waitFor(paid)).cents)
    const t = await testConductor({ playbooks: [wait] })
    const run = await t.start(wait, {})
    await t.send(paid, { invoice: 'i', cents: 1 }, { id: 'one' })
    expect(await run.result()).toBe(1)
    const before = await t.keelson.audit.story(run.id)
    await t.send(paid, { invoice: 'i', cents: 2 }, { id: 'two' })
    await t.send(paid, { invoice: 'i', cents: 1 }, { id: 'one' })
    expect(await run.result()).toBe(1)
    expect(await t.keelson.audit.story(run.id)).toEqual(before)
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('emitted again by a run that begins anew is the event that it was', async () => {
    let broken = true
    const sender = code(async (ctx) => {
      await ctx.emit(paid, { invoice: 'z', cents: 3 })
      if (broken) throw new Error('not yet')
    })
    const t = await testConductor({ playbooks: [sender] })
    const run = await t.start(sender, {})
    await expect(run.result()).rejects.toThrow('not yet')
    broken = false
    await t.host((keelson) => keelson.runs.restart(run.id, { from: 'start', by: me }))
    await run.result()
    const events = await t.keelson.runs.list({ playbook: 'keelson.event', builtIn: true })
    expect(events.runs).toHaveLength(1)
    await t.stop()
  })

  it('emitted by a run reaches another', async () => {
    const sender = code(async (ctx) => ctx.emit(paid, { invoice: 'z', cents: 3 }), { name: 'sender' })
    const receiver = code(async (ctx) => ctx.waitFor(paid), { name: 'receiver' })
    const t = await testConductor({ playbooks: [sender, receiver] })
    const run = await t.start(receiver, {})
    await t.start(sender, {})
    expect(await run.result()).toEqual({ invoice: 'z', cents: 3 })
    await t.stop()
  })
})

describe('a timer', () => {
  const nap = code(async (ctx) => {
    await ctx.sleep('1h')
    return ctx.now()
  })

  it('#18 never fires early, not by a clock that steps back', async () => {
    const t = await testConductor({ playbooks: [nap], now: '2026-01-05T09:00:00Z' })
    const run = await t.start(nap, {})
    await t.advance('59m')
    t.clock.step('-1h')
    await t.advance('59m')
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_WAITING' })
    await t.advance('1m')
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_WAITING' })
    await t.advance('1h')
    expect(await run.result()).toBeGreaterThanOrEqual(Date.parse('2026-01-05T10:00:00Z'))
    await t.stop()
  })

  it('fires at its instant', async () => {
    const t = await testConductor({ playbooks: [nap], now: '2026-01-05T09:00:00Z' })
    const run = await t.start(nap, {})
    await t.advance('59m')
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_WAITING' })
    await t.advance('1m')
    expect(await run.result()).toBeGreaterThanOrEqual(Date.parse('2026-01-05T10:00:00Z'))
    await t.stop()
  })

  it('that lost a race live loses it on every replay', async () => {
    const race = code(async (ctx) => {
      const winner = await Promise.race([ctx.sleep('2h').then(() => 'slow'), ctx.sleep('1h').then(() => 'fast')])
      await ctx.sleep('3h')
      return winner
    })
    const t = await testConductor({ playbooks: [race] })
    const run = await t.start(race, {})
    await t.advance('1h')
    await t.crash()
    await t.advance('12h')
    expect(await run.result()).toBe('fast')
    await t.stop()
  })

  it('keeps its order when both are long past', async () => {
    const race = code(async (ctx) =>
      Promise.race([ctx.sleep('2h').then(() => 'slow'), ctx.sleep('1h').then(() => 'fast')]),
    )
    const t = await testConductor({ playbooks: [race] })
    const run = await t.start(race, {})
    await t.advance('2d')
    expect(await run.result()).toBe('fast')
    await t.stop()
  })
})

describe('a schedule', () => {
  const tick = definePlaybook({
    name: 'tick',
    version: 1,
    input: z.object({}),
    output: z.object({}),
    run: async () => ({}),
  })
  const ids = async (t: Awaited<ReturnType<typeof testConductor>>): Promise<string[]> =>
    (await t.keelson.runs.list({ playbook: 'tick', limit: 500 })).runs.map((run) => run.id)

  it('starts a run at each planned instant, named after it', async () => {
    const t = await testConductor({ playbooks: [tick], now: '2026-01-05T08:00:00Z' })
    await t.keelson.schedules.set('daily', tick, { cron: '0 9 * * *', timezone: 'UTC', input: {} })
    await t.settle()
    for (let day = 0; day < 3; day++) await t.advance('24h')
    expect(await ids(t)).toEqual([
      'daily@2026-01-05T09:00:00.000Z',
      'daily@2026-01-06T09:00:00.000Z',
      'daily@2026-01-07T09:00:00.000Z',
    ])
    await t.stop()
  })

  it.each([
    ['in March', '2026-03-28T12:00:00Z', ['2026-03-29T07:00:00.000Z', '2026-03-30T07:00:00.000Z']],
    ['in October', '2026-10-24T12:00:00Z', ['2026-10-25T08:00:00.000Z', '2026-10-26T08:00:00.000Z']],
  ])('#18 keeps the hour of its zone over both changes of the clock: %s', async (_, now, planned) => {
    const t = await testConductor({ playbooks: [tick], now })
    await t.keelson.schedules.set('berlin', tick, { cron: '0 9 * * *', timezone: 'Europe/Berlin', input: {} })
    await t.settle()
    for (let day = 0; day < 2; day++) await t.advance('24h')
    expect(await ids(t)).toEqual(planned.map((at) => `berlin@${at}`))
    await t.stop()
  })

  it.each([
    // 02:30 is left out that night: it comes right behind the gap, at 03:00.
    ['that the night leaves out', '2026-03-28T12:00:00Z', ['2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z']],
    ['that the night has twice', '2026-10-24T12:00:00Z', ['2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z']],
  ])('#18 comes once at an hour %s', async (_, now, planned) => {
    const t = await testConductor({ playbooks: [tick], now })
    await t.keelson.schedules.set('berlin', tick, { cron: '30 2 * * *', timezone: 'Europe/Berlin', input: {} })
    await t.settle()
    for (let day = 0; day < 2; day++) await t.advance('24h')
    expect(await ids(t)).toEqual(planned.map((at) => `berlin@${at}`))
    await t.stop()
  })

  it('#18 comes on a leap day', async () => {
    const t = await testConductor({ playbooks: [tick], now: '2026-02-27T12:00:00Z' })
    await t.keelson.schedules.set('leap', tick, { cron: '0 9 29 2 *', timezone: 'UTC', input: {} })
    expect(await t.keelson.schedules.next('leap', 1)).toEqual(['2028-02-29T09:00:00.000Z'])
    await t.stop()
  })

  it.each([
    ['skip', []],
    ['once', ['hourly@2026-01-05T14:00:00.000Z']],
    ['all', [10, 11, 12, 13, 14].map((hour) => `hourly@2026-01-05T${hour}:00:00.000Z`)],
  ] as const)('treats what was missed while nobody worked as %s', async (missed, expected) => {
    const store = memoryStore()
    const first = await testConductor({ playbooks: [tick], store, now: '2026-01-05T09:30:00Z' })
    await first.keelson.schedules.set('hourly', tick, { cron: '0 * * * *', input: {}, missed })
    await first.settle()
    await first.stop()
    const second = await testConductor({ playbooks: [tick], store, now: '2026-01-05T14:30:00Z' })
    await second.settle()
    expect(await ids(second)).toEqual(expected)
    await second.advance('30m')
    expect(await ids(second)).toEqual([...expected, 'hourly@2026-01-05T15:00:00.000Z'])
    await second.stop()
  })

  it('is replaced when it changes, kept when it does not, ended when it is removed', async () => {
    const t = await testConductor({ playbooks: [tick], now: '2026-01-05T08:00:00Z' })
    const by = { kind: 'person', id: 'me' } as const
    const set = (cron: string) => t.keelson.schedules.set('s', tick, { cron, input: {} })
    await set('0 9 * * *')
    await t.settle()
    await set('0 9 * * *')
    await t.settle()
    expect(await t.keelson.schedules.next('s', 1)).toEqual(['2026-01-05T09:00:00.000Z'])
    await set('0 10 * * *')
    await t.settle()
    await t.advance('24h')
    expect(await ids(t)).toEqual(['s@2026-01-05T10:00:00.000Z'])
    await t.keelson.schedules.remove('s', { by })
    await t.settle()
    await t.advance('48h')
    expect(await ids(t)).toHaveLength(1)
    await t.stop()
  })

  it('with an input that its playbook refuses is refused', async () => {
    const strict = definePlaybook({
      name: 'strict',
      version: 1,
      input: z.object({ n: z.number() }),
      output: z.object({}),
      run: async () => ({}),
    })
    const t = await testConductor({ playbooks: [strict] })
    const options = { cron: '0 9 * * *', input: { n: 'x' } as never }
    await expect(t.keelson.schedules.set('bad', strict, options)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await t.stop()
  })

  it.each([
    ['not a cron', 'UTC'],
    ['0 9 * * *', 'Mars/Olympus'],
  ])('of "%s" in %s is refused with a clear error', async (cron, timezone) => {
    const t = await testConductor({ playbooks: [tick] })
    await expect(t.keelson.schedules.set('bad', tick, { cron, timezone, input: {} })).rejects.toMatchObject({
      code: 'DEFINITION_INVALID',
    })
    await t.stop()
  })
})
