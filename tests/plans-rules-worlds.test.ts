/** Plans under whatever rules come one after the other: who decides sees what those of now say, and that is what executes. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  action,
  definePlaybook,
  policy,
  type Actor,
  type InboxItem,
  type PolicyGate,
  type Verdict,
} from '@keelson/core'
import { fake, testConductor, type Harness } from '@keelson/testing'

const ann: Actor = { kind: 'person', id: 'ann' }
const TO = ['ada', 'bob', 'eve'] as const
const pay = action({
  name: 'bank.pay',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.enum(TO) }),
  output: z.object({ ok: z.boolean() }),
  run: () => Promise.reject(new Error('a test reached the real world')),
})
const payday = definePlaybook({
  name: 'payday',
  version: 1,
  input: z.object({}),
  output: z.array(z.string()),
  async run(ctx) {
    const lines = TO.map((to) => ctx.intend(pay, { to }))
    const { lines: done } = await ctx.propose('Pay', lines, { onSilence: 'remind', onFailure: 'continue' })
    return done.map(({ state }) => state)
  },
})

const SAYS = {
  allow: () => policy.allow(),
  ask: () => policy.ask(),
  deny: () => policy.deny('no'),
  hold: () => policy.hold('10m'),
} as const satisfies { [word: string]: () => Verdict }
type Word = keyof typeof SAYS
/** What two rules say of each line. */
type Said = readonly { readonly first: Word; readonly second: Word }[]

let versions = 0
function gate(said: Said): PolicyGate {
  const rule = (name: 'first' | 'second') =>
    policy.rule(name, { on: pay }, ({ input }) => SAYS[said[TO.indexOf(input.to)]![name]]())
  return policy([rule('first'), rule('second')], { version: `${versions++}` })
}

const isDenied = ({ first, second }: Said[number]): boolean => first === 'deny' || second === 'deny'

async function open(t: Harness): Promise<InboxItem & { kind: 'plan' }> {
  const { items } = await t.inbox.list({ snoozed: true })
  expect(items.map(({ kind }) => kind)).toEqual(['plan'])
  return items[0] as InboxItem & { kind: 'plan' }
}

const word = fc.constantFrom<Word>('allow', 'ask', 'ask', 'deny', 'hold')
const said = fc.array(fc.record({ first: word, second: word }), { minLength: 3, maxLength: 3 })
const between = fc.constantFrom('nothing', 'a day', 'put off', 'look', 'older yes')

describe('a plan under rules that come one after the other', () => {
  it('shows what those of now say, and executes nothing else', async () => {
    let [stale, partly] = [0, 0]
    const steps = fc.array(fc.record({ said, between }), { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(said, steps, fc.boolean(), async (first, all, isReplayed) => {
        const policyOf = (one: Said) => ({ policy: gate(one) })
        const t = await testConductor({
          playbooks: [payday],
          connectors: [fake(pay)],
          ...policyOf(first),
          alwaysReplay: isReplayed,
        })
        const run = await t.start(payday, {}, { id: 'r' })
        const seen = new Map<string, string>()
        const look = async (now: Said): Promise<InboxItem & { kind: 'plan' }> => {
          const item = await open(t)
          expect(item.lines.map(({ denied }) => denied !== undefined)).toEqual(now.map(isDenied))
          const shown = JSON.stringify([item.title, item.lines, item.preview])
          expect(seen.get(item.hash) ?? shown).toBe(shown)
          seen.set(item.hash, shown)
          return item
        }
        await look(first)
        for (const { said: now, between: what } of all) {
          await t.deploy(policyOf(now))
          const { id, hash } = await look(now)
          if (what === 'a day') await t.advance('1d')
          if (what === 'put off') await t.inbox.snooze(id, { by: ann, until: '3h' })
          if (what === 'look') await t.inbox.opened(id, { by: ann })
          const older = [...seen.keys()].find((one) => one !== hash)
          if (what !== 'older yes' || older === undefined) continue
          stale++
          expect(await t.inbox.decide(id, { hash: older, by: ann, approve: true })).toMatchObject({ why: 'changed' })
        }
        const last = all.at(-1)!.said
        const { id, hash, allows } = await look(last)
        if (allows.includes('approve')) {
          if (last.some(isDenied)) partly++
          expect(await t.inbox.decide(id, { hash, by: ann, approve: true })).toEqual({ status: 'done' })
          await t.advance('1h')
          expect(await run.result()).toEqual(last.map((one) => (isDenied(one) ? 'skipped' : 'done')))
          const paid = TO.filter((_, i) => !isDenied(last[i]!))
          expect(t.world(pay).map(({ input, times }) => [input.to, times])).toEqual(paid.map((to) => [to, 1]))
        } else expect(last.every(isDenied)).toBe(true)
        expect((await t.keelson.audit.verify()).ok).toBe(true)
        await t.stop()
      }),
      { numRuns: 60 },
    )
    expect(stale).toBeGreaterThan(5)
    expect(partly).toBeGreaterThan(5)
  })
})
