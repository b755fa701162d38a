/** Unknown, to definitions: what says something that there is not is refused where it is defined, and not at its first use. */
import * as keelson from '@keelson/core'
import { definePlaybook, type KeelsonError } from '@keelson/core'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { LIMITS } from '../packages/core/src/options.ts'
import { open, store } from './support/open.ts'

/** As plain JavaScript has them. */
const js = keelson as unknown as Record<string, (...given: unknown[]) => unknown>
const ask = keelson.policy.ask as unknown as (options?: unknown) => unknown
const rule = keelson.policy.rule as unknown as (...given: unknown[]) => unknown

const fact = { name: 'bank.pay', effect: 'reversible', input: z.object({}), output: z.object({}) }
const run = (): object => ({ output: {} })
const pay = keelson.action({ ...fact, idempotency: { by: 'key' }, run } as never)
const play = { name: 'p', version: 1, input: z.object({}), output: z.null(), run: async () => null }
const agent = { name: 'a', version: 1, input: z.object({}), output: z.object({}), instructions: 'Sort.' }
const flow = keelson.lifecycle({ states: ['open', 'paid'], transitions: { pay: { from: 'open', to: 'paid' } } })
const entity = { name: 'bill', version: 1, schema: z.object({ email: z.string(), status: z.enum(['open', 'done']) }) }
const clerk = { name: 'clerk', may: ['bank.*'] }
const budget = { name: 'b', limit: { calls: 1 } }
const event = { name: 'e', schema: z.object({}) }

const CASES: readonly (readonly [what: string, define: () => unknown, says: string, hint: string])[] = [
  ['an effect', () => js['action']!({ ...fact, run, effect: 'reversable' }), '"effect" of', '"reversible"'],
  ['no effect', () => js['action']!({ ...fact, run, effect: undefined }), '"effect" of', 'read, reversible'],
  [
    'an action',
    () => js['action']!({ ...fact, run, timout: '1s' }),
    'action "bank.pay" has no option "timout"',
    '"timeout"',
  ],
  ['idempotency', () => js['action']!({ ...fact, run, idempotency: 'key' }), '"idempotency" of', 'by'],
  ['its kind', () => js['action']!({ ...fact, run, idempotency: { by: 'keys' } }), '"idempotency" of', '"key"'],
  ['no run', () => js['action']!(fact), 'has no run', 'run: async'],
  ['a function', () => js['action']!({ ...fact, run, preview: 'x' }), '"preview" of', 'preview: ('],
  ['a risk', () => js['action']!({ ...fact, run, risk: 'hihg' }), '"risk" of', '"high"'],
  ['an undo', () => js['action']!({ ...fact, run, undo: z.string() }), 'no compensate()', 'compensate()'],
  ['no action', () => js['action']!(), 'undefined in place of an object', 'name, title'],
  ['a connector', () => js['defineConnector']!({ name: 'bank', action: { pay } }), 'no option "action"', '"actions"'],
  [
    'its actions',
    () => js['defineConnector']!({ name: 'bank', actions: { pay: undefined } }),
    'undefined is not an action',
    'import cycle',
  ],
  [
    'a playbook',
    () => js['definePlaybook']!({ ...play, serialise: () => 'x' }),
    'no option "serialise"',
    '"serialize"',
  ],
  ['a lane', () => js['definePlaybook']!({ ...play, while: 'runing' }), '"while" of playbook', '"running"'],
  ['no code', () => js['definePlaybook']!({ ...play, run: undefined }), 'has no run', 'run: async'],
  ['uses', () => js['definePlaybook']!({ ...play, uses: [undefined] }), 'undefined is not anything', 'import cycle'],
  [
    'a name used',
    () => js['definePlaybook']!({ ...play, uses: ['bank.pay'] }),
    '"bank.pay" is not anything',
    'action()',
  ],
  [
    'a persona',
    () => js['definePlaybook']!({ ...play, persona: 'clerk' }),
    '"clerk" is not a persona',
    'definePersona()',
  ],
  ['changes', () => js['definePlaybook']!({ ...play, changes: { rename: {} } }), 'no option "rename"', '"renamed"'],
  [
    'a spending',
    () => js['definePlaybook']!({ ...play, budget: { token: 1, calls: 1 } }),
    'no option "token"',
    '"tokens"',
  ],
  [
    'an agent',
    () => js['defineAgent']!({ ...agent, instructions: undefined }),
    'has no instructions',
    'instructions: ',
  ],
  ['its name', () => js['defineAgent']!({ ...agent, models: 'x' }), 'no option "models"', '"model"'],
  ['limits', () => js['definePersona']!({ ...clerk, limit: { calls: 1 } }), 'no option "limit"', '"limits"'],
  [
    'an import',
    () => js['definePersona']!({ ...clerk, may: [undefined] }),
    'undefined is not an action',
    'import cycle',
  ],
  [
    'hours',
    () => js['definePersona']!({ ...clerk, hours: { from: '09:00', till: '17:00' } }),
    'no option "till"',
    'days, from, to',
  ],
  ['a period', () => js['defineBudget']!({ ...budget, per: 'week' }), '"per" of budget "b" is "week"', 'run, playbook'],
  ['a budget', () => js['defineBudget']!({ ...budget, limits: {} }), 'no option "limits"', '"limit"'],
  ['trust', () => js['defineTrust']!(pay, { ceilng: 'approve' }), 'no option "ceilng"', '"ceiling"'],
  [
    'an index',
    () => js['defineEntity']!({ ...entity, index: ['emial'] }),
    '"index" of entity "bill" names "emial"',
    '"email"',
  ],
  [
    'private',
    () => js['defineEntity']!({ ...entity, private: ['x'] }),
    '"private" of entity "bill" names "x"',
    'email, status',
  ],
  [
    'a state',
    () => js['defineEntity']!({ ...entity, lifecycle: { status: flow } }),
    'has the state "paid"',
    'open, done',
  ],
  ['an entity', () => js['defineEntity']!({ ...entity, indexes: [] }), 'no option "indexes"', 'name, version'],
  ['an owner', () => js['defineEntity']!({ ...entity, owner: 'operators' }), '"owner" of entity', '"operator"'],
  [
    'a transition',
    () => js['lifecycle']!({ states: ['a'], transitions: { x: { form: 'a', to: 'a' } } }),
    'no option "form"',
    '"from"',
  ],
  ['an event', () => js['defineEvent']!({ ...event, shema: 1 }), 'no option "shema"', '"schema"'],
  ['a rule', () => rule('r', { on: pay, labls: [] }, () => ask()), 'rule "r" has no option "labls"', '"labels"'],
  ['rules', () => js['policy']!([undefined]), 'undefined is not a rule', 'policy.rule()'],
  ['one rule', () => js['policy']!(rule('r', { on: pay }, () => ask())), 'is not a list of rules', 'policy.rule()'],
  ['silence', () => ask({ onSilence: 'approve' }), 'onSilence of policy.ask is "approve"', 'wait, remind'],
  ['an ask', () => ask({ grantble: true }), 'policy.ask has no option "grantble"', '"grantable"'],
  ['a rung', () => ask({ escalate: [{ after: '1h', too: 'ada' }] }), 'no option "too"', 'after, to, via'],
]

/** What is no number of things, and would be none of them, or have no end. */
const NO_COUNTS = [Number.NaN, 0, -1, 1.5, '2', null]

describe('a number', () => {
  it.each(NO_COUNTS)('of tries of an action that is %j is refused', (attempts) => {
    const define = (): unknown => js['action']!({ ...fact, run, attempts })
    expect(define).toThrow(
      expect.objectContaining({
        code: 'DEFINITION_INVALID',
        hint: expect.stringContaining('from 1') as string,
      }) as Error,
    )
  })

  it.each(NO_COUNTS)('of passes at once of a playbook that is %j is refused', (atOnce) => {
    expect(() => js['definePlaybook']!({ ...play, atOnce })).toThrow(
      expect.objectContaining({
        code: 'DEFINITION_INVALID',
        hint: expect.stringContaining('from 1') as string,
      }) as Error,
    )
  })

  it.each([Number.NaN, -1, Infinity, '5s', null])('of milliseconds of an action that is %j is refused', (ms) => {
    const code = expect.objectContaining({
      code: 'DEFINITION_INVALID',
      hint: expect.stringContaining('milliseconds') as string,
    }) as Error
    expect(() => js['action']!({ ...fact, run, settleWindowMs: ms })).toThrow(code)
    if (ms !== Infinity)
      expect(() => js['action']!({ ...fact, run, idempotency: { by: 'key', forMs: ms } })).toThrow(code)
  })

  it('of milliseconds for which a key is honoured may be without end', () => {
    const idempotency = { by: 'key', forMs: Infinity }
    expect(js['action']!({ ...fact, run, idempotency })).toMatchObject({ name: fact.name })
  })

  it.each(NO_COUNTS)('of passes at once in a process that is %j is refused', async (concurrency) => {
    const opened = open(store(), { playbooks: [], concurrency: concurrency as number })
    await expect(opened).rejects.toMatchObject({
      code: 'DEFINITION_INVALID',
      message: expect.stringContaining('"concurrency" of createConductor') as string,
      hint: expect.stringContaining('work: false') as string,
    })
  })

  it.each(Object.keys(LIMITS))('that bounds what runs may do, %s, is one', async (name) => {
    for (const wrong of [Number.NaN, -1, '5', null]) {
      const opened = open(store(), { playbooks: [], limits: { [name]: wrong } })
      await expect(opened).rejects.toMatchObject({
        code: 'DEFINITION_INVALID',
        message: expect.stringContaining(`"${name}" of limits`) as string,
      })
    }
  })
})

describe('a definition', () => {
  it.each(CASES)('of %s that there is not is refused', (_, define, says, hint) => {
    const text = (part: string): unknown => expect.stringContaining(part)
    let thrown: unknown
    try {
      define()
    } catch (error) {
      thrown = error
    }
    const { code, message, hint: told } = thrown as KeelsonError
    const wanted = says.includes('not an action') && hint === 'import cycle' ? expect.any(String) : 'DEFINITION_INVALID'
    expect([code, message, told]).toEqual([wanted, text(says), text(hint)])
  })
})

describe('a conductor', () => {
  const given = { playbooks: [] }
  const bill = (): unknown => keelson.defineEntity(entity)
  const playbook = definePlaybook(play as never)

  it.each([
    ['a list of rules', { policy: [rule('r', { on: pay }, () => ask())] }, 'a list is not a policy', 'policy('],
    ['a name', { personas: ['clerk'] }, '"clerk" is not a persona', 'definePersona()'],
    ['a likeness', { budgets: [budget] }, 'an object named "b" is not a budget', 'defineBudget()'],
    ['a trusted action', { trust: [pay] }, 'is not a rule of trust', 'defineTrust()'],
    ['no event', { events: [undefined] }, 'undefined is not an event', 'import cycle'],
    ['no connector', { connectors: [undefined] }, 'undefined is not a connector', 'import cycle'],
    ['two of a name', { entities: [bill(), bill()] }, 'two entity types are both bill@1', 'another name'],
    ['an anchor', { anchors: { signer: {}, sinks: 1 } }, 'no option "sinks"', '"sink"'],
    ['settings', { settings: { version: 1, shema: 1 } }, 'no option "shema"', '"schema"'],
  ] as const)('refuses %s in place of what a definer makes', async (_, options, says, hint) => {
    const text = (part: string): string => expect.stringContaining(part) as string
    const error = { code: 'DEFINITION_INVALID', message: text(says), hint: text(hint) }
    await expect(open(store(), { ...given, ...options } as never)).rejects.toMatchObject(error)
  })

  it('takes policy of an engine, and one entity type twice', async () => {
    const type = bill() as never
    const policy = { version: '1', judge: () => Promise.reject(new Error('never')) }
    await open(store(), { playbooks: [playbook], entities: [type, type], policy })
  })
})
