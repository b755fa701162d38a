/** Policy: the gate by itself, and an effect through it. */
import { action, createConductor, definePlaybook, policy, type Rule } from '@keelson/core'
import { ruleEngine, type Intended } from '@keelson/core/ports'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

export interface VerdictTask {
  readonly rules: number
  readonly obliging: number
  readonly seconds: number
}

export interface Verdicts {
  readonly perSecond: number
}

export interface GateCost {
  readonly oneRule: number
  readonly manyRules: number
}

const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string(), cents: z.int() }),
  output: z.object({}),
  run: () => ({ output: {} }),
})

function rulesOf(count: number, obliging: number): Rule[] {
  return Array.from({ length: count }, (_, i) =>
    policy.rule(`rule ${i}`, { on: send }, ({ input }) =>
      i < obliging && input.cents >= 0 ? policy.ask({ reason: 'over' }) : policy.allow(),
    ),
  )
}

/** Judgements in a loop, after a warm-up. */
export function verdicts({ rules, obliging, seconds }: VerdictTask): Verdicts {
  const engine = ruleEngine(policy(rulesOf(rules, obliging)))
  const intended: Intended = {
    workspace: 'bench',
    action: 'mail.send',
    account: 'default',
    effect: 'irreversible',
    input: Object.freeze({ to: 'ada@example.org', cents: 100 }),
    settings: {},
    labels: new Set(),
    persona: undefined,
  }
  const none = (): Promise<never> => Promise.reject(new Error('nothing is looked up'))
  const loop = (ms: number): number => {
    let count = 0
    const began = performance.now()
    for (let ended = began; ended - began < ms; ended = performance.now()) {
      for (let i = 0; i < 1000; i++) engine.judge(intended, none)
      count += 1000
    }
    return (count / (performance.now() - began)) * 1000
  }
  loop(300)
  return { perSecond: loop(seconds * 1000) }
}

/** One effect after the other, under one rule and under many. */
export async function gate({ effects }: { effects: number }): Promise<GateCost> {
  await perEffect(1, effects)
  return { oneRule: await perEffect(1, effects), manyRules: await perEffect(50, effects) }
}

async function perEffect(rules: number, effects: number): Promise<number> {
  const work = definePlaybook({
    name: 'work',
    version: 1,
    input: z.object({ n: z.int() }),
    output: z.object({}),
    async run(ctx, { n }) {
      for (let i = 0; i < n; i++) await ctx.act(send, { to: 'ada@example.org', cents: i })
      return {}
    },
  })
  const quiet = { info: () => {}, warn: () => {}, error: () => {} }
  const store = memoryStore()
  const conductor = await createConductor({ store, playbooks: [work], policy: policy(rulesOf(rules, 0)), log: quiet })
  const began = performance.now()
  await (await conductor.start(work, { n: effects }, { id: 'r' })).result()
  const micros = ((performance.now() - began) * 1000) / effects
  await conductor.stop()
  return micros
}
