/** Unknown, in tests: a slip in what a test kit or a store is given fails where it stands, and not as something else later. */
import { action, defineAgent, defineConnector, definePlaybook, policy } from '@keelson/core'
import { exploreCrashes, fake, manualClock, simulate, testConductor, type Harness } from '@keelson/testing'
import { sqlite } from '@keelson/memory-sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'

const fee = action({
  ...{ name: 'books.fee', effect: 'read', input: z.object({}), output: z.object({ cents: z.int() }) },
  run: () => ({ output: { cents: 1 } }),
})
const books = defineConnector({ name: 'books', actions: { fee } })
const billing = definePlaybook({
  ...{ name: 'billing', version: 1, input: z.object({}), output: z.json(), uses: [fee] },
  run: (ctx) => ctx.act(fee, {}),
})

const charge = action({
  ...{ name: 'books.charge', effect: 'reversible', idempotency: { by: 'key' } },
  ...{ input: z.object({}), output: z.object({ cents: z.int() }) },
  run: () => ({ output: { cents: 1 } }),
})
const charging = definePlaybook({
  ...{ name: 'charging', version: 1, input: z.object({}), output: z.json(), uses: [charge] },
  run: (ctx) => ctx.act(charge, {}),
})

const sorter = defineAgent({
  ...{ name: 'sorter', version: 1, input: z.object({}), output: z.object({}), instructions: 'Sort.' },
})
const text = (part: string): string => expect.stringContaining(part) as string

describe('a fake', () => {
  it('takes a function for the answer of one action, and refuses it for a connector of several', async () => {
    const t = await testConductor({
      playbooks: [billing],
      connectors: [fake(fee, (_, { times }) => ({ cents: 7 + times }))],
    })
    expect(await (await t.start(billing, {})).result()).toEqual({ cents: 7 })
    await t.stop()
    const wrong = { code: 'DEFINITION_INVALID', hint: text("'books.fee'") }
    expect(() => fake(books, (() => ({})) as never)).toThrow(expect.objectContaining(wrong) as Error)
  })

  it('refuses an answer of no action, and one that is no function', () => {
    const wrong = { code: 'DEFINITION_INVALID', message: text('"books.fea"'), hint: 'Did you mean "books.fee"?' }
    expect(() => fake(books, { 'books.fea': () => ({ cents: 1 }) })).toThrow(expect.objectContaining(wrong))
    const value = { code: 'DEFINITION_INVALID', message: text('books.fee is no function') }
    expect(() => fake(books, { 'books.fee': { cents: 1 } } as never)).toThrow(expect.objectContaining(value))
  })

  it('whose answer does not fit the output says so in what the run waits for', async () => {
    const policed = policy([policy.rule('all', { on: charge }, () => policy.allow())])
    const connectors = [fake(charge, { 'books.charge': () => 'much' })]
    const t = await testConductor({ playbooks: [charging], connectors, policy: policed })
    onTestFinished(() => t.stop())
    const run = await t.start(charging, {})
    const waits = 'books.charge is tried again: what books.charge returned does not fit its schema'
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_WAITING', message: text(waits) })
    expect(await t.keelson.why(run.id)).toContain(waits)
  })
})

describe('a manual clock', () => {
  const noInstant = (given: string, hint: string): unknown =>
    expect.objectContaining({ code: 'DURATION_INVALID', message: text(given), hint: text(hint) })

  it('refuses to stand at what is no instant, where every timer would wait for ever', () => {
    const make = manualClock as (start?: unknown) => unknown
    expect(() => make()).toThrow(noInstant('undefined', 'manualClock(Date.UTC(2026, 0, 1))'))
    expect(() => make(Number.NaN)).toThrow(noInstant('NaN', 'Date.UTC'))
    expect(() => make('2026-01-05T09:00:00Z')).toThrow(noInstant('"2026-01-05T09:00:00Z"', 'Date.parse'))
    expect(() => make(new Date(0))).toThrow(noInstant('an object', 'Date.parse'))
  })

  it('is moved to an instant only', () => {
    const clock = manualClock(0)
    expect(() => clock.to(undefined as never)).toThrow(noInstant('undefined', 'Date.UTC'))
    expect(() => clock.to(Date.parse('tomorrow'))).toThrow(noInstant('NaN', 'Date.UTC'))
    expect(clock.now()).toBe(0)
  })
})

describe('a harness', () => {
  const slips: readonly (readonly [
    string,
    (t: Record<string, (...given: unknown[]) => unknown>) => unknown,
    string,
    string,
  ])[] = [
    ['a fault', (t) => t['fault']!(fee, 'timeout'), 'argument 2 of t.fault is "timeout"', 'timeout-before-effect'],
    ['when it comes', (t) => t['fault']!(fee, 'refused', { calls: 2 }), 'no option "calls"', '"call"'],
    ['an edit', (t) => t['approve']!(fee, { edti: {} }), 'argument 2 of t.approve has no option "edti"', '"edit"'],
    ['an action', (t) => t['approve']!(undefined), 'undefined is not an action', 'import cycle'],
    ['an end', (t) => t['outcome']!(fee, 'hapened'), 'argument 2 of t.outcome is "hapened"', '"happened"'],
    ['a send', (t) => t['send']!(fee, {}, { time: 2 }), 'no option "time"', '"times"'],
    ['a plan', (t) => t['plan']!({ skipp: [] }), 'no option "skipp"', '"skip"'],
    ['an item', (t) => t['decide']!({ actoin: 'x' }, {}), 'no option "actoin"', '"action"'],
    ['a usage', (t) => t['script']!(sorter, () => ({}), { usag: () => ({}) }), 'no option "usag"', '"usage"'],
    [
      'a usage',
      (t) => t['script']!(sorter, () => ({}), { usage: {} }),
      '"usage" of t.script is no function',
      'usage: (',
    ],
    ['an answer', (t) => t['script']!(sorter, { a: 1 }), '"answer" of t.script is no function', 'answer: ('],
    ['an agent', (t) => t['script']!(undefined, () => ({})), 'undefined is not an agent', 'import cycle'],
    ['an agent', (t) => t['script']!('sorter', () => ({})), '"sorter" is not an agent', 'defineAgent()'],
    ['a start', (t) => t['start']!(billing, {}, { shadw: true }), 'no option "shadw"', '"shadow"'],
    ['a deploy', (t) => t['deploy']!({ polcy: {} }), 't.deploy has no option "polcy"', '"policy"'],
  ]

  it.each(slips)('refuses %s that there is not', async (_, slip, says, hint) => {
    const t = await testConductor({ playbooks: [billing], connectors: [fake(books)] })
    onTestFinished(() => t.stop())
    const error = { message: text(says), hint: text(hint) }
    await expect((async () => slip(t as never))()).rejects.toMatchObject(error)
  })

  it('refuses an option that it does not have', async () => {
    const error = { code: 'DEFINITION_INVALID', message: text('"conectors"'), hint: text('"connectors"') }
    await expect(testConductor({ playbooks: [], conectors: [] } as never)).rejects.toMatchObject(error)
    const rules = { playbooks: [], policy: [policy.rule('r', { on: fee }, () => policy.ask())] } as never
    await expect(testConductor(rules)).rejects.toMatchObject({ message: text('a list is not a policy') })
  })
})

describe('exploreCrashes', () => {
  it('refuses an option that it does not have', async () => {
    const error = { code: 'INPUT_INVALID', message: text('"harnes"'), hint: 'Did you mean "harness"?' }
    await expect(exploreCrashes(async () => {}, { harnes: () => ({}) } as never)).rejects.toMatchObject(error)
    await expect(exploreCrashes(async () => {}, { depth: 3 } as never)).rejects.toMatchObject({
      message: text('depth'),
    })
  })

  it('says what a test did not await, whether it found its playbooks itself or was given them', async () => {
    const forgetful = async (t: Harness): Promise<void> => {
      void t.start(billing, {})
    }
    const error = { code: 'STEP_NOT_AWAITED', message: 'the test has ended, and did not await t.start(billing)' }
    await expect(exploreCrashes(forgetful)).rejects.toMatchObject(error)
    const harness = () => ({ playbooks: [billing], connectors: [fake(books)] })
    await expect(exploreCrashes(forgetful, { harness })).rejects.toMatchObject(error)
  })

  it('takes a test that awaits what it began otherwise', async () => {
    const explored = await exploreCrashes(async (t) => {
      const begun = t.start(billing, {})
      await t.settle()
      await begun
    })
    expect(explored.schedules).toBeGreaterThan(0)
  })
})

describe('simulate', () => {
  it('refuses an option that it does not have', async () => {
    const error = { code: 'INPUT_INVALID', message: text('"sedes"'), hint: text('"seeds"') }
    await expect(simulate({ sedes: 1 } as never)).rejects.toMatchObject(error)
  })
})

describe('sqlite', () => {
  it.each([
    ['durability', 'app.db', { durability: 'none' }, '"durability" of sqlite is "none"', 'disk, process'],
    ['a thread', 'app.db', { thread: 'workers' }, '"thread" of sqlite', '"worker"'],
    ['a name', 'app.db', { durabilty: 'disk' }, 'sqlite has no option "durabilty"', '"durability"'],
    ['memory', ':memory:', {}, '":memory:" is no path', 'memoryStore() of @keelson/testing'],
    ['no path', undefined, {}, 'undefined is no path', "sqlite('app.db')"],
  ] as const)('refuses %s that there is not', (_, path, options, says, hint) => {
    const error = { code: 'DEFINITION_INVALID', message: text(says), hint: text(hint) }
    expect(() => sqlite(path as never, options as never)).toThrow(expect.objectContaining(error))
  })
})
