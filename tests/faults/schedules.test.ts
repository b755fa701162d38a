/** Schedules whose code is away, or refuses an instant: one bad instant ends none of them. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { definePlaybook } from '@keelson/core'
import { intercept, manualClock } from '@keelson/testing'
import { code, me, open, store } from '../support/open.ts'

const HALF_PAST_EIGHT = Date.parse('2026-01-05T08:30:00Z')
const at = (time: string): number => Date.parse(`2026-01-05T${time}:00Z`)

const tick = (serialize?: () => string) =>
  definePlaybook({
    name: 'tick',
    version: 1,
    input: z.object({}),
    output: z.object({}),
    ...(serialize === undefined ? {} : { serialize }),
    run: async () => ({}),
  })

describe('a schedule without its playbook', () => {
  it('waits for it, and starts what was missed when a process brings it', async () => {
    const shared = store()
    const clock = manualClock(HALF_PAST_EIGHT)
    const known = tick()
    const first = await open(shared, { playbooks: [known], clock })
    await first.schedules.set('s', known, { cron: '0 9 * * *', input: {} })
    await first.quiet()
    await first.stop()
    const without = await open(shared, { playbooks: [], clock })
    clock.to(at('09:00'))
    await without.quiet()
    expect(await without.why('schedule:s#1')).toContain('for its code: tick is not registered in this process')
    expect(await without.schedules.next('s', 1)).toEqual(['2026-01-06T09:00:00.000Z'])
    await without.stop()
    const again = await open(shared, { playbooks: [known], clock })
    const started = async (): Promise<string[]> =>
      (await again.runs.list({ playbook: 'tick' })).runs.map(({ id }) => id)
    for (let turn = 0; turn < 50 && (await started()).length === 0; turn++) await new Promise(setImmediate)
    expect(await started()).toEqual(['s@2026-01-05T09:00:00.000Z'])
  })

  it('is found by another process that has it and is at work already', async () => {
    const shared = store()
    const clock = manualClock(HALF_PAST_EIGHT)
    const known = tick()
    const busy = Promise.withResolvers<number>()
    const occupies = code((ctx) => ctx.step('busy', () => busy.promise))
    const knows = await open(shared, { playbooks: [known, occupies], clock, concurrency: 1 })
    await knows.schedules.set('s', known, { cron: '0 9 * * *', input: {} })
    await knows.quiet()
    await knows.start(occupies, {}, { id: 'occupies' })
    const without = await open(shared, { playbooks: [], clock })
    for (let looks = 0; looks < 12; looks++) {
      clock.to(looks === 0 ? at('09:00') : clock.now() + 30_000)
      await without.quiet()
    }
    const waits = { state: 'waiting', for: [{ kind: 'version' }] }
    expect(await without.runs.get('schedule:s#1').status()).toMatchObject(waits)
    await without.stop()
    busy.resolve(1)
    await knows.quiet()
    clock.to(clock.now() + 30_000)
    await knows.quiet()
    expect((await knows.runs.list({ playbook: 'tick' })).runs).toHaveLength(1)
  })
})

describe('a schedule of what its conductor does not know', () => {
  const often = { cron: '0 9 * * *', input: {} }

  it('is refused as a start would be, and nothing is set', async () => {
    const keelson = await open(store(), { playbooks: [] })
    await expect(keelson.schedules.set('s', tick(), often)).rejects.toMatchObject({
      code: 'PLAYBOOK_NOT_FOUND',
      message: 'playbook tick@1 is not registered',
      hint: expect.stringContaining('createConductor({ playbooks })') as string,
    })
    expect(await keelson.schedules.next('s')).toEqual([])
    expect((await keelson.runs.list({ builtIn: true })).runs).toEqual([])
  })

  it('is refused for another definition of the same name and version', async () => {
    const keelson = await open(store(), { playbooks: [tick()] })
    await expect(keelson.schedules.set('s', tick(), often)).rejects.toMatchObject({
      code: 'PLAYBOOK_NOT_FOUND',
      hint: expect.stringContaining('Schedule the very object that was passed') as string,
    })
  })

  it('is set by a process that only sets, with the definitions of those that work', async () => {
    const shared = store()
    const clock = manualClock(HALF_PAST_EIGHT)
    const known = tick()
    const web = await open(shared, { playbooks: [known], clock, work: false })
    await web.schedules.set('s', known, often)
    await web.stop()
    const worker = await open(shared, { playbooks: [known], clock })
    await worker.quiet()
    clock.to(at('09:00'))
    await worker.quiet()
    expect((await worker.runs.list({ playbook: 'tick' })).runs.map(({ id }) => id)).toEqual([
      's@2026-01-05T09:00:00.000Z',
    ])
  })
})

describe('an instant that cannot be started', () => {
  it('is put before a person where its input fits the newest version no more, and the next one comes', async () => {
    const shared = store()
    const clock = manualClock(HALF_PAST_EIGHT)
    const narrower = definePlaybook({
      name: 'tick',
      version: 2,
      input: z.object({ n: z.number() }),
      output: z.object({}),
      run: async () => ({}),
    })
    const one = tick()
    const keelson = await open(shared, { playbooks: [one, narrower], clock })
    await keelson.schedules.set('s', one, { cron: '0 * * * *', input: {} })
    clock.to(at('09:00'))
    await keelson.quiet()
    const [item] = (await keelson.inbox.list()).items
    expect(item).toMatchObject({ kind: 'attention', code: 'INPUT_INVALID', allows: ['dismiss', 'delegate'] })
    expect(item!.title).toContain('schedule "s" did not start tick at 2026-01-05T09:00:00.000Z')
    expect(await keelson.schedules.next('s', 1)).toEqual(['2026-01-05T10:00:00.000Z'])
    clock.to(at('10:00'))
    await keelson.quiet()
    expect((await keelson.inbox.list()).items.map(({ title }) => title)).toEqual([
      expect.stringContaining('2026-01-05T10:00:00.000Z'),
    ])
    await keelson.schedules.remove('s', { by: me })
    await keelson.quiet()
    expect((await keelson.inbox.list()).items).toEqual([])
  })

  it('because serialize threw is one instant, not the schedule', async () => {
    const shared = store()
    const clock = manualClock(HALF_PAST_EIGHT)
    let broken = false
    const laned = tick(() => {
      if (broken) throw new Error('no lane')
      return 'x'
    })
    const keelson = await open(shared, { playbooks: [laned], clock })
    await keelson.schedules.set('s', laned, { cron: '0 * * * *', input: {} })
    await keelson.quiet()
    broken = true
    clock.to(at('09:00'))
    await keelson.quiet()
    broken = false
    clock.to(at('10:00'))
    await keelson.quiet()
    expect((await keelson.runs.list({ playbook: 'tick' })).runs.map(({ id }) => id)).toEqual([
      's@2026-01-05T10:00:00.000Z',
    ])
    expect((await keelson.inbox.list()).items.map(({ title }) => title)).toEqual([expect.stringContaining('no lane')])
  })
})

describe('a schedule that is set anew', () => {
  const echo = code(async () => null, { name: 'echo' })
  const said = definePlaybook({
    ...{ name: 'said', version: 1, input: z.object({ text: z.string() }), output: z.string() },
    run: async (_, { text }) => text,
  })

  it('makes up for what was missed before, where only what is started is other', async () => {
    const shared = store()
    const clock = manualClock(HALF_PAST_EIGHT)
    const first = await open(shared, { playbooks: [said], clock })
    await first.schedules.set('s', said, { cron: '0 9 * * *', input: { text: 'old' } })
    await first.quiet()
    await first.stop()
    clock.to(at('10:00'))
    const web = await open(shared, { playbooks: [said], clock, work: false })
    await web.schedules.set('s', said, { cron: '0 9 * * *', input: { text: 'new' } })
    const works = await open(shared, { playbooks: [said], clock })
    await works.quiet()
    expect((await works.runs.list({ playbook: 'said' })).runs.map(({ id }) => id)).toEqual([
      's@2026-01-05T09:00:00.000Z',
    ])
    expect(await works.schedules.next('s', 1)).toEqual(['2026-01-06T09:00:00.000Z'])
  })

  it('makes up for nothing where its times are other', async () => {
    const shared = store()
    const clock = manualClock(HALF_PAST_EIGHT)
    const first = await open(shared, { playbooks: [echo], clock })
    await first.schedules.set('s', echo, { cron: '0 9 * * *', input: {} })
    await first.quiet()
    await first.stop()
    clock.to(at('10:00'))
    const web = await open(shared, { playbooks: [echo], clock, work: false })
    await web.schedules.set('s', echo, { cron: '30 9 * * *', input: {} })
    const works = await open(shared, { playbooks: [echo], clock })
    await works.quiet()
    expect((await works.runs.list({ playbook: 'echo' })).runs).toEqual([])
  })

  it('is set also where another process replaces the same one meanwhile', async () => {
    const shared = store()
    const clock = manualClock(HALF_PAST_EIGHT)
    const works = await open(shared, { playbooks: [echo], clock })
    await works.schedules.set('s', echo, { cron: '0 9 * * *', input: {} })
    await works.quiet()
    let first = true
    const hooks = {
      async after(op: string) {
        if (op !== 'runs' || !first) return
        first = false
        await works.schedules.set('s', echo, { cron: '0 10 * * *', input: {} })
        await works.quiet()
      },
    }
    const other = await open(shared, {
      playbooks: [echo],
      clock,
      work: false,
      store: intercept(shared.session(), hooks),
    })
    await other.schedules.set('s', echo, { cron: '0 11 * * *', input: {} })
    await works.quiet()
    expect(first).toBe(false)
    expect(await works.schedules.next('s', 1)).toEqual(['2026-01-05T11:00:00.000Z'])
  })

  it.each(['', ' ', 'effect:x', 'revert:x', 'a\u0000b', 'x'.repeat(490), 5])('is not named %j', async (name) => {
    const keelson = await open(store(), { playbooks: [echo] })
    const set = keelson.schedules.set(name as string, echo, { cron: '0 9 * * *', input: {} })
    await expect(set).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })
})
