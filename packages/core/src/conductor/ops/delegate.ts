/**
 * Delegate: one question to an agent as an operation: answered once, and never paid for twice.
 *
 * D1. A recorded answer is never asked for again. An answer that does not fit is asked for again, saying why, within a bound.
 */
import { KeelsonError, storeError } from '../../base/errors.ts'
import { sha256 } from '../../base/hash.ts'
import { canonical, parseStored } from '../../base/json.ts'
import { fromStored, toStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import { agentOf, type AnyAgent } from '../../agent/agent.ts'
import type { ModelAnswer } from '../../agent/model.ts'
import type { Op } from '../../journal/fold.ts'
import { backoffMs } from '../effect/send.ts'
import type { Pass } from '../pass.ts'
import { iso } from '../waiting.ts'
import { sleepWithin } from './retrying.ts'

/** Calls for one question, repairs included. */
const CALLS_MAX = 4

export function delegate(
  pass: Pass,
  key: string,
  target: { readonly name: string },
  input: unknown,
  about: readonly unknown[],
): Promise<unknown> {
  const agent = agentOf(target)
  const text = toStored(agent.input, input, 'INPUT_INVALID', `the input of agent ${agent.name}`)
  const context = about.map((one) => parseStored(canonical(one)))
  const hash = sha256(canonical([agent.name, agent.version, sha256(text), context]))
  const live = (op: Op): Promise<void> => answers(pass, key, agent, parseStored(text), context, hash, op)
  return pass.operation({
    key,
    kind: 'agent',
    hash,
    live,
    value: ({ outcome }) => fromStored(agent.output, canonical(outcome.ok ?? null)),
  })
}

async function answers(
  pass: Pass,
  key: string,
  agent: AnyAgent,
  input: Json,
  about: readonly Json[],
  hash: string,
  op: Op,
): Promise<void> {
  const { env } = pass.task
  const who = { name: agent.name, version: agent.version }
  let repair: string | undefined
  for (;;) {
    if (op.retryAt !== undefined && !(await sleepWithin(pass, key, op.retryAt, `agent ${agent.name} is asked again`)))
      return
    const attempt = op.attempts + 1
    const done = await pass.work.run(async () => {
      try {
        const answer = await env.models({ agent, input, about, repair, signal: pass.signal })
        await pass.writer.append([
          { kind: 'agent.completed', key, data: { hash, agent: who, ok: fitting(agent, answer), ...usageOf(answer) } },
        ])
        return true
      } catch (thrown) {
        if (pass.signal.aborted) return true
        const error = storeError(thrown)
        repair = KeelsonError.is(thrown, 'OUTPUT_INVALID') ? thrown.message : undefined
        if (attempt >= CALLS_MAX || KeelsonError.is(thrown, 'MODEL_MISSING')) {
          const failure = KeelsonError.is(thrown) ? error : { ...error, code: 'MODEL_FAILED' }
          await pass.writer.append([{ kind: 'agent.completed', key, data: { hash, error: failure } }])
          return true
        }
        const retryAt =
          repair === undefined ? env.clock.now() + backoffMs(attempt, () => env.ids.random()) : env.clock.now()
        await pass.writer.append([{ kind: 'agent.failed', key, data: { attempt, error, retryAt } }])
        const { workspace, id: run, playbook } = pass.task.claimed.row
        env.emit('step.failed', {
          workspace,
          run,
          playbook,
          step: key,
          attempt,
          message: error.message,
          retryAt: iso(retryAt),
        })
        return false
      }
    })
    if (done || pass.signal.aborted) return
  }
}

function fitting(agent: AnyAgent, answer: ModelAnswer): Json {
  return parseStored(toStored(agent.output, answer.output, 'OUTPUT_INVALID', `the answer of agent ${agent.name}`))
}

function usageOf({ usage }: ModelAnswer): { usage?: Json } {
  return usage === undefined ? {} : { usage: parseStored(canonical(usage)) }
}
