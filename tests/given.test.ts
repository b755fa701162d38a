/** Given: what a caller in plain JavaScript gets wrong is told with a code and a hint, by every verb, and nothing is done. */
import {
  action,
  createConductor,
  defineEvent,
  definePlaybook,
  KeelsonError,
  policy,
  type Workspace,
} from '@keelson/core'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { me, open, store } from './support/open.ts'

const pay = action({
  ...{ name: 'bank.pay', effect: 'reversible', idempotency: { by: 'key' } },
  ...{ input: z.object({ to: z.string(), cents: z.int() }), output: z.object({}) },
  run: () => ({ output: {} }),
})
const payment = definePlaybook({
  ...{ name: 'payment', version: 1, input: z.object({}), output: z.object({}), uses: [pay] },
  run: (ctx) => ctx.act(pay, { to: 'ada', cents: 1 }),
})
const gate = policy([policy.rule('ask', { on: pay }, () => policy.ask({ grantable: true }))])

type Verb = (...given: unknown[]) => unknown

/** All verbs, by their paths. */
function verbsOf(at: object, path = ''): [string, Verb][] {
  return Object.entries(at).flatMap(([name, value]: [string, unknown]): [string, Verb][] => {
    if (typeof value === 'function') return [[`${path}${name}`, value as Verb]]
    return typeof value === 'object' && value !== null ? verbsOf(value, `${path}${name}.`) : []
  })
}

/** What becomes of a call, to the end. */
async function called(verb: Verb, given: readonly unknown[]): Promise<unknown> {
  try {
    const answer = verb(...given)
    if (typeof answer !== 'object' || answer === null || !(Symbol.asyncIterator in answer)) return await answer
    for await (const one of answer as AsyncIterable<unknown>) return one
    return undefined
  } catch (thrown) {
    return { thrown }
  }
}

async function begun(): Promise<{ workspace: Workspace; item: string }> {
  const keelson = await open(store(), { playbooks: [payment], policy: gate })
  const workspace = keelson.workspace('acme')
  await workspace.start(payment, {}, { id: 'r' })
  await keelson.quiet()
  return { workspace, item: (await workspace.inbox.list()).items[0]!.id }
}

describe('a verb', () => {
  it('that takes an id says so where it is given the thing itself', async () => {
    const keelson = await open(store(), { playbooks: [payment], policy: gate })
    const run = await keelson.start(payment, {}, { id: 'r' })
    await keelson.quiet()
    const item = (await keelson.inbox.list()).items[0]!
    const { why, audit, shadow, revert, inbox } = keelson as unknown as Record<string, Record<string, Verb> & Verb>
    for (const [verb, given, id] of [
      [why!, run, 'r'],
      [audit!['story']!, run, 'r'],
      [shadow!['diff']!, run, 'r'],
      [revert!['plan']!, { run }, 'r'],
      [inbox!['get']!, item, item.id],
    ] as const)
      expect(await called(verb, [given])).toMatchObject({
        thrown: { code: 'INPUT_INVALID', hint: `Nothing was done. Pass its id: "${id}".` },
      })
  })

  it('answers, or throws an error with a code, whatever it is given', async () => {
    const { workspace, item } = await begun()
    const junk = [
      ...[[], ['r'], [item], [{}], [7, 7, 7], [[], {}], [[{}], {}], ['r', {}], [item, {}], ['x', null], [{}, {}]],
      ...[['r', 'y', {}], [pay], [pay, 'x'], [pay, 'approve', {}], [payment], [payment, {}], [payment, {}, {}]],
      ...[[null], [{ by: 'me' }], ['r', { by: 'me' }], [{ by: me }], ['r', { by: me }], [item, { by: me }]],
    ]
    const bare: string[] = []
    for (const [path, verb] of verbsOf(workspace)) {
      if (path === 'inbox.watch') continue // waits for what is to come
      for (const given of junk) {
        if (path.endsWith('export') && given[0] === null) continue
        const ended = await called(verb, given)
        const { thrown } = (ended ?? {}) as { thrown?: unknown }
        if (thrown === undefined || KeelsonError.is(thrown)) continue
        bare.push(`${path}(${JSON.stringify(given)}): ${thrown instanceof Error ? thrown.message : 'no error'}`)
      }
    }
    expect(bare).toEqual([])
  })

  it('that changes something names who does it, and says how', async () => {
    const { workspace: w } = await begun()
    const js = w as unknown as Record<string, Record<string, Verb>>
    const who = { code: 'INPUT_INVALID', hint: expect.stringContaining("{ by: { kind: 'person', id } }") as string }
    const ends = { until: '2999-01-01', where: {}, cap: { count: 1 } }
    for (const [group, verb, ...given] of [
      ['memory', 'remember', { kind: 'note', text: 'x' }, {}],
      ['memory', 'remember', { kind: 'note', text: 'x' }],
      ['inbox', 'opened', 'x'],
      ['runs', 'cancel', 'r', { reason: 'no' }],
      ['runs', 'retry', 'r', { by: { id: 'me' } }],
      ['grants', 'create', { action: pay, ...ends }],
      ['grants', 'revoke', 'g'],
      ['schedules', 'remove', 's', {}],
    ] as const) {
      const ended = (await called(js[group]![verb]!, given)) as { thrown: unknown }
      expect([group, verb, ended.thrown]).toEqual([group, verb, expect.objectContaining(who)])
    }
    const scoped = w.memory.scope('project/a') as unknown as Record<string, Verb>
    expect(await called(scoped['forget']!, ['x'])).toEqual({ thrown: expect.objectContaining(who) as unknown })
    expect((await w.runs.get('r').status()).state).toBe('waiting')
  })
})

describe('a verb without its options', () => {
  it('says which of them it lacks', async () => {
    const { workspace } = await begun()
    const js = workspace as unknown as Record<string, Verb> & Record<string, Record<string, Verb>>
    const paid = defineEvent({ name: 'paid', schema: z.object({}) })
    for (const [verb, given, hint] of [
      [js['start'], [payment, {}], /^It lacks id\. Name it after what it is about: \{ id: "order:42" \}/],
      [js['start'], [payment, {}, {}], /^Name it after what it is about: \{ id: "order:42" \}/],
      [js['send'], [paid, {}], /^It lacks id\. Name it/],
      [js['freeze'], [], /^It lacks by and reason\. Say who does it/],
      [js['thaw'], [], /^It lacks by\. Say who does it/],
      [js['inbox']!['decide'], ['i'], /^It lacks hash\. It is that of the item which was shown: inbox\.get\(id\)/],
      [js['inbox']!['decide'], ['i', { by: me, approve: true }], /^It is that of the item which was shown/],
      [js['holds']!['sendNow'], ['i', { by: me }], /^It is that of the item which was shown/],
      [js['inbox']!['snooze'], ['i'], /^It lacks until\. The type of the verb/],
      [js['runs']!['setOutcome'], ['r'], /^It lacks by and step\. Say who does it/],
    ] as const) {
      const { thrown } = (await called(verb!, given)) as { thrown: unknown }
      expect(thrown).toMatchObject({ code: 'INPUT_INVALID', hint: expect.stringMatching(hint) as string })
    }
  })
})

describe('a conductor', () => {
  it('says what it needs', async () => {
    const js = createConductor as unknown as (options?: object) => Promise<unknown>
    const memory = store().session()
    for (const [given, needs] of [
      [undefined, 'a store'],
      [{ store: 'app.db', playbooks: [] }, 'a store'],
      [{ store: memory }, 'a list of playbooks'],
      [{ store: memory, playbooks: payment }, 'a list of playbooks'],
      [{ store: memory, playbooks: [], connectors: {} }, 'connectors as a list'],
    ] as const) {
      const error = { code: 'DEFINITION_INVALID', message: `createConductor needs ${needs}` }
      await expect(js(given)).rejects.toMatchObject({ ...error, hint: expect.any(String) as string })
    }
    for (const [given, what, hint] of [
      [{ polcy: {} }, 'createConductor has no option "polcy"', 'Did you mean "policy"?'],
      [{ budget: [] }, 'createConductor has no option "budget"', 'Did you mean "budgets"?'],
      [{ models: {} }, 'an object is no port to models', 'models: aiModels(model), or aiModels({ fast, strong })'],
      [{ models: 'openai/gpt-5' }, '"openai/gpt-5" is no port to models', 'models: aiModels('],
      [{ retries: 3 }, 'createConductor has no option "retries"', 'It takes store, playbooks, '],
      [{ limits: { fanoutMax: 3 } }, 'limits of createConductor has no option "fanoutMax"', '"fanOutMax"?'],
    ] as const) {
      const error = { code: 'DEFINITION_INVALID', message: what, hint: expect.stringContaining(hint) as string }
      await expect(js({ store: memory, playbooks: [], ...given })).rejects.toMatchObject(error)
    }
    const keelson = await open(store(), { playbooks: [] })
    await expect(keelson.workspaces.create('new', {} as never)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })
})

describe('a grant', () => {
  const given = { action: pay, where: { to: 'ada' }, cap: { count: 1 }, until: '2999-01-01', by: me }
  const refused = (hint: RegExp) => ({ code: 'INPUT_INVALID', hint: expect.stringMatching(hint) as string })

  it('without a cap, or without saying what it covers, is refused', async () => {
    const { workspace } = await begun()
    const { cap: _cap, ...uncapped } = given
    await expect(workspace.grants.create(uncapped as never)).rejects.toMatchObject(refused(/cap: \{ count/))
    const { where: _where, ...anything } = given
    await expect(workspace.grants.create(anything as never)).rejects.toMatchObject(refused(/where: \{ to/))
    expect(await workspace.grants.list()).toEqual([])
  })

  it('of a field that no input has is refused, also when it is passed on', async () => {
    const { workspace } = await begun()
    const wrong = { ...given, where: { too: 'ada' } } as never
    await expect(workspace.grants.create(wrong)).rejects.toMatchObject({
      message: expect.stringContaining('the input of bank.pay has no field "too"') as string,
      hint: 'It has to, cents.',
    })
    const { id } = await workspace.grants.create(given)
    await expect(workspace.grants.attenuate(id, { where: { cent: 5 }, by: me })).rejects.toMatchObject({
      hint: 'It has to, cents.',
    })
    expect(await workspace.grants.list()).toHaveLength(1)
  })

  it('with a condition that no value can meet is refused, also when it is passed on, and what may stand there is named', async () => {
    const { workspace } = await begun()
    for (const [where, what, hint] of [
      [{ cents: { maximum: 5 } }, '"maximum: 5"', '{ max: 100 }, { min: 1, max: 100 }'],
      [{ cents: { max: '5' } }, '"max: "5""', '{ max: 100 }'],
      [{ cents: { max: { amount: 5, currency: 'EUR' } } }, '"max: {"amount":5,"currency":"EUR"}"', '{ max: 100 }'],
      [{ cents: {} }, 'it says nothing', '{ max: 100 }'],
      [{ to: { startsWith: 'a' } }, '"startsWith: "a""', '{ endsWith: "@example.org" }'],
    ] as const) {
      const error = { code: 'INPUT_INVALID', message: expect.stringContaining(what) as string }
      const told = { ...error, hint: expect.stringContaining(hint) as string }
      await expect(workspace.grants.create({ ...given, where } as never)).rejects.toMatchObject(told)
      const { id } = await workspace.grants.create({ ...given, where: {} })
      await expect(workspace.grants.attenuate(id, { where, by: me })).rejects.toMatchObject(told)
      await workspace.grants.revoke(id, { by: me })
    }
    const where = { cents: { max: 5, min: undefined }, to: { endsWith: 'a' } }
    expect(await workspace.grants.create({ ...given, where } as never)).toEqual({ id: expect.any(String) as string })
  })

  it('tells all its times as ISO text', async () => {
    const { workspace } = await begun()
    await workspace.grants.create({ ...given, where: {} })
    expect(await workspace.grants.list()).toMatchObject([{ until: '2999-01-01T00:00:00.000Z', uses: [] }])
  })

  it('of any field is taken where an input may have any, and of none but its own where it is strict', async () => {
    const { workspace } = await begun()
    const of = (name: string, input: z.ZodType): Promise<unknown> => {
      const doing = action({ name, effect: 'read', input, output: z.null(), run: () => ({ output: null }) })
      return workspace.grants.create({ ...given, action: doing, where: { too: 'ada' } })
    }
    await expect(of('bank.strict', z.strictObject({ to: z.string() }))).rejects.toMatchObject({ hint: 'It has to.' })
    for (const input of [z.looseObject({ to: z.string() }), z.record(z.string(), z.json()), z.json()])
      expect(await of('bank.loose', input)).toMatchObject({ id: expect.any(String) as string })
  })
})
