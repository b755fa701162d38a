/** Question: one question to an agent with all that its answer depends on. */
import type { AnyAgent } from '../../agent/agent.ts'
import type { ModelAnswer } from '../../agent/model.ts'
import type { Block } from '../../agent/prompt.ts'
import { parseStored } from '../../base/json.ts'
import { isUnlabelled, type Labels } from '../../base/labels.ts'
import { outputOf } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import { passing } from './rests.ts'

export interface Question {
  readonly key: string
  readonly agent: AnyAgent
  readonly input: Json
  readonly about: readonly Block[]
  readonly hash: string
  /** What all that the model sees is to be taken for. */
  readonly labels: Labels
}

/** The answer as it is stored, with what it is to be taken for. */
export function fitting({ agent, labels }: Question, answer: ModelAnswer): { ok: Json; labels?: Labels } {
  const ok = parseStored(outputOf(agent.output, answer, `the answer of agent ${agent.name}`))
  return { ok, ...labelsOfAnswer({ agent, labels }) }
}

export function labelsOfAnswer({ agent, labels }: Pick<Question, 'agent' | 'labels'>): { labels?: Labels } {
  const of = passing(agent.output, labels)
  return isUnlabelled(of) ? {} : { labels: of }
}
