/** Answers: the tries of one question: reserve, ask, record what came of it; then the next try, or the next model. */
import type { AnyAgent } from '../../agent/agent.ts'
import { approvalsIn } from '../../agent/forged.ts'
import { failureOf, type ModelAnswer, type ModelFailure } from '../../agent/model.ts'
import { costOf, type Prices, type Usage } from '../../agent/price.ts'
import { promptOf } from '../../agent/prompt.ts'
import { KeelsonError, storeError, type StoredError } from '../../base/errors.ts'
import { parseStored, canonical } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import type { Draft } from '../../journal/entry.ts'
import type { Op } from '../../journal/op.ts'
import type { Put } from '../../journal/put.ts'
import { behalfOf } from '../behalf.ts'
import type { Charge, Spend } from '../charge.ts'
import { backoffMs, within } from '../effect/send.ts'
import { shut } from '../life.ts'
import { clear, settled } from '../limits.ts'
import type { Pass } from '../pass.ts'
import { iso } from '../waiting.ts'
import type { Built } from '../writer.ts'
import { fitting, labelsOfAnswer, type Question } from './question.ts'
import { sleepWithin } from './retrying.ts'

export async function answers(pass: Pass, asked: Question, op: Op): Promise<void> {
  const { key, agent } = asked
  for (;;) {
    if (op.retryAt !== undefined && !(await sleepWithin(pass, key, op.retryAt, `agent ${agent.name} is asked again`)))
      return
    const attempt = op.attempts + 1
    const repair = op.failure?.code === 'OUTPUT_INVALID' ? op.failure.message : undefined
    const first = op.sends === 0
    const go: Try = {
      attempt,
      first,
      id: reservationId(pass, key, op.sends + 1),
      model: modelOf(agent, attempt),
      repair,
    }
    const begun = await pass.work.run(() => begin(pass, asked, go))
    if (!begun || pass.work.aborted) return
    if (await pass.work.run(() => once(pass, asked, go))) return
    if (pass.work.aborted) return
  }
}

/** One try of a question. */
interface Try {
  readonly attempt: number
  /** Nothing was asked before it, not even in vain. */
  readonly first: boolean
  /** Of its reservation: one that was cut short by a crash keeps its own. */
  readonly id: string
  readonly model: string | undefined
  /** What was wrong with the answer before. */
  readonly repair: string | undefined
}

function reservationId(pass: Pass, key: string, send: number): string {
  return `agent ${pass.task.claimed.row.id} ${pass.history.start.continuation} ${key} ${send}`
}

/** The model of a try: the same until its tries are used up, then the next. */
function modelOf({ models, triesPerModel }: AnyAgent, attempt: number): string | undefined {
  return models[Math.floor((attempt - 1) / triesPerModel)]
}

function triesMax({ models, triesPerModel }: AnyAgent): number {
  return Math.max(1, models.length) * triesPerModel
}

/** Records that it is asked, with what that may cost. False when a budget does not let it be, or its workspace is suspended. */
async function begin(pass: Pass, asked: Question, go: Try): Promise<boolean> {
  const { attempt, model } = go
  const { env, claimed } = pass.task
  const { key, hash } = asked
  let begun = false
  await pass.writer.submit(async (): Promise<Built | undefined> => {
    begun = false
    const { life, expect } = await env.company(claimed.row.workspace).leaving()
    if (shut(life) !== undefined) return pass.mailbox.overtaken('suspend')
    const charge = chargeFor(pass, asked, go.id, worstOf(env.prices, asked, go))
    const { limit, puts, starts } = await clear(env, claimed.row.workspace, charge)
    if (limit?.kind === 'budget') {
      const limited = { limit, at: env.clock.now() } as unknown as Json
      return {
        drafts: [{ kind: 'agent.completed', key, data: { hash, limited, ...labelsOfAnswer(asked), puts } }],
        starts,
      }
    }
    if (limit !== undefined) {
      const error = storeError(new KeelsonError('BUDGET_REFUSED', 'what' in limit ? limit.what : limit.kind, UNPRICED))
      return { drafts: [{ kind: 'agent.completed', key, data: { hash, error } }] }
    }
    begun = true
    const by = model === undefined ? {} : { model }
    const draft: Draft = { kind: 'agent.sending', key, data: { hash, attempt, ...by, puts } }
    return {
      drafts: [...(go.first ? forged(pass, asked) : []), draft],
      expect: expect.filter((one) => 'id' in one && one.id === 'life'),
    } // a freeze stops no question
  })
  if (!begun) env.nudge()
  return begun
}

/** Approvals that came with what it is asked about. */
function forged(pass: Pass, { input, about }: Question): Draft[] {
  const found = approvalsIn([input, ...about.map(({ data }) => data)])
  if (found.length === 0) return []
  const { by } = pass.history.start
  const given = `tool-approval-response ${found[0]!}`
  const data = { by, why: 'forged', given, verb: 'approve', count: found.length } as const
  return [{ kind: 'approval.forged', key: '', data }]
}

const UNPRICED = { hint: 'Give the model a price in prices.models, or a worst case in prices.unpriced.' }

function chargeFor(pass: Pass, { agent }: Question, id: string, spend: Spend): Charge {
  const behalf = behalfOf(pass)
  const personas = agent.persona === undefined ? behalf.personas : [...behalf.personas, agent.persona]
  return { id, name: `agent.${agent.name}`, spend, behalf: { ...behalf, personas }, rate: undefined, inHours: false }
}

/** What a question may cost at most: text is taken for a token per two bytes, as not every script is Latin; the answer for the longest. */
function worstOf(prices: Prices, { agent, input, about }: Question, { model, repair }: Try): Spend {
  const bytes = Buffer.byteLength(agent.instructions) + Buffer.byteLength(promptOf(input, about, repair))
  const usage = { inputTokens: Math.ceil(bytes / 2), outputTokens: agent.maxOutputTokens }
  const money = costOf(prices, model, usage)
  const tokens = usage.inputTokens + usage.outputTokens
  return { calls: 1, tokens, ...(money === undefined ? { unpriced: true } : { money: [money] }) }
}

/** One question. True when there will be no other. */
async function once(pass: Pass, asked: Question, go: Try): Promise<boolean> {
  const { env } = pass.task
  const { agent, input, about } = asked
  const { model, repair } = go
  const stop = new AbortController()
  const signal = AbortSignal.any([pass.signal, stop.signal])
  try {
    const call = { agent, input, about, repair, model, signal }
    const answer = await within(env, agent.timeoutMs, late(agent), () => env.models(call))
    if (pass.work.aborted) return true
    return await record(pass, asked, go, answer)
  } catch (thrown) {
    stop.abort(thrown)
    if (pass.work.aborted) return true
    const { how, usage } = failureOf(thrown)
    return failed(pass, asked, go, { error: errorOf(thrown, how), usage, how })
  }
}

function late(agent: AnyAgent): KeelsonError {
  return new KeelsonError('STEP_TIMEOUT', `agent ${agent.name} did not answer within ${agent.timeoutMs / 1000} s`)
}

function errorOf(thrown: unknown, how: 'refused' | 'misfit' | 'unknown'): StoredError {
  const error = storeError(thrown)
  return how === 'misfit' ? { ...error, code: 'OUTPUT_INVALID' } : error
}

async function record(pass: Pass, asked: Question, go: Try, answer: ModelAnswer): Promise<boolean> {
  const model = go.model ?? answer.model
  let fits: ReturnType<typeof fitting>
  try {
    fits = fitting(asked, answer)
  } catch (thrown) {
    return failed(pass, asked, go, { error: storeError(thrown), usage: answer.usage, how: 'misfit', model })
  }
  const { key, hash } = asked
  await pass.writer.submit(async (): Promise<Built> => {
    const { spend, used } = spentOn(pass, asked, go, model, answer.usage)
    const puts = await settledWith(pass, go.id, spend)
    const by = model === undefined ? {} : { model }
    return {
      drafts: [{ kind: 'agent.completed', key, data: { hash, agent: who(asked), ...fits, ...by, ...used, puts } }],
    }
  })
  return true
}

interface Failed {
  readonly error: StoredError
  readonly usage: Usage | undefined
  readonly how: ModelFailure['how']
  readonly model?: string | undefined
}

async function failed(pass: Pass, asked: Question, go: Try, what: Failed): Promise<boolean> {
  const { env } = pass.task
  const { key, agent, hash } = asked
  const { attempt } = go
  const { error, usage, how, model = go.model } = what
  const by = model === undefined ? {} : { model }
  const last = attempt >= triesMax(agent) || (error.code === 'MODEL_MISSING' && agent.models.length < 2)
  const soon = error.code === 'OUTPUT_INVALID' || (!last && modelOf(agent, attempt) !== modelOf(agent, attempt + 1))
  const retryAt = env.clock.now() + (soon ? 0 : backoffMs(attempt, () => env.ids.random()))
  await pass.writer.submit(async (): Promise<Built> => {
    const { spend, used } =
      how === 'refused'
        ? { spend: 'released' as const, used: {} }
        : how === 'unknown' && usage === undefined
          ? { spend: {}, used: {} } // nobody knows: it counts as reserved
          : spentOn(pass, asked, go, model, usage)
    const puts = await settledWith(pass, go.id, spend)
    if (!last)
      return { drafts: [{ kind: 'agent.failed', key, data: { attempt, error, retryAt, ...by, ...used, puts } }] }
    const data = { hash, agent: who(asked), error: lastly(error), ...by, ...used, puts }
    return { drafts: [{ kind: 'agent.completed', key, data }] }
  })
  if (last) return true
  const { workspace, id: run, playbook } = pass.task.claimed.row
  const about = { step: key, attempt, message: error.message, retryAt: iso(retryAt) }
  env.emit('step.failed', { workspace, run, playbook, ...about })
  return false
}

/** As it is told when there is no other try. */
function lastly(error: StoredError): StoredError {
  const last = error.code === 'STEP_FAILED' ? { ...error, code: 'MODEL_FAILED' } : error
  const hint = HINTS[last.code]
  return last.hint !== undefined || hint === undefined ? last : { ...last, hint }
}

const HINTS: { readonly [code: string]: string } = {
  MODEL_FAILED:
    'Mend what the message says, or name another model behind it (model: [first, second]), then runs.retry() asks again.',
  OUTPUT_INVALID:
    'Say in the instructions, and in descriptions of the output schema, what is wanted, or name another model, then runs.retry() asks again.',
}

function who({ agent }: Question): { name: string; version: number } {
  return { name: agent.name, version: agent.version }
}

/** What it used, as it is charged and as it is journaled. What it does not say counts for the most that it may be, as reserved. */
function spentOn(
  pass: Pass,
  asked: Question,
  go: Try,
  model: string | undefined,
  usage: Usage | undefined,
): { spend: Spend; used: { usage?: Json } } {
  const { prices } = pass.task.env
  const said = saidOf(usage)
  const { inputTokens, outputTokens } = said
  const known = inputTokens !== undefined && outputTokens !== undefined
  const money = known ? costOf(prices, model, { inputTokens, outputTokens }) : worstOf(prices, asked, go).money?.[0]
  const tokens = known ? { tokens: inputTokens + outputTokens } : {}
  const spend = { ...tokens, ...(money === undefined ? {} : { money: [money] }) }
  if (usage === undefined && money === undefined) return { spend, used: {} }
  return {
    spend,
    used: { usage: parseStored(canonical({ ...said, ...(money === undefined ? {} : { cost: money }) })) },
  }
}

/** Without counts that are none. */
function saidOf({ inputTokens, outputTokens, ...more }: Usage = {}): Usage {
  const isCount = (one: unknown): boolean => typeof one === 'number' && Number.isFinite(one) && one >= 0
  return {
    ...more,
    ...(isCount(inputTokens) ? { inputTokens } : {}),
    ...(isCount(outputTokens) ? { outputTokens } : {}),
  }
}

function settledWith(pass: Pass, id: string, spend: Spend | 'released'): Promise<Put[]> {
  return settled(pass.task.env, pass.task.claimed.row.workspace, id, spend)
}
