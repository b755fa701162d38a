/** Metrics against the journal: whatever happened, a report says what anybody can count in the entries, rolled up or not. */
import { action, defineEntity, definePlaybook, policy, type MetricsReport } from '@keelson/core'
import type { Entry } from '@keelson/core/ports'
import { memoryStore, testConductor, type Harness, type MemoryStoreSession } from '@keelson/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const
const FIELDS = ['name', 'tone', 'score'] as const
type Field = (typeof FIELDS)[number]
const Lead = defineEntity({
  name: 'lead',
  version: 1,
  schema: z.object({ name: z.int(), tone: z.int().optional(), score: z.int().optional() }),
})
const send = action({
  name: 'email.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ nth: z.int() }),
  output: z.null(),
  run: async () => ({ output: null }),
})
const write = definePlaybook({
  name: 'write',
  version: 1,
  input: z.object({ nth: z.int() }),
  output: z.null(),
  run: (ctx, { nth }) => ctx.act(send, { nth }),
})
/** Two playbooks that write records. */
const fill = (name: string) =>
  definePlaybook({
    name,
    version: 1,
    input: z.object({ lead: z.string(), field: z.enum(['tone', 'score']), value: z.int() }),
    output: z.int(),
    run: async (ctx, { lead, field, value }) => (await ctx.entities(Lead).update(lead, { [field]: value })).version,
  })
const fills = { first: fill('first'), second: fill('second') }

type Doing =
  | { readonly do: 'approve'; readonly afterSeconds: number }
  | { readonly do: 'fill'; readonly who: 'first' | 'second'; readonly field: 'tone' | 'score' }
  | { readonly do: 'correct'; readonly fields: readonly Field[] }
  | { readonly do: 'sleep' }

const doing: fc.Arbitrary<Doing> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('approve' as const), afterSeconds: fc.integer({ min: 1, max: 900 }) }),
  },
  fc.record({
    do: fc.constant('fill' as const),
    who: fc.constantFrom('first' as const, 'second' as const),
    field: fc.constantFrom('tone' as const, 'score' as const),
  }),
  fc.record({
    do: fc.constant('correct' as const),
    fields: fc.uniqueArray(fc.constantFrom(...FIELDS), { minLength: 1 }),
  }),
  fc.record({ do: fc.constant('sleep' as const) }),
)

async function done(t: Harness, all: readonly Doing[]): Promise<void> {
  const { id } = await t.host(({ entities }) => entities(Lead, { by }).create({ name: 0 }))
  for (const [nth, one] of all.entries()) {
    if (one.do === 'sleep') await t.advance('1d')
    else if (one.do === 'fill') await t.start(fills[one.who], { lead: id, field: one.field, value: nth + 1 })
    else if (one.do === 'correct') {
      const patch = Object.fromEntries(one.fields.map((field) => [field, nth + 1]))
      await t.host(({ entities }) => entities(Lead, { by }).update(id, patch))
    } else {
      await t.start(write, { nth })
      const [item] = (await t.inbox.list()).items
      await t.host(({ inbox }) => inbox.opened(item!.id, { by }))
      await t.advance(`${one.afterSeconds}s`)
      await t.host(({ inbox }) => inbox.decide(item!.id, { hash: item!.hash, by, approve: true }))
    }
  }
}

interface Payload {
  readonly playbook?: string
  readonly item?: string
  readonly puts?: readonly { readonly kind: string; readonly id: string; readonly data: Data }[]
}
interface Data {
  readonly onBehalfOf?: string
  readonly run?: string
  readonly version?: number
  readonly changed?: object
}

const UNTIMED_MS = 15_000
const LONGEST_MS = 600_000

/** One entry after the other, by the definitions of the guide. */
function counted(entries: readonly Entry[]) {
  const [playbooks, active, asked, seen, writers] = Array.from({ length: 5 }, () => new Map<string, any>())
  const corrections: Record<string, number> = {}
  let activeMs = 0
  const ended = new Set<string>()
  for (const { stream, kind, at, payload } of entries) {
    const { playbook, item = '', puts = [] } = JSON.parse(payload!) as Payload
    const run = stream.slice(stream.indexOf(':') + 1, stream.lastIndexOf(':'))
    if (kind === 'run.started') playbooks!.set(run, playbook)
    if (kind === 'run.settled' && playbooks!.get(run)?.startsWith('keelson.') !== true) ended.add(run)
    for (const put of puts) if (put.kind === 'inbox' && kind === 'ask.opened') asked!.set(put.id, put.data.onBehalfOf)
    if (kind === 'item.seen') seen!.set(item, at)
    if (kind === 'item.decided') {
      const ms = Math.min(at - seen!.get(item), LONGEST_MS)
      activeMs += ms
      active!.set(asked!.get(item), ms)
    }
    for (const { data } of puts.filter((put) => put.kind === 'timeline')) {
      const fields = Object.keys(data.changed ?? {})
      if (data.run !== undefined) for (const field of fields) writers!.set(field, playbooks!.get(data.run))
      else if (data.version! > 1) {
        const wronged = new Set<string>(fields.map((field) => writers!.get(field) ?? ''))
        for (const name of wronged) corrections[name] = (corrections[name] ?? 0) + 1
        activeMs += wronged.size * Math.round(UNTIMED_MS / wronged.size)
      }
    }
  }
  const times = [...ended].map((run): number => active!.get(run) ?? 0).sort((a, b) => a - b)
  const median = times.length === 0 ? 0 : (times[(times.length - 1) >> 1]! + times[times.length >> 1]!) / 2
  return { outcomes: ended.size, touchless: times.filter((ms) => ms === 0).length, activeMs, median, corrections }
}

async function journal(data: MemoryStoreSession): Promise<readonly Entry[]> {
  const store = data.session()
  await store.open({ worker: 'counts', now: () => 0 })
  const entries = await store.tail('default', 0, 100_000)
  await store.close()
  return entries
}

function assertSame({ total, groups }: MetricsReport, naive: ReturnType<typeof counted>): void {
  expect(total.outcomes).toBe(naive.outcomes)
  expect(total.interventions.activeMinutes).toBeCloseTo(naive.activeMs / 60_000, 1)
  expect(total.interventions.touchless).toBeCloseTo(naive.outcomes === 0 ? 0 : naive.touchless / naive.outcomes, 3)
  const ms = total.minutesPerOutcome * 60_000
  expect(Math.abs(ms - naive.median)).toBeLessThanOrEqual(naive.median / 128 + 300) // and two digits of a minute
  const each = groups.map(({ key, interventions }) => [key, interventions.byKind.correction] as const)
  expect(Object.fromEntries(each.filter(([, often]) => often > 0))).toEqual(naive.corrections)
}

describe('a report', () => {
  it('says what anybody can count in the journal, and the same once its days are over', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(doing, { maxLength: 14 }), async (all) => {
        const store = memoryStore()
        const t = await testConductor({
          ...{ store, playbooks: [write, fills.first, fills.second], actions: [send], now: '2026-01-01T08:00:00Z' },
          policy: policy([policy.rule('asks', { on: send }, () => policy.ask())]),
        })
        await done(t, all)
        const span = { from: '2026-01-01', to: '2026-01-20' }
        const naive = counted(await journal(store))
        const live = await t.keelson.metrics.report(span)
        assertSame(live, naive)
        await t.advance('2d')
        await t.keelson.metrics.report(span)
        expect((await t.keelson.metrics.report(span)).total).toEqual(live.total)
        await t.stop()
      }),
      { numRuns: 25 },
    )
  })
})
