/** Budgets of agents: whatever is asked at once, and however it is cut, is within the limit as it is begun. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineAgent, defineBudget, definePlaybook } from '@keelson/core'
import type { MemoryStore, PassUnit } from '@keelson/core/ports'
import { memoryStore, testConductor, type Harness } from '@keelson/testing'

const UNITS = ['money', 'tokens', 'calls'] as const
type Amounts = { readonly [U in (typeof UNITS)[number]]: number }

const writer = defineAgent({
  name: 'writer',
  version: 1,
  instructions: 'Write.',
  input: z.object({ run: z.int(), branch: z.int() }),
  output: z.object({ text: z.string() }),
  model: 'fast',
  maxOutputTokens: 60,
})
const CHILD = 99
/** Asks in several branches at once, and once more in a child. */
const inner = definePlaybook({
  name: 'inner',
  version: 1,
  input: z.object({ run: z.int() }),
  output: z.null(),
  run: async (ctx, { run }) => (await ctx.delegate(writer, { run, branch: CHILD }).catch(() => null), null),
})
const outer = definePlaybook({
  name: 'outer',
  version: 1,
  input: z.object({ run: z.int(), branches: z.int(), child: z.boolean() }),
  output: z.null(),
  async run(ctx, { run, branches, child }) {
    const items = Array.from({ length: branches }, (_, i) => i)
    await ctx.all(items, String, async (ctx, branch) => {
      await ctx.delegate(writer, { run, branch }).catch(() => null)
      await ctx.delegate(writer, { run, branch }, { because: [] }).catch(() => null)
    })
    if (child) await ctx.call(inner, { run })
    return null
  },
})
/** A token is a cent. */
const prices = { models: { fast: { input: 1e6, output: 1e6, currency: 'EUR' } } }

/** What becomes of one question to the model. */
interface Answer {
  readonly how: 'fits' | 'misfits' | 'refused' | 'fails' | 'dies'
  /** What it uses, which may be more than anybody thought. */
  readonly tokens: number
}

/** A question that was begun: what was reserved for it, and what it came to as far as anybody can know. */
interface Begun {
  readonly place: string
  readonly reserved: Amounts
  billed: number
  /** Undefined: it is under way, or was cut off. */
  came: Amounts | undefined
}

/** The books of the test, kept by what is committed, in the order in which it is. */
function books(limit: Amounts) {
  const all: Begun[] = []
  const open = (place: string): Begun | undefined =>
    all.findLast((one) => one.place === place && one.came === undefined)
  let inFlight: readonly Begun[] = []
  const broken: string[] = []
  return {
    all,
    open,
    /** Those that were under way, or cut off, when the last of them was begun. */
    inFlight: () => inFlight,
    /** Where a limit was passed by what was begun. What is thrown here would count as a failure of the store. */
    broken,
    committed(unit: PassUnit) {
      for (const { stream, key, kind, payload } of unit.entries ?? []) {
        const place = `${stream} ${key}`
        const data = JSON.parse(payload ?? '{}') as {
          usage?: { inputTokens?: number; outputTokens?: number }
          limited?: unknown
          error?: { code: string }
          puts?: { kind: string; data: { lines?: { amount: Amounts }[]; state?: string } }[]
        }
        const booked = data.puts?.find((put) => put.kind === 'reservation')?.data
        if (kind === 'agent.sending') {
          const reserved = { money: 0, tokens: 0, calls: 0 }
          for (const { amount } of booked!.lines!)
            for (const one of UNITS) reserved[one] = Math.max(reserved[one], amount[one])
          all.push({ place, reserved, billed: 0, came: undefined })
          inFlight = all.filter((one) => one.came === undefined)
          for (const one of UNITS) {
            const sum = all.reduce((total, each) => total + (each.came ?? each.reserved)[one], 0)
            if (sum > limit[one]) broken.push(`${one} is ${sum} of ${limit[one]} as ${place} is begun`)
          }
        } else if ((kind === 'agent.completed' || kind === 'agent.failed') && data.limited === undefined) {
          const ended = open(place)
          if (ended === undefined) continue
          const { inputTokens = 0, outputTokens = 0 } = data.usage ?? {}
          const tokens = inputTokens + outputTokens
          const none = booked?.state === 'released'
          const known = { money: tokens, tokens, calls: ended.reserved.calls }
          ended.came = none ? { money: 0, tokens: 0, calls: 0 } : data.usage === undefined ? ended.reserved : known
        }
      }
    },
  }
}

describe('a budget of agents', () => {
  it('#32 is overrun by no more than the calls that were in flight, in branches, runs and children, whatever is cut', async () => {
    const answer: fc.Arbitrary<Answer> = fc.record({
      how: fc.constantFrom('fits', 'fits', 'fits', 'misfits', 'refused', 'fails', 'dies'),
      tokens: fc.integer({ min: 0, max: 250 }),
    })
    const scene = fc.record({
      runs: fc.array(fc.record({ branches: fc.integer({ min: 1, max: 4 }), child: fc.boolean() }), { minLength: 1, maxLength: 3 }), // prettier-ignore
      answers: fc.array(answer, { minLength: 4, maxLength: 24 }),
      limit: fc.record({ money: fc.integer({ min: 90, max: 2500 }), tokens: fc.integer({ min: 90, max: 2500 }), calls: fc.integer({ min: 0, max: 16 }) }), // prettier-ignore
    })
    const seen = { reached: 0, overrun: 0, cut: 0, atOnce: 0 }
    await fc.assert(
      fc.asyncProperty(scene, async ({ runs, answers, limit }) => {
        const book = books(limit)
        let asked = 0
        let flying = 0
        const used = new WeakMap<object, number>()
        const script = async (
          { run, branch }: { run: number; branch: number },
          call: object,
        ): Promise<{ text: string }> => {
          const { how, tokens } = answers[asked++ % answers.length]!
          const place = (one: Begun): boolean =>
            branch === CHILD
              ? one.place.startsWith(`run:r${run}/inner:`)
              : one.place.startsWith(`run:r${run}:0 all[${branch}].`)
          const begun = book.all.findLast((one) => one.came === undefined && place(one))
          if (begun !== undefined && how !== 'refused') begun.billed += tokens
          seen.atOnce = Math.max(seen.atOnce, ++flying)
          for (let i = 0; i < 3; i++) await new Promise((done) => setImmediate(done))
          flying--
          if (how === 'refused') throw Object.assign(new Error('overloaded'), { statusCode: 529 })
          if (how === 'fails') throw new Error('the connection was cut')
          if (how === 'dies' && asked < 40) {
            seen.cut++
            void t.crash()
            return new Promise(() => {})
          }
          used.set(call, tokens)
          return (how === 'misfits' ? {} : { text: 'done' }) as { text: string }
        }
        const budgets = UNITS.map((unit) => {
          const most = unit === 'money' ? { money: { amount: limit.money, currency: 'EUR' } } : { [unit]: limit[unit] }
          return defineBudget({ name: unit, on: ['agent.*'], limit: most })
        })
        const t: Harness = await testConductor({
          playbooks: [outer, inner],
          prices,
          budgets,
          store: watched(book.committed),
        })
        t.script(writer, script, { usage: (_input, call) => ({ inputTokens: 0, outputTokens: used.get(call)! }) })
        await t.host((keelson) =>
          Promise.all(runs.map((one, run) => keelson.start(outer, { run, ...one }, { id: `r${run}` }))),
        )
        await t.advance('1h')
        expect(book.broken).toEqual([])
        const billed = book.all.reduce((sum, one) => sum + one.billed, 0)
        const beyond = book.all.reduce((sum, one) => {
          const known = one.came !== undefined && !book.inFlight().includes(one)
          return sum + (known && one.came!.tokens >= one.billed ? 0 : Math.max(0, one.billed - one.reserved.tokens))
        }, 0)
        expect(billed).toBeLessThanOrEqual(Math.min(limit.tokens, limit.money) + beyond)
        const ledger = await t.keelson.budgets.list()
        for (const unit of UNITS) {
          const [mine] = ledger.filter((one) => one.what.startsWith(`"${unit}"`))
          const sum = book.all.reduce((total, each) => total + (each.came ?? each.reserved)[unit], 0)
          expect((mine?.used[unit] ?? 0) + (mine?.reserved[unit] ?? 0), unit).toBe(sum)
        }
        const waits = (await t.inbox.list()).items.length
        const open = (await t.keelson.runs.list({ state: 'open' })).runs.length
        if (waits === 0) expect(open).toBe(0)
        seen.reached += waits > 0 ? 1 : 0
        seen.overrun += billed > Math.min(limit.tokens, limit.money) ? 1 : 0
        await t.stop()
      }),
      { numRuns: 40 },
    )
    expect(seen.reached).toBeGreaterThan(5)
    expect(seen.cut).toBeGreaterThan(5)
    expect(seen.overrun).toBeGreaterThan(0)
    expect(seen.atOnce).toBeGreaterThan(3)
  })
})

/** A store that tells of every unit of a pass, in the order in which they were committed. */
function watched(tell: (unit: PassUnit) => void) {
  const store = memoryStore()
  const watch = (session: MemoryStore): MemoryStore =>
    new Proxy(session, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        if (name !== 'commit') return value.bind(target) as unknown
        return async (...of: Parameters<MemoryStore['commit']>) => {
          const answer = await target.commit(...of)
          if (answer.status === 'done') tell(of[1])
          return answer
        }
      },
    })
  return { session: () => watch(store.session()), kill: (worker: string) => store.kill(worker) }
}
