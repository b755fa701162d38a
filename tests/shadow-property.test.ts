/** No run in shadow, whatever it does and however it is cut short, touches a fake's world. */
import { action, defineConnector, defineEntity, defineEvent, definePlaybook, policy, type Context } from '@keelson/core'
import { exploreCrashes, fake, testConductor, type Harness } from '@keelson/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))
const base = { input: z.object({ n: z.int() }), output: z.object({ n: z.int() }), run: real }
const sim = { simulate: ({ n }: { n: number }) => ({ n }) }
const byKey = action({ name: 'shop.key', effect: 'irreversible', idempotency: { by: 'key' }, ...base, ...sim })
const byNone = action({ name: 'shop.none', effect: 'irreversible', idempotency: { by: 'none' }, ...base, ...sim })
const undo = action({ name: 'shop.undo', effect: 'reversible', ...base, compensate: real })
const byIntent = action({
  name: 'shop.intent',
  effect: 'irreversible',
  idempotency: { by: 'lookup' },
  intent: () => ['one'],
  ...base,
  ...sim,
  reconcile: real,
})
const look = action({ name: 'shop.look', effect: 'read', ...base })
const shop = defineConnector({ name: 'shop', actions: { key: byKey, none: byNone, undo, intent: byIntent, look } })
const writes = [byKey, byNone, undo, byIntent]

const Thing = defineEntity({ name: 'thing', version: 1, schema: z.object({ n: z.int() }), index: ['n'] })
const happened = defineEvent({ name: 'happened', schema: z.object({ n: z.int() }) })

type Line =
  | { do: 'act'; action: number; n: number; key: boolean }
  | { do: 'create' | 'update' | 'emit' | 'look' | 'sleep' | 'ask' | 'wait'; n: number }
  | { do: 'call'; lines: Line[] }
  | { do: 'all'; lines: Line[] }

const Lines = z.array(z.json())
const line = fc.letrec<{ line: Line }>((tie) => ({
  line: fc.oneof(
    { maxDepth: 2, depthSize: 'small' },
    fc.record({ do: fc.constant('act' as const), action: fc.nat(3), n: fc.nat(3), key: fc.boolean() }),
    fc.record({
      do: fc.constantFrom('create' as const, 'update', 'emit', 'look', 'sleep', 'ask', 'wait'),
      n: fc.nat(3),
    }),
    fc.record({ do: fc.constantFrom('call' as const, 'all'), lines: fc.array(tie('line'), { maxLength: 3 }) }),
  ),
})).line

const program = definePlaybook({
  name: 'program',
  version: 1,
  input: z.object({ lines: Lines }),
  output: z.number(),
  async run(ctx, { lines }) {
    let i = 0
    for (const one of lines as unknown as Line[]) await perform(ctx, one, `${i++}`)
    return i
  },
})

async function perform(ctx: Context, one: Line, name: string): Promise<void> {
  switch (one.do) {
    case 'act':
      await ctx.act(writes[one.action]!, { n: one.n }, one.key ? { key: name } : {})
      return
    case 'create':
      await ctx.entities(Thing).create({ n: one.n })
      return
    case 'update': {
      const found = await ctx.entities(Thing).find({ n: one.n })
      if (found !== undefined) await ctx.entities(Thing).update(found.id, { n: one.n + 1 })
      return
    }
    case 'emit':
      return ctx.emit(happened, { n: one.n })
    case 'look':
      await ctx.act(look, { n: one.n })
      return
    case 'sleep':
      return ctx.sleep('1h')
    case 'ask':
      await ctx.ask('how many?', { answer: z.number(), timeout: '1d' }).catch(() => 0)
      return
    case 'wait':
      await ctx.waitFor(happened, { timeout: '1d' })
      return
    case 'call':
      await ctx.call(program, { lines: one.lines })
      return
    case 'all':
      await ctx.all(
        one.lines.map((each, at) => ({ each, at })),
        (each) => `${each.at}`,
        (own, { each }) => perform(own, each, 'x'),
      )
      return
    default:
      return one satisfies never
  }
}

const gates = {
  allow: policy([policy.rule('free', { on: writes }, () => policy.allow())]),
  ask: policy([policy.rule('ask', { on: writes }, () => policy.ask({ grantable: true }))]),
  hold: policy([policy.rule('hold', { on: writes }, () => [policy.hold('1h'), policy.ask()])]),
  deny: policy([
    policy.rule('deny', { on: byNone }, () => policy.deny('no')),
    policy.rule('free', { on: writes }, () => policy.allow()),
  ]),
}

function conductor(gate: keyof typeof gates): Promise<Harness> {
  return testConductor({
    playbooks: [program],
    connectors: [fake(shop, { 'shop.look': () => ({ n: 0 }) })],
    policy: gates[gate],
  })
}

describe('a run in shadow', () => {
  it("never touches a fake's world, nor what other runs read", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { minLength: 1, maxLength: 6 }),
        fc.constantFrom<keyof typeof gates>('allow', 'ask', 'hold', 'deny'),
        async (lines, gate) => {
          const t = await conductor(gate)
          const thing = await t.keelson.entities(Thing).create({ n: 1 })
          await t.start(program, { lines: lines }, { shadow: true })
          await t.advance('9d')
          for (const one of writes) expect(t.world(one)).toEqual([])
          expect(await t.keelson.entities(Thing).get(thing.id)).toMatchObject({ version: 1, data: { n: 1 } })
          for (const n of [0, 2, 3, 4]) expect(await t.keelson.entities(Thing).find({ n })).toBeUndefined()
          const { items } = await t.inbox.list()
          expect(items.flatMap((item) => item.allows)).not.toContain('approve')
          expect((await t.keelson.audit.verify()).faults).toEqual([])
          await t.stop()
        },
      ),
      { numRuns: 60 },
    )
  })

  it('ends the same however it is cut short, and touches nothing then either', async () => {
    const lines: Line[] = [
      { do: 'create', n: 1 },
      { do: 'act', action: 0, n: 1, key: false },
      { do: 'update', n: 1 },
      { do: 'emit', n: 2 },
      {
        do: 'call',
        lines: [
          { do: 'act', action: 3, n: 2, key: false },
          { do: 'wait', n: 0 },
        ],
      },
      { do: 'act', action: 3, n: 2, key: false },
      {
        do: 'all',
        lines: [
          { do: 'act', action: 2, n: 1, key: false },
          { do: 'create', n: 2 },
        ],
      },
    ]
    const explored = await exploreCrashes(
      async (t) => {
        const run = await t.start(program, { lines: lines }, { shadow: true })
        const done = await run.result()
        const diff = await t.host((keelson) => keelson.shadow.diff(run.id))
        return [
          done,
          diff.pairs.map(({ action: name, would }) => [name, would]),
          diff.entities.map(({ would }) => would),
        ]
      },
      {
        harness: () => ({ playbooks: [program], connectors: [fake(shop)], policy: gates.ask }),
        invariant: (t) => writes.forEach((one) => expect(t.world(one)).toEqual([])),
      },
    )
    expect(explored.schedules).toBeGreaterThan(30)
  })
})
