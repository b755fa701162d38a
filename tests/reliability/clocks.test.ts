/** Reliability 18: clocks that are set back or ahead, or differ between workers, change when something happens and nothing else. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, ActionError, defineEvent, definePlaybook, policy, type Conductor } from '@keelson/core'
import { manualClock, memoryStore, testConductor, type ManualClock, type MemoryStoreSession } from '@keelson/testing'
import { sqliteFiles } from '@keelson/memory-sqlite/testing'
import { code, me, open, store } from '../support/open.ts'

const MONDAY = Date.parse('2026-01-05T09:00:00Z')
const paid = defineEvent({ name: 'paid', schema: z.object({ cents: z.number() }) })
const wait = code(async (ctx) => (await ctx.waitFor(paid)).cents)
const nap = code(async (ctx) => {
  await ctx.sleep('1h')
  return ctx.now()
})
const tick = definePlaybook({
  name: 'tick',
  version: 1,
  input: z.object({}),
  output: z.object({}),
  run: async () => ({}),
})

const stateOf = async (keelson: Conductor, id: string) => (await keelson.runs.get(id).status()).state

/** How often the timer of run 'r' has fired. */
async function ends(data: MemoryStoreSession): Promise<number> {
  const session = data.session()
  await session.open({ worker: 'reader', now: () => MONDAY })
  const entries = await session.entries('default', 'run:r:0')
  return entries.filter(({ kind }) => kind === 'sleep.completed').length
}

describe('#18 a timer', () => {
  it.each(['-1h', '-10s', '+10m'])('fires once and at its instant when the clock is set by %s', async (by) => {
    const data = memoryStore()
    const t = await testConductor({ playbooks: [nap], now: '2026-01-05T09:00:00Z', store: data })
    const run = await t.start(nap, {}, { id: 'r' })
    await t.advance('30m')
    t.clock.step(by)
    await t.settle()
    while (t.clock.now() < MONDAY + 3_540_000) await t.advance('1m')
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_WAITING' })
    await t.advance('1m')
    expect(await run.result()).toBeGreaterThanOrEqual(MONDAY + 3_600_000)
    expect(await ends(data)).toBe(1)
    await t.stop()
  })

  it('fires once, and late, after a suspend of eight hours', async () => {
    const data = memoryStore()
    const t = await testConductor({ playbooks: [nap], now: '2026-01-05T09:00:00Z', store: data })
    const run = await t.start(nap, {}, { id: 'r' })
    t.clock.step('+8h')
    await t.settle()
    expect(await run.result()).toBeGreaterThanOrEqual(MONDAY + 8 * 3_600_000)
    expect(await ends(data)).toBe(1)
    await t.stop()
  })
})

describe('#18 a schedule', () => {
  it('starts nothing twice when the clock is set back by an hour', async () => {
    const t = await testConductor({ playbooks: [tick], now: '2026-01-05T09:30:00Z' })
    await t.keelson.schedules.set('hourly', tick, { cron: '0 * * * *', input: {} })
    await t.advance('1h')
    t.clock.step('-1h')
    await t.advance('2h')
    const { runs } = await t.keelson.runs.list({ playbook: 'tick' })
    expect(runs.map(({ id }) => id)).toEqual(['hourly@2026-01-05T10:00:00.000Z', 'hourly@2026-01-05T11:00:00.000Z'])
    await t.stop()
  })

  it.each([
    ['skip', []],
    ['once', [17]],
    ['all', [10, 11, 12, 13, 14, 15, 16, 17]],
  ] as const)('treats what a suspend of eight hours missed as %s', async (missed, hours) => {
    const t = await testConductor({ playbooks: [tick], now: '2026-01-05T09:30:00Z' })
    await t.keelson.schedules.set('hourly', tick, { cron: '0 * * * *', input: {}, missed })
    await t.settle()
    t.clock.step('+8h')
    await t.settle()
    const { runs } = await t.keelson.runs.list({ playbook: 'tick' })
    expect(runs.map(({ id }) => id)).toEqual(hours.map((hour) => `hourly@2026-01-05T${hour}:00:00.000Z`))
    await t.stop()
  })
})

describe('#18 an event', () => {
  it.each(['-2s', '-1h', '+1h'])('reaches who waits when the clock was set by %s', async (by) => {
    const t = await testConductor({ playbooks: [wait] })
    const run = await t.start(wait, {})
    t.clock.step(by)
    await t.send(paid, { cents: 5 })
    expect(await run.result()).toBe(5)
    await t.stop()
  })

  it.each(['-2s', '-1h', '+1h'])('is kept for who waits later when the clock was set by %s', async (by) => {
    const late = code(async (ctx) => {
      await ctx.ask('May it go on?', { answer: z.boolean() })
      return [(await ctx.waitFor(paid)).cents, (await ctx.waitFor(paid)).cents]
    })
    const t = await testConductor({ playbooks: [late] })
    const run = await t.start(late, {})
    await t.send(paid, { cents: 1 })
    t.clock.step(by)
    await t.send(paid, { cents: 2 })
    await t.answer(true)
    expect(await run.result()).toEqual([1, 2])
    await t.stop()
  })

  it.each(['-1h', '+1h'])('sent before the run began is none for it when the clock was set by %s since', async (by) => {
    const t = await testConductor({ playbooks: [wait] })
    await t.send(paid, { cents: 1 })
    t.clock.step(by)
    const run = await t.start(wait, {})
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_WAITING' })
    await t.send(paid, { cents: 2 })
    expect(await run.result()).toBe(2)
    await t.stop()
  })

  it('sent before the run began is none for it, though nobody worked to deliver it until then', async () => {
    const clock = manualClock(MONDAY)
    const data = store()
    const web = await open(data, { playbooks: [wait], clock, work: false })
    await web.send(paid, { cents: 1 }, { id: 'e' })
    clock.step('-1h')
    await web.start(wait, {}, { id: 'r' })
    const worker = await open(data, { playbooks: [wait], clock })
    await worker.quiet()
    expect(await stateOf(worker, 'r')).toBe('waiting')
  })

  it('emitted beside the start of a child reaches it, whichever is recorded first', async () => {
    const child = code(async (ctx) => (await ctx.waitFor(paid)).cents, { name: 'child' })
    const parent = code(
      async (ctx) => {
        const called = ctx.call(child, {})
        await ctx.emit(paid, { cents: 4 })
        return called
      },
      { name: 'parent' },
    )
    for (const shadow of [false, true]) {
      const t = await testConductor({ playbooks: [parent, child] })
      expect(await (await t.start(parent, {}, { shadow })).result()).toBe(4)
      await t.stop()
    }
  })

  it('is looked for from the instant that a wait names, by the clock that said when it was sent', async () => {
    const since = code(async (ctx) => (await ctx.waitFor(paid, { since: MONDAY + 60_000 })).cents)
    const t = await testConductor({ playbooks: [since], now: '2026-01-05T09:00:00Z' })
    await t.send(paid, { cents: 1 })
    await t.advance('1m')
    await t.send(paid, { cents: 2 })
    t.clock.step('-30s')
    await t.send(paid, { cents: 3 })
    t.clock.step('+1h')
    expect(await (await t.start(since, {})).result()).toBe(2)
    await t.stop()
  })

  it('that an earlier version kept under the instant of its sending is heard', async () => {
    const data = memoryStore()
    const late = code(async (ctx) => {
      await ctx.sleep('1h')
      return (await ctx.waitFor(paid)).cents
    })
    const clock = manualClock(MONDAY)
    const k = await open(asBefore(data), { playbooks: [late], clock })
    await k.send(paid, { cents: 1 }, { id: 'too early' })
    await k.quiet()
    clock.to(MONDAY + 1000)
    await k.start(late, {}, { id: 'r' })
    await k.send(paid, { cents: 2 }, { id: 'e' })
    await k.quiet()
    clock.to(MONDAY + 3_700_000)
    expect(await k.runs.get('r').result()).toBe(2)
  })
})

describe('#18 events of an earlier version and of this one', () => {
  it('are heard in their order, however many of the earlier are too old', async () => {
    const data = memoryStore()
    const clock = manualClock(MONDAY)
    const day = 86_400_000
    const since = code(async (ctx) => {
      const from = MONDAY + 2 * day
      return [(await ctx.waitFor(paid, { since: from })).cents, (await ctx.waitFor(paid, { since: from })).cents]
    })
    const before = await open(asBefore(data), { playbooks: [since], clock })
    for (let n = 0; n < 250; n++) await before.send(paid, { cents: n }, { id: `old ${n}` })
    clock.to(MONDAY + 3 * day)
    await before.send(paid, { cents: 1000 }, { id: 'the last of the old' })
    await before.quiet()
    await before.stop()
    const now = await open(data, { playbooks: [since], clock })
    await now.send(paid, { cents: 1001 }, { id: 'new' })
    await now.quiet()
    const run = await now.start(since, {}, { id: 'r' })
    await now.quiet()
    expect(await stateOf(now, 'r')).toBe('completed')
    expect(await run.result()).toEqual([1000, 1001])
  })
})

describe('#18 events in a bundle', () => {
  it('are heard in their order where they are taken, and none that came before the run', async () => {
    const clock = manualClock(MONDAY)
    const late = code(async (ctx) => {
      await ctx.ask('May it go on?', { answer: z.boolean() })
      return [(await ctx.waitFor(paid)).cents, (await ctx.waitFor(paid)).cents]
    })
    const from = await open(store(), { playbooks: [late], clock })
    await from.send(paid, { cents: 1 }, { id: 'z' })
    clock.step('-1h')
    await from.start(late, {}, { id: 'r' })
    await from.send(paid, { cents: 2 }, { id: 'y' })
    await from.quiet()
    clock.to(clock.now() + 1000)
    await from.send(paid, { cents: 3 }, { id: 'x' })
    await from.quiet()
    const lines: string[] = []
    for await (const line of from.export()) lines.push(line)
    const into = await open(store(), { playbooks: [late], clock })
    await into.import(lines, { by: me, adopt: true })
    await into.quiet()
    const [item] = (await into.inbox.list()).items
    await into.inbox.decide(item!.id, { hash: item!.hash, by: me, answer: true })
    expect(await into.runs.get('r').result()).toEqual([2, 3])
    expect(await into.audit.verify()).toMatchObject({ ok: true })
  })
})

/** A store that keeps events as an earlier version did. */
function asBefore(data: MemoryStoreSession): MemoryStoreSession {
  const session = (): ReturnType<MemoryStoreSession['session']> => {
    const inner = data.session()
    const write: typeof inner.write = (workspace, unit) => {
      const records = unit.records?.map((record) => {
        if (record.kind !== 'event' || record.data === null) return record
        const { sentAt, ...heard } = JSON.parse(record.data) as { sentAt: number }
        return { ...record, sort: sentAt, data: JSON.stringify(heard) }
      })
      return inner.write(workspace, records === undefined ? unit : { ...unit, records })
    }
    return { ...inner, write }
  }
  return { ...data, session }
}

describe('#18 workers whose clocks are ten minutes off', () => {
  it.each([
    [600_000, -600_000],
    [-600_000, 600_000],
  ])('do what the other has begun, once (%i ms, %i ms)', async (one, other) => {
    const clock = manualClock(MONDAY)
    const data = store()
    let steps = 0
    const work = code(async (ctx) => {
      await ctx.step('once', () => ++steps)
      const { cents } = await ctx.waitFor(paid)
      await ctx.sleep('5m')
      return cents
    })
    const first = await open(data, { playbooks: [work], clock: clock.process(one).clock, work: false })
    await first.start(work, {}, { id: 'r' })
    const second = await open(data, { playbooks: [work], clock: clock.process(other).clock })
    await second.quiet()
    expect(await stateOf(first, 'r')).toBe('waiting')
    await first.send(paid, { cents: 7 }, { id: 'e' })
    await second.quiet()
    clock.to(MONDAY + 299_999)
    expect(await stateOf(first, 'r')).toBe('waiting')
    clock.to(MONDAY + 300_000)
    expect(await second.runs.get('r').result()).toBe(7)
    expect(steps).toBe(1)
    expect(await second.audit.verify()).toMatchObject({ ok: true })
  })
})

describe('#18 a settle window', () => {
  /** The answer of one try is lost; nothing arrived. */
  const sending = (lost = 1, meanwhile = (_try: number, _clock: ManualClock): void => {}) => {
    let tries = 0
    let time: ManualClock
    const post = action({
      name: 'letter.post',
      effect: 'irreversible',
      idempotency: { by: 'lookup' },
      settleWindowMs: 60_000,
      timeout: '1s',
      input: z.object({ to: z.string() }),
      output: z.object({}),
      run: () => {
        meanwhile(++tries, time)
        if (tries === lost) throw new Error('the connection was lost')
        return { output: {} }
      },
      reconcile: async () => ({ state: 'not-found' }),
    })
    const work = code(async (ctx) => ctx.act(post, { to: 'ada' }))
    const free = policy([policy.rule('free', { on: post }, () => policy.allow())])
    const harness = async () => {
      const t = await testConductor({ playbooks: [work], actions: [post], policy: free })
      time = t.clock
      return t
    }
    return { tries: () => tries, work, harness }
  }

  it('is no shorter when the clock is set ahead by an hour', async () => {
    const { tries, work, harness } = sending()
    const t = await harness()
    const run = await t.start(work, {})
    t.clock.step('+1h')
    await t.settle()
    await t.advance('59s')
    expect(tries()).toBe(1)
    await t.advance('2s')
    expect(tries()).toBe(2)
    expect(await run.result()).toEqual({})
    await t.stop()
  })

  it('that no process lives long enough to see through is put to a person, and nothing is sent again', async () => {
    const { tries, work, harness } = sending()
    const t = await harness()
    await t.start(work, {})
    for (let n = 0; n < 12; n++) {
      await t.advance('50s')
      await t.crash()
    }
    const [item] = (await t.inbox.list()).items
    expect(item).toMatchObject({ kind: 'outcome-unknown' })
    expect(tries()).toBe(1)
    await t.stop()
  })

  it('begins with the last sending, also where the clock was set back since', async () => {
    const { tries, work, harness } = sending(2, (nth, clock) => {
      if (nth === 1) throw new ActionError({ class: 'rate-limited', afterMs: 45_000 }, 'slow down')
      if (nth === 2) clock.step('-30s')
    })
    const t = await harness()
    const run = await t.start(work, {})
    await t.advance('45s')
    expect(tries()).toBe(2)
    while (t.clock.now() < MONDAY + 104_000) await t.advance('1s')
    expect(tries()).toBe(2)
    await t.advance('2s')
    expect(await run.result()).toEqual({})
    expect(tries()).toBe(3)
    await t.stop()
  })

  it('begins anew with the first look of a process that comes later, whatever its clock says', async () => {
    const { tries, work, harness } = sending()
    const t = await harness()
    const run = await t.start(work, {})
    await t.crash()
    t.clock.step('+1h')
    await t.settle()
    await t.advance('59s')
    expect(tries()).toBe(1)
    await t.advance('2s')
    expect(await run.result()).toEqual({})
    expect(tries()).toBe(2)
    await t.stop()
  })
})

describe('#18 a run that is due', () => {
  it.each(['-1s', '-1h', '+1h'])('goes on at once when the clock is set by %s', async (by) => {
    const clock = manualClock(MONDAY)
    for (const data of [store(), await sqliteFiles().open()]) {
      const work = code(async (ctx) => ctx.step('once', () => 'done'))
      const web = await open(data as MemoryStoreSession, { playbooks: [work], clock, work: false })
      await web.start(work, {}, { id: 'r' })
      clock.step(by)
      const worker = await open(data as MemoryStoreSession, { playbooks: [work], clock })
      await worker.quiet()
      expect(await stateOf(worker, 'r')).toBe('completed')
    }
  })
})
