/** Policy: the gate by itself, and an effect through it beside a plain step. */
import { join } from 'node:path'
import { action, createConductor, definePlaybook, policy, type Rule } from '@keelson/core'
import { ruleEngine, type Intended } from '@keelson/core/ports'
import { sqlite } from '@keelson/memory-sqlite'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'
import { median } from '../measure/stats.ts'

/** What rules oblige to; 'each': one to ask, the next to hold, the next denies, and so on. */
export type Oblige = 'ask' | 'hold' | 'deny' | 'each'

export interface VerdictTask {
  readonly rules: number
  readonly obliging: number
  readonly to: Oblige
  readonly seconds: number
}

export interface Verdicts {
  readonly perSecond: number
}

/** Microseconds for each, one after the other in one run. */
export interface GateCost {
  /** A plain step that does what the action does. */
  readonly step: number
  /** An effect of that action, under one rule that allows, and under fifty. */
  readonly oneRule: number
  readonly manyRules: number
}

export interface GateTask {
  readonly effects: number
  /** Where the store of SQLite is made; without it, the store is in memory. */
  readonly folder?: string
}

const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string(), cents: z.int() }),
  output: z.object({}),
  run: (input) => ({ output: deliver(input) }),
})

/** What is done outside: nothing, so that what is left is what it is done through. */
function deliver(_mail: { to: string; cents: number }): Record<never, never> {
  return {}
}

const OBLIGES = {
  ask: () => policy.ask({ reason: 'over' }),
  hold: () => policy.hold('10m'),
  deny: () => policy.deny('never'),
}
const IN_TURN = [OBLIGES.ask, OBLIGES.hold, OBLIGES.deny]

function rulesOf(count: number, obliging: number, to: Oblige = 'ask'): Rule[] {
  return Array.from({ length: count }, (_, i) => {
    const oblige = to === 'each' ? IN_TURN[i % IN_TURN.length]! : OBLIGES[to]
    return policy.rule(`rule ${i}`, { on: send }, ({ input }) =>
      i < obliging && input.cents >= 0 ? oblige() : policy.allow(),
    )
  })
}

/** Judgements in a loop, after a warm-up. */
export function verdicts({ rules, obliging, to, seconds }: VerdictTask): Verdicts {
  const engine = ruleEngine(policy(rulesOf(rules, obliging, to)))
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

/** Steps, effects under one rule and effects under many, in turns after a warm-up; each turn is a run on a store of its own. The median counts. */
export async function gate(task: GateTask): Promise<GateCost> {
  const turns: GateCost[] = []
  for (let turn = 0; turn <= TURNS; turn++) {
    const step = await micros(task, `step-${turn}`, 1, 'step')
    const oneRule = await micros(task, `one-${turn}`, 1, 'act')
    const manyRules = await micros(task, `many-${turn}`, 50, 'act')
    if (turn > 0) turns.push({ step, oneRule, manyRules }) // the first warms up
  }
  const of = (what: keyof GateCost): number => median(turns.map((turn) => turn[what]))
  return { step: of('step'), oneRule: of('oneRule'), manyRules: of('manyRules') }
}

const TURNS = 5

async function micros({ effects, folder }: GateTask, name: string, rules: number, by: 'act' | 'step'): Promise<number> {
  const work = definePlaybook({
    name: 'work',
    version: 1,
    input: z.object({ n: z.int() }),
    output: z.object({}),
    async run(ctx, { n }) {
      for (let i = 0; i < n; i++) {
        const input = { to: 'ada@example.org', cents: i }
        if (by === 'act') await ctx.act(send, input)
        else await ctx.step(`send ${i}`, () => deliver(input))
      }
      return {}
    },
  })
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const store = folder === undefined ? memoryStore() : sqlite(join(folder, `${name}.db`))
  const conductor = await createConductor({ store, playbooks: [work], policy: policy(rulesOf(rules, 0)), log })
  const began = performance.now()
  await (await conductor.start(work, { n: effects }, { id: 'r' })).result()
  const each = ((performance.now() - began) * 1000) / effects
  await conductor.stop()
  return each
}
