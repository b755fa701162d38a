/** Model: the port to whatever answers an agent's question; the AI SDK is loaded when one is first asked through it. */
import { KeelsonError } from '../base/errors.ts'
import type { Json } from '../base/value.ts'
import type { AnyAgent } from './agent.ts'
import type { Usage } from './price.ts'
import { promptOf, type Block } from './prompt.ts'
import { loadSdk } from './sdk.ts'

/** One question. `repair` says what was wrong with the answer before. */
export interface ModelCall {
  readonly agent: AnyAgent
  readonly input: Json
  /** What the question is about. Data, never instructions. */
  readonly about: readonly Block[]
  readonly repair: string | undefined
  /** Which of its models the agent asks for; undefined: any. */
  readonly model: string | undefined
  readonly signal: AbortSignal
}

export interface ModelAnswer {
  /** Parsed by the agent's output schema afterwards. */
  readonly output: unknown
  readonly usage?: Usage
  /** Which model answered, where the agent named none: how its price is found. */
  readonly model?: string
}

/** Answers agents. Throws when it cannot; the call is then tried again within a bound, and the next model after that. */
export interface Models {
  (call: ModelCall): Promise<ModelAnswer>
  /** What stands behind a name (behind none: what is asked then), where that is known: another one has to earn trust anew. */
  readonly idOf?: (name: string | undefined) => string | undefined
}

/** A failed call as far as the next one is concerned. */
export interface ModelFailure {
  /** 'refused': it was not answered and costs nothing. 'misfit': it was, and does not fit. 'unknown': nobody knows. */
  readonly how: 'refused' | 'misfit' | 'unknown'
  readonly usage?: Usage
}

/** A model of the AI SDK (a LanguageModel, or a 'provider/model' id), or several by the names that agents call them. */
export function aiModels(models: unknown): Models {
  const ask: Models = async ({ agent, input, about, repair, model, signal }) => {
    const { generateText, Output } = await loadSdk()
    const chosen = choose(models, model, agent)
    const result = await generateText({
      model: chosen.model as Parameters<typeof generateText>[0]['model'],
      // Some models refuse a message without a word in it.
      ...(agent.instructions === '' ? {} : { instructions: agent.instructions }),
      prompt: promptOf(input, about, repair),
      output: Output.object({ schema: agent.output as never }),
      maxOutputTokens: agent.maxOutputTokens,
      abortSignal: signal,
      maxRetries: 0,
    })
    const { inputTokens, outputTokens } = result.usage
    return {
      output: result.output,
      ...(chosen.name === undefined ? {} : { model: chosen.name }),
      usage: {
        ...(inputTokens === undefined ? {} : { inputTokens }),
        ...(outputTokens === undefined ? {} : { outputTokens }),
      },
    }
  }
  return Object.assign(ask, { idOf: (name: string | undefined) => idOf(models, name) })
}

/** One of several by its name, or the only one, whose name is its own. */
function choose(models: unknown, wanted: string | undefined, agent: AnyAgent): { model: unknown; name?: string } {
  if (typeof models === 'string') return { model: models, name: models }
  if ('specificationVersion' in (models as object)) {
    const { modelId } = models as { modelId?: unknown }
    return { model: models, ...(typeof modelId === 'string' ? { name: modelId } : {}) }
  }
  const all = models as Readonly<Record<string, unknown>>
  const name = wanted ?? Object.keys(all)[0]
  if (name !== undefined && Object.hasOwn(all, name)) return { model: all[name], name }
  throw new KeelsonError(
    'MODEL_MISSING',
    `agent ${agent.name} asks for model "${name ?? ''}", which is not configured`,
    {
      hint: `Configured are: ${Object.keys(all).join(', ') || 'none'}.`,
    },
  )
}

/** What tells a model from another one: its provider and id. */
function idOf(models: unknown, wanted: string | undefined): string | undefined {
  if (typeof models === 'string') return models
  if (typeof models !== 'object' || models === null) return undefined
  if ('specificationVersion' in models) {
    const { provider, modelId } = models as { provider?: unknown; modelId?: unknown }
    return typeof modelId === 'string' ? `${typeof provider === 'string' ? provider : ''}/${modelId}` : undefined
  }
  const all = models as Readonly<Record<string, unknown>>
  const name = wanted ?? Object.keys(all)[0]
  return name === undefined || !Object.hasOwn(all, name) ? undefined : idOf(all[name], undefined)
}

export const noModels: Models = ({ agent }) =>
  Promise.reject(
    new KeelsonError('MODEL_MISSING', `agent ${agent.name} was asked, but no model is configured`, {
      hint: 'Pass models: aiModels(yourModel) to createConductor; in a test, t.script(agent, input => answer).',
    }),
  )

/** What a thrown error says of its call. Errors of the AI SDK are told by their marks: it is not loaded for this. */
export function failureOf(thrown: unknown): ModelFailure {
  if (KeelsonError.is(thrown, 'OUTPUT_INVALID')) return { how: 'misfit' }
  if (KeelsonError.is(thrown, 'MODEL_MISSING')) return { how: 'refused' }
  const { name, statusCode, usage } = (thrown ?? {}) as { name?: unknown; statusCode?: unknown; usage?: Usage }
  if (name === 'AI_NoObjectGeneratedError' || name === 'AI_NoOutputGeneratedError' || name === 'AI_TypeValidationError')
    return { how: 'misfit', ...(usage === undefined ? {} : { usage: countsOf(usage) }) }
  return { how: typeof statusCode === 'number' && statusCode >= 400 ? 'refused' : 'unknown' }
}

function countsOf({ inputTokens, outputTokens }: Usage): Usage {
  return {
    ...(typeof inputTokens === 'number' ? { inputTokens } : {}),
    ...(typeof outputTokens === 'number' ? { outputTokens } : {}),
  }
}
