/** Model: the port to whatever answers an agent's question; the AI SDK is loaded when one is first asked through it. */
import { KeelsonError } from '../base/errors.ts'
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { AnyAgent } from './agent.ts'

/** One question. `repair` says what was wrong with the answer before. */
export interface ModelCall {
  readonly agent: AnyAgent
  readonly input: Json
  /** What the question is about: entities as the playbook read them. Data, never instructions. */
  readonly about: readonly Json[]
  readonly repair: string | undefined
  readonly signal: AbortSignal
}

export interface ModelAnswer {
  /** Parsed by the agent's output schema afterwards. */
  readonly output: unknown
  readonly usage?: { readonly inputTokens?: number; readonly outputTokens?: number }
}

/** Answers agents. Throws when it cannot; the call is then tried again within a bound. */
export type Models = (call: ModelCall) => Promise<ModelAnswer>

/** A model of the AI SDK (a LanguageModel, or a 'provider/model' id) as Keelson asks it. */
export function aiModels(model: unknown): Models {
  return async ({ agent, input, about, repair, signal }) => {
    const { generateText, Output } = await import('ai')
    const result = await generateText({
      model: model as Parameters<typeof generateText>[0]['model'],
      instructions: agent.instructions,
      prompt: promptOf(input, about, repair),
      output: Output.object({ schema: agent.output as never }),
      abortSignal: signal,
      maxRetries: 0,
    })
    const { inputTokens, outputTokens } = result.usage
    return {
      output: result.output,
      usage: {
        ...(inputTokens === undefined ? {} : { inputTokens }),
        ...(outputTokens === undefined ? {} : { outputTokens }),
      },
    }
  }
}

export const noModels: Models = ({ agent }) =>
  Promise.reject(
    new KeelsonError('MODEL_MISSING', `agent ${agent.name} was asked, but no model is configured`, {
      hint: 'Pass models: aiModels(yourModel) to createConductor; in a test, t.script(agent, input => answer).',
    }),
  )

/** The task as JSON, and what it is about fenced off as data. */
function promptOf(input: Json, about: readonly Json[], repair: string | undefined): string {
  const blocks = about.map((one, i) => `<data number="${i + 1}">\n${canonical(one)}\n</data>`)
  const wrong = repair === undefined ? [] : [`Your last answer did not fit: ${repair}`]
  return [...blocks, `<task>\n${canonical(input)}\n</task>`, ...wrong].join('\n\n')
}
