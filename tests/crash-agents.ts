/** A program for the crash matrix about agents: answers that do not fit, a model that is down, a budget; none is paid for twice. */
import { action, defineAgent, defineBudget, defineConnector, definePlaybook, policy } from '@keelson/core'
import { fake, type Harness } from '@keelson/testing'
import { z } from 'zod'
import type { Program } from './crash-programs.ts'

const post = action({
  name: 'desk.post',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ text: z.string() }),
  output: z.object({}),
  run: () => Promise.reject(new Error('a test reached the real world')),
})
const desk = defineConnector({ name: 'desk', actions: { post } })
const writer = defineAgent({
  name: 'writer',
  version: 1,
  instructions: 'Write.',
  input: z.object({ about: z.string() }),
  output: z.object({ text: z.string() }),
  model: ['fast', 'strong'],
  triesPerModel: 2,
  maxOutputTokens: 50,
})
const letter = definePlaybook({
  name: 'letter',
  version: 1,
  input: z.object({ about: z.string() }),
  output: z.object({ text: z.string() }),
  uses: [desk],
  async run(ctx, { about }) {
    const draft = await ctx.delegate(writer, { about })
    const better = await ctx.delegate(writer, { about: draft.text }, { about: [draft] })
    await ctx.act(post, { text: better.text })
    return better
  },
})

const LIMIT = 3
const RAISE = 8
const questions = defineBudget({ name: 'questions', on: ['agent.*'], limit: { calls: LIMIT } })

/** The fast model is down; the strong one answers what does not fit until it is told. The budget ends amid the second question. */
const agent: Program = {
  name: 'agent',
  harness: () => ({
    playbooks: [letter],
    connectors: [fake(desk)],
    budgets: [questions],
    policy: policy([policy.rule('free', { on: post }, () => policy.allow())]),
  }),
  async test(t) {
    t.script(writer, ({ about }, { model, repair }) => {
      if (model === 'fast') throw Object.assign(new Error('overloaded'), { statusCode: 529 })
      return repair === undefined ? ({ txt: about } as never) : { text: `${about}!` }
    })
    const run = await t.start(letter, { about: 'rain' })
    await t.decide({ kind: 'attention', title: /questions/ }, { answer: { calls: RAISE } })
    return run
  },
  invariant: neverPaidTwice,
}

/** D1, D2: each question was recorded before it was asked, and none was asked of what had its answer. */
async function neverPaidTwice(t: Harness): Promise<void> {
  const answered = new Set<string>()
  let sendings = 0
  for await (const line of t.keelson.audit.export()) {
    const { stream, kind, key } = JSON.parse(line) as { stream?: string; kind?: string; key?: string }
    const question = `${stream} ${key}`
    if (kind === 'agent.completed') answered.add(question)
    if (kind !== 'agent.sending') continue
    sendings++
    if (answered.has(question)) throw new Error(`"${key}" was asked again after its answer was recorded`)
  }
  const asked = t.asked(writer)
  if (asked.length > sendings) throw new Error(`${asked.length} questions were asked, and ${sendings} recorded before`)
  const paid = asked.filter(({ model }) => model === 'strong').length
  const [budget] = await t.host((keelson) => keelson.budgets.list())
  const { used, reserved } = budget!
  if (used.calls + reserved.calls < paid) throw new Error(`${paid} answers were paid for, ${used.calls} are counted`)
  if (used.calls + reserved.calls > LIMIT + RAISE) throw new Error(`the budget was overrun: ${used.calls} calls`)
}

export const agentPrograms: readonly Program[] = [agent]
