/** Codecs: callers pass, and rules judge, what is stored and hashed; the code of the action gets it decoded. */
import { action, defineConnector, definePlaybook, defineTrust, policy } from '@keelson/core'
import { fake, testConductor } from '@keelson/testing'
import { expect, it } from 'vitest'
import { z } from 'zod'

const when = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
})
const seen: Record<string, unknown> = {}
const see = <T>(who: string, input: T): T => {
  seen[who] ??= input
  return input
}
const book = action({
  name: 'room.book',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ at: when, seats: z.number().default(2) }),
  output: z.object({ at: when }),
  intent: ({ at }) => ['room', see('intent', at).getTime()],
  risk: ({ at }) => (see('risk', at) instanceof Date ? 'low' : 'high'),
  preview: ({ at }) => ({ kind: 'text', after: `at ${see('preview', at).toISOString()}` }),
  run: () => Promise.reject(new Error('a test reached the real world')),
})
const room = defineConnector({ name: 'room', actions: { book } })
const at = '2026-12-24T18:00:00.000Z'
const plan = definePlaybook({
  name: 'plan',
  version: 1,
  input: z.object({}),
  output: z.object({ input: z.json(), at: when }),
  async run(ctx) {
    const { input, output } = await ctx.effect(book, { at })
    return { input: see('effect', input) as z.core.util.JSONType, at: see('output', output).at.toISOString() }
  },
})
const rule = policy.rule(
  'evenings',
  {
    on: book,
    look: (input, look) => ({ same: look.count(book, { since: '1d', where: { at: see('look', input).at } }) }),
  },
  ({ input }) => (see('rule', input).at.endsWith('18:00:00.000Z') ? policy.ask({ grantable: true }) : policy.allow()),
)

it('rules, segments and callers have the input as it is stored; what the action does has it decoded', async () => {
  const t = await testConductor({
    playbooks: [plan],
    connectors: [fake(room, { 'room.book': (input: { at: Date }) => ({ at: see('run', input).at.toISOString() }) })],
    policy: policy([rule]),
    trust: [defineTrust(book, { start: 'approve', segment: (input) => see('segment', input).at.slice(0, 4) })],
  })
  const run = await t.start(plan, {})
  const [item] = (await t.inbox.list()).items
  await t.approve(book)
  expect((await run.result()).at).toEqual(new Date(at))
  const stored = { at, seats: 2 }
  expect(seen).toMatchObject({ rule: stored, look: stored, segment: stored, effect: stored })
  expect(item).toMatchObject({ kind: 'approval', input: stored, preview: { after: `at ${at}` } })
  const decoded = new Date(at)
  expect(seen).toMatchObject({ intent: decoded, risk: decoded, preview: decoded, run: { at: decoded, seats: 2 } })
  expect(seen['output']).toEqual({ at: decoded })
  expect(Object.isFrozen(seen['rule'])).toBe(true)
  expect((await t.keelson.policy.explain({ since: '1d', candidate: policy([rule]) })).changes).toEqual([])
  expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
  await t.stop()
})

it('a table of rules is judged as the gate judges', () => {
  const rows = [
    { action: book, input: { at }, found: { same: 0 }, expect: 'ask' },
    { action: book, input: { at: '2026-12-24T09:00:00.000Z' }, found: { same: 0 }, expect: 'allow' },
  ] as const
  expect(policy.test(policy([rule]), rows)).toEqual({ rows: 2 })
})

it.each([
  ['a coerced date', z.coerce.date(), at, new Date(at)],
  ['one within', z.object({ at: z.coerce.date().optional() }), { at }, { at: new Date(at) }],
  ['a text that becomes one', z.string().pipe(z.coerce.date()), at, new Date(at)],
  ['a coerced bigint', z.coerce.bigint(), '12', 12n],
] as const)('an answer is stored as it was given, and its code has %s', async (_, answer, given, wanted) => {
  let had: unknown
  const asks = definePlaybook({
    ...{ name: 'asks', version: 1, input: z.object({}), output: z.null() },
    run: async (ctx) => {
      had = await ctx.ask('When?', { answer: answer as z.ZodType })
      return null
    },
  })
  const t = await testConductor({ playbooks: [asks] })
  const run = await t.start(asks, {})
  const [item] = (await t.inbox.list()).items
  await t.inbox.decide(item!.id, { hash: item!.hash, by: { kind: 'person', id: 'me' }, answer: given as never })
  await t.settle()
  expect((await t.inbox.list()).items).toEqual([])
  expect(await run.result()).toBeNull()
  expect(had).toEqual(wanted)
})
