/** Not awaited: no verb of ctx that fails ends the process when nobody awaits it, and the run that lost it says so. */
import { action, defineEntity, defineEvent, definePlaybook, policy, type Context } from '@keelson/core'
import { fake, testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.null(),
  run: async () => ({ output: null }),
})
const Client = defineEntity({
  name: 'client',
  version: 1,
  schema: z.object({ name: z.string() }),
  key: ({ name }) => name,
})
const came = defineEvent({ name: 'came', schema: z.object({ who: z.string() }) })
const child = definePlaybook({
  ...{ name: 'child', version: 1, input: z.object({ n: z.number() }), output: z.null() },
  run: async () => null,
})
const shape = { tone: z.string() }
const no = undefined as never
const wrong = { bogus: 1 } as never
const boom = (): never => {
  throw new Error('boom')
}

type Call = (ctx: Context) => unknown
/** The second of two that nothing tells apart. */
const twice = (call: Call): Call => {
  return (ctx) => [call(ctx), call(ctx)]
}
const stored = (call: (of: ReturnType<Context['entities']>) => unknown): Call => {
  return (ctx) => call(ctx.entities(Client))
}
const of = (prefix: string, calls: Record<string, Call>): Record<string, Call> =>
  Object.fromEntries(Object.entries(calls).map(([name, call]) => [`${prefix}.${name}`, call]))

const reads = (memory: (ctx: Context) => Context['memory']): Record<string, Call> => ({
  recall: (ctx) => memory(ctx).recall(wrong),
  facts: (ctx) => memory(ctx).facts({ kinds: ['none'] as never, asOf: { valid: 'never' } }),
  history: (ctx) => memory(ctx).history({ from: 'never' }),
  get: (ctx) => memory(ctx).get('nothing'),
  context: (ctx) => memory(ctx).context(wrong),
  remember: (ctx) => memory(ctx).remember(wrong),
  append: (ctx) => memory(ctx).append(wrong),
  propose: (ctx) => memory(ctx).propose([{ op: 'nonsense' }] as never, { reason: 'why' }),
})

/** A call of each verb that fails. */
const FAILING: Record<string, Call> = {
  step: (ctx) => ctx.step('fails', boom, { retry: { attempts: 1 } }),
  act: (ctx) => ctx.act(send, wrong),
  effect: (ctx) => ctx.effect(send, wrong),
  delegate: (ctx) => ctx.delegate(no, wrong),
  call: (ctx) => ctx.call(child, wrong),
  all: (ctx) =>
    ctx.all(
      ['a', 'a'],
      (one) => one,
      async () => 1,
    ),
  ask: (ctx) => ctx.ask('which?', wrong),
  approve: (ctx) => ctx.approve('may it?', wrong),
  propose: (ctx) => ctx.propose('plan', [wrong]),
  sleep: (ctx) => ctx.sleep('nope' as never),
  waitFor: (ctx) => ctx.waitFor(came, wrong),
  emit: (ctx) => ctx.emit(came, wrong),
  checkpoint: (ctx) => ctx.checkpoint('a#b'),
  continueAsNew: (ctx) => ctx.continueAsNew(wrong),
  taxonomy: twice((ctx) => ctx.taxonomy()),
  ...of('artifacts', {
    put: (ctx) => ctx.artifacts.put(no),
    get: (ctx) => ctx.artifacts.get('0'.repeat(64)),
    text: (ctx) => ctx.artifacts.text('0'.repeat(64)),
    diff: (ctx) => ctx.artifacts.diff('0'.repeat(64), '1'.repeat(64)),
  }),
  ...of('templates', {
    get: (ctx) => ctx.templates.get('nothing'),
    fill: (ctx) => ctx.templates.fill('nothing', {}),
  }),
  ...of('entities()', {
    get: twice(stored((clients) => clients.get('ann'))),
    find: twice(stored((clients) => clients.find({}))),
    list: stored((clients) => clients.list(wrong)),
    byKey: twice(stored((clients) => clients.byKey('ann'))),
    byRef: twice(stored((clients) => clients.byRef('crm', '1'))),
    byAlias: twice(stored((clients) => clients.byAlias('ann'))),
    asOf: stored((clients) => clients.asOf('ann', wrong)),
    history: stored((clients) => clients.history('ann', wrong)),
    why: twice(stored((clients) => clients.why('ann', 'name' as never))),
    timeline: stored((clients) => clients.timeline('ann', wrong)),
    create: stored((clients) => clients.create(wrong)),
    upsert: stored((clients) => clients.upsert(wrong)),
    update: stored((clients) => clients.update('nobody', { name: 'bob' })),
    archive: stored((clients) => clients.archive('nobody')),
    restore: stored((clients) => clients.restore('nobody')),
    merge: stored((clients) => clients.merge('nobody', 'none')),
    identify: stored((clients) => clients.identify('nobody', { aliases: ['bob'] })),
    note: stored((clients) => clients.note('nobody', { what: 'called' })),
    drift: stored((clients) => clients.drift('nobody', { system: 'crm', theirs: { name: 'bob' } })),
  }),
  ...of(
    'memory',
    reads((ctx) => ctx.memory),
  ),
  ...of(
    'memory.scope()',
    reads((ctx) => ctx.memory.scope('client/ann')),
  ),
  ...of('memory.working()', {
    set: (ctx) => ctx.memory.working(shape).set('tone', 5 as never),
    promote: (ctx) => ctx.memory.working(shape).promote('tone'),
  }),
}

/** What answers no promise, or hands out verbs. */
const AT_ONCE: readonly string[] = [
  ...['intend', 'now', 'random', 'id', 'log.info', 'log.warn', 'log.error', 'entities', 'memory.working'],
  ...['memory.scope', 'memory.scope().working', 'memory.scope().scope', 'memory.working().get'],
]

function verbsOf(verbs: object, path: string): string[] {
  return Object.entries(verbs).flatMap(([name, one]: [string, unknown]) => {
    if (typeof one === 'function') return [`${path}${name}`]
    return typeof one === 'object' && one !== null ? verbsOf(one, `${path}${name}.`) : []
  })
}

const careless = definePlaybook({
  ...{ name: 'careless', version: 1, input: z.object({ verb: z.string(), first: z.boolean() }), output: z.string() },
  uses: [send],
  run: async (ctx, { verb, first }) => {
    if (!first) await ctx.step('before', () => 1)
    FAILING[verb]!(ctx)
    if (first) await ctx.step('behind', () => 1)
    return 'done'
  },
})
const walking = definePlaybook({
  ...{ name: 'walking', version: 1, input: z.object({}), output: z.array(z.string()) },
  run: async (ctx) => [
    ...verbsOf(ctx, ''),
    ...verbsOf(ctx.entities(Client), 'entities().'),
    ...verbsOf(ctx.memory.scope('client/ann'), 'memory.scope().'),
    ...verbsOf(ctx.memory.working(shape), 'memory.working().'),
  ],
})
const harness = {
  playbooks: [careless, walking, child],
  connectors: [fake(send)],
  policy: policy([policy.rule('free', { on: send }, () => policy.allow())]),
}

describe('a verb of ctx that fails and that nobody awaits', () => {
  it('is one of these, and there are no others', async () => {
    const t = await testConductor(harness)
    const verbs = await (await t.start(walking, {})).result()
    expect(verbs.toSorted()).toEqual([...Object.keys(FAILING), ...AT_ONCE].toSorted())
    await t.stop()
  })

  it.each(Object.keys(FAILING))('fails the test of its run, and nothing else: %s', async (verb) => {
    for (const first of [true, false]) {
      const t = await testConductor(harness)
      const dropped = {
        code: 'STEP_NOT_AWAITED',
        message: expect.stringMatching(/" (failed, and nobody|was )/) as string,
      }
      await expect(t.start(careless, { verb, first })).rejects.toMatchObject(dropped)
      await t.stop()
    }
  })
})
