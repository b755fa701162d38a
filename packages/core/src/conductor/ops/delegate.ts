/**
 * Delegate: one question to an agent as an operation: answered once, and never paid for twice.
 *
 * D1. A recorded answer is never asked for again. An answer that does not fit is asked for again, saying why, within a bound;
 *     then the next model of the agent is asked.
 * D2. What a question may cost is reserved before it is asked, and settled with what came of it.
 * D3. A budget that is reached ends the try before anything is asked; the question is asked again when there is room.
 */
import { agentOf, type AnyAgent } from '../../agent/agent.ts'
import type { Block } from '../../agent/prompt.ts'
import { KeelsonError } from '../../base/errors.ts'
import { sha256 } from '../../base/hash.ts'
import { canonical, parseStored } from '../../base/json.ts'
import { joinLabels, type Labels } from '../../base/labels.ts'
import { fromStored, toStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import type { Op } from '../../journal/op.ts'
import { boundNow, whoMayNotAsk } from '../behalf.ts'
import { untilThereIsRoom } from '../effect/room.ts'
import type { Limit } from '../limits.ts'
import type { Pass } from '../pass.ts'
import type { ActMemory } from './sources.ts'
import { answers } from './answers.ts'
import { contextIn } from './memory-texts.ts'
import { assertWithin } from './caps.ts'
import type { Question } from './question.ts'
import { restsOn } from './rests.ts'

export interface DelegateOptions {
  readonly about?: readonly unknown[]
  readonly because?: readonly unknown[]
}

type Answer = { readonly value: unknown } | { readonly limited: { limit: Limit & { kind: 'budget' }; at: number } }

/** Asks until there is an answer; `perform` names each round, and the waits between them. */
export async function delegate(
  pass: Pass,
  key: string,
  target: { readonly name: string },
  input: unknown,
  options: DelegateOptions,
  memory: ActMemory,
): Promise<unknown> {
  const agent = agentOf(target)
  const text = toStored(agent.input, input, 'INPUT_INVALID', `the input of agent ${agent.name}`)
  const given = (options.about ?? []).map((one) => blockOf(pass, memory, one))
  const seen = given.map(({ label, data }) => ({ label, data }))
  const about = given.map((block, at) => withContext(block, options.about![at]))
  const hash = sha256(canonical([agent.name, agent.version, sha256(text), seen]))
  for (let round = 1; ; round++) {
    const asked: Question = {
      key: round === 1 ? key : `${key}~${round}`,
      agent,
      input: parseStored(text),
      about,
      hash,
      get labels() {
        return joinLabels(
          restsOn(pass, memory, options.because),
          ...(options.about ?? []).map((one) => shown(pass, memory, one)),
        )
      },
    }
    const answer = await ask(pass, asked)
    if ('value' in answer) return answer.value
    const { limit, at } = answer.limited
    const no = await untilThereIsRoom(pass, limit, at, `${key} ${round}`)
    if (no !== undefined) throw overBudget(agent, no)
  }
}

function ask(pass: Pass, asked: Question): Promise<Answer> {
  const { key, agent, hash } = asked
  const live = (op: Op): Promise<void> => {
    const barred = whoMayNotAsk(pass.task.env, boundNow(pass), agent.name)
    if (barred !== undefined) throw mayNotAsk(barred.name, agent)
    if (op.sending === undefined) assertWithin(pass, 'agent', agent.name)
    return answers(pass, asked, op)
  }
  return pass.operation<Answer>({
    key,
    kind: 'agent',
    hash,
    live: async (op) => live(op),
    value: ({ outcome }) => {
      const { limited } = outcome as { limited?: { limit: Limit & { kind: 'budget' }; at: number } }
      return limited === undefined ? { value: fromStored(agent.output, canonical(outcome.ok ?? null)) } : { limited }
    },
  })
}

/** An entity, a labelled block, or any other value that the playbook holds. */
function blockOf(pass: Pass, memory: ActMemory, one: unknown): Block {
  const data = parseStored(canonical(one))
  const trust = shown(pass, memory, one).untrusted === undefined ? 'trusted' : 'untrusted'
  const { label, data: inner } = (data ?? {}) as { label?: Json; data?: Json }
  if (typeof label === 'string' && inner !== undefined) return { label, trust, data: inner }
  const { type, id } = (data ?? {}) as { type?: Json; id?: Json }
  const name = typeof type === 'string' && typeof id === 'string' ? `${type} ${id}` : 'data'
  return { label: name, trust, data }
}

/** Of a context the model gets the text, and nothing of what that took. */
function withContext(block: Block, one: unknown): Block {
  const text = contextIn(one) ?? contextIn((one as { data?: unknown } | null)?.data)
  if (text === undefined) return block
  const label = block.label === 'data' ? 'what is known' : block.label
  return { label, trust: block.trust, data: text, isContext: true }
}

/** A block made by the code is what it was made of. */
function shown(pass: Pass, memory: ActMemory, one: unknown): Labels {
  const { label, data } = (one ?? {}) as { label?: unknown; data?: unknown }
  return restsOn(pass, memory, [typeof label === 'string' && data !== undefined ? data : one])
}

function overBudget(agent: AnyAgent, no: string): KeelsonError {
  return new KeelsonError('BUDGET_REFUSED', `agent ${agent.name} was not asked: ${no}`, {
    hint: 'Catch it and do without, or raise the budget with budgets.raise().',
    data: { agent: agent.name },
  })
}

function mayNotAsk(persona: string, agent: AnyAgent): KeelsonError {
  return new KeelsonError('AGENT_DENIED', `persona ${persona} may not ask agent ${agent.name}`, {
    hint: 'Name it in the agents of the persona.',
    data: { agent: agent.name },
  })
}
