/** What an error says of a slip in the code is true, and names what was slipped on. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, defineEntity, defineEvent, definePlaybook, policy, type Context } from '@keelson/core'
import { fake, testConductor } from '@keelson/testing'

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
