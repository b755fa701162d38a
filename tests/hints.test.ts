/** What an error says of a slip in the code is true, and names what was slipped on. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, defineEntity, defineEvent, definePlaybook, policy, type Context } from '@keelson/core'
import { exploreCrashes, fake, memoryStore, testConductor } from '@keelson/testing'

const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.object({ id: z.string() }),
  run: () => ({ output: { id: 'x' } }),
})

/** A context as code without types sees it. */
type Loose = Record<'sleep' | 'waitFor' | 'step', (...given: unknown[]) => Promise<unknown>>

function book(run: (ctx: Context) => Promise<unknown>, output: z.ZodType = z.null()) {
  return definePlaybook({ name: 'p', version: 1, input: z.object({}), output, run: async (ctx) => run(ctx) as never })
}

async function failure(playbook: ReturnType<typeof book>): Promise<Error & { code: string; hint: string }> {
  const t = await testConductor({ playbooks: [playbook] })
  const run = await t.start(playbook, {})
  return run.result().then(
    () => expect.unreachable(),
    (thrown: unknown) => thrown as never,
  )
}

describe('a slip in a playbook', () => {
  it('that returns what does not fit does not say that nothing was executed', async () => {
    const thrown = await failure(book(async (ctx) => ctx.step('charge', () => 0.5), z.int()))
    expect(thrown).toMatchObject({ code: 'OUTPUT_INVALID', hint: expect.stringContaining('stays done') })
  })

  it('of a duration, an event or a step names what was given', async () => {
    const slips: [(ctx: Loose) => Promise<unknown>, string, string][] = [
      [(ctx) => ctx.sleep(5000), 'DURATION_INVALID', '"5000" is not a duration'],
      [(ctx) => ctx.waitFor('paid'), 'DEFINITION_INVALID', '"paid" is not an event'],
      [(ctx) => ctx.step('d', 5), 'DEFINITION_INVALID', 'the work of step "d" is no function'],
    ]
    for (const [run, code, message] of slips)
      expect(await failure(book((ctx) => run(ctx as never)))).toMatchObject({
        code,
        message: expect.stringContaining(message),
      })
  })

  it('of a value says where it is, with the article that it needs', async () => {
    const thrown = await failure(book((ctx) => ctx.step('a', () => [undefined])))
    expect(thrown).toMatchObject({ message: expect.stringContaining('the value at $[0] is undefined, which') })
    const made = await failure(book((ctx) => ctx.step('a', () => new (class Owner {})())))
    expect(made).toMatchObject({ message: expect.stringContaining('the value at $ is an Owner, which') })
    const t = await testConductor({ playbooks: [] })
    const E = defineEntity({ ...{ name: 'e', version: 1 }, schema: z.object({ no: z.int() }), key: ({ no }) => no })
    const desk = t.keelson.entities(E, { by: { kind: 'person', id: 'me' } })
    const { id } = await desk.create({ no: 1 })
    await expect(desk.create({ no: 1 })).rejects.toThrow('there is an e with this key')
    await expect(desk.update(id, { no: 2 })).rejects.toThrow('an e keeps its key')
  })

  it('of a value that is a promise says that it is to be awaited', async () => {
    const thrown = await failure(book(async (ctx) => ({ x: ctx.step('a', () => 1) }), z.any()))
    expect(thrown).toMatchObject({
      message: expect.stringContaining('the value at $.x is a promise, which'),
      hint: expect.stringContaining('Await it'),
    })
  })

  it('of code that returns nothing says so', async () => {
    for (const output of [z.any(), z.null(), z.object({}), z.string().optional()])
      expect(await failure(book(async () => {}, output))).toMatchObject({
        message: 'the code of p returned nothing, and its output is stored',
        hint: expect.stringContaining('output: z.null(), and return null'),
      })
  })

  it('of a length of sleep names the step by what was given', async () => {
    for (const [given, step] of [
      [5000, 'sleep 5000'],
      [undefined, 'sleep undefined'],
      [{}, 'sleep for no time'],
      [null, 'sleep for no time'],
    ] as const)
      expect(await failure(book((ctx) => (ctx as unknown as Loose).sleep(given)))).toMatchObject({
        ...{ code: 'DURATION_INVALID', data: expect.objectContaining({ step }) },
      })
  })

  it('of an instant that is no text is no slip: its step is named by the instant, in no zone of a machine', async () => {
    const at = new Date('2026-01-05T09:00:00Z')
    const p = book(async (ctx) => (await (ctx as unknown as Loose).sleep({ until: at }), null))
    const store = memoryStore()
    const t = await testConductor({ playbooks: [p], store })
    expect(await (await t.start(p, {}, { id: 'r' })).result()).toBeNull()
    const look = store.session()
    await look.open({ worker: 'look', now: () => 0 })
    const entries = await look.entries('default', 'run:r:0', 0, 9)
    expect(entries.map(({ key }) => key)).toContain('sleep until 2026-01-05T09:00:00.000Z')
    await t.stop()
  })

  it('of a version shows it as it was written', () => {
    const input = z.object({})
    const define = () =>
      definePlaybook({ name: 'p', version: '1' as never, input, output: z.null(), run: async () => null })
    expect(define).toThrow('playbook p has version "1"')
  })
})

describe('a slip at the door', () => {
  it('tells another definition of the same version from one that is not registered', async () => {
    const known = book(async () => null)
    const t = await testConductor({ playbooks: [known] })
    await t.start(known, {})
    const start = t.keelson.start(
      book(async () => null),
      {},
      { id: 'other' },
    )
    await expect(start).rejects.toThrow('playbook p@1 is registered as another definition')
  })

  it('speaks of an event where an event was sent again', async () => {
    const paid = defineEvent({ name: 'paid', schema: z.object({ n: z.int() }) })
    const t = await testConductor({ playbooks: [] })
    await t.keelson.send(paid, { n: 1 }, { id: 'e' })
    const again = t.keelson.send(paid, { n: 2 }, { id: 'e' })
    await expect(again).rejects.toMatchObject({
      code: 'RUN_EXISTS',
      message: 'event paid was sent before as "e", with another payload',
    })
  })

  it('names the rule that names no actions, and the one that does not decide', () => {
    const decide = (() => policy.allow()) as never
    expect(() => policy.rule('x', decide, undefined as never)).toThrow('rule "x" does not say on which actions')
    expect(() => policy.rule('y', { on: send }, undefined as never)).toThrow('rule "y" has no function that decides')
  })

  it('tells names and actions from connectors', async () => {
    expect(() => fake('mail.send' as never)).toThrow('"mail.send" is no connector and no action')
    const given = testConductor({ playbooks: [], connectors: [send as never] })
    await expect(given).rejects.toThrow('"mail.send" is an action, and not a connector')
  })
})

describe('a slip in a test', () => {
  it('is a playbook defined inside of a test that is run again and again', async () => {
    const explored = exploreCrashes((t) =>
      t.start(
        book(async () => null),
        {},
      ),
    )
    await expect(explored).rejects.toMatchObject({
      message: 'the test starts two definitions of playbook p@1',
      hint: expect.stringContaining('Define it outside of the test'),
    })
  })
})

describe('a schedule that makes no sense', () => {
  const set = async (given: object): Promise<unknown> => {
    const job = book(async () => null)
    const t = await testConductor({ playbooks: [job] })
    await t.keelson.schedules.set('s', job, given as never)
    return t.keelson.schedules.next('s', 1)
  }

  it('says what is wrong in words of what it takes', async () => {
    const refused: [object, string, string][] = [
      [{ cron: '0 9 * * *' }, 'INPUT_INVALID', 'schedule "s" says no input'],
      [{ cron: '0 0 31 2 *', input: {} }, 'DEFINITION_INVALID', 'schedule "s": "0 0 31 2 *" never comes'],
      [{ cron: '61 9 * *', input: {} }, 'DEFINITION_INVALID', '"61 9 * *" is no cron expression: it has 4 fields'],
      [{ cron: '@noon', input: {} }, 'DEFINITION_INVALID', '"@noon" is no cron expression: it has no fields'],
      [{ cron: '1 2 3 4 5 6 7 8', input: {} }, 'DEFINITION_INVALID', 'is no cron expression: it has 8 fields'],
      [{ cron: '61 9 * * *', input: {} }, 'DEFINITION_INVALID', 'expression: Invalid value for minute: 61'],
      [
        { cron: '0 9 * * *', timezone: 'Europe/Berln', input: {} },
        'DEFINITION_INVALID',
        '"Europe/Berln" is no time zone',
      ],
    ]
    for (const [given, code, message] of refused)
      await expect(set(given)).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
    const said = await set({ cron: '1 2', input: {} }).catch((thrown: Error & { hint: string }) => thrown)
    expect(String((said as Error).message)).not.toMatch(/Cron(Pattern|Date)|exactly/)
  })

  it('takes seconds, years and nicknames, and what has been and does not come again', async () => {
    for (const [cron, next] of [
      ['30 0 9 * * 1', '2026-01-05T09:00:30.000Z'],
      ['0 0 9 1 1 * 2031', '2031-01-01T09:00:00.000Z'],
      ['@daily', '2026-01-06T00:00:00.000Z'],
      ['0 0 9 1 1 * 2020', undefined],
    ])
      expect(await set({ cron, input: {} })).toEqual(next === undefined ? [] : [next])
  })
})
