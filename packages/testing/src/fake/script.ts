/** Script: what agents answer in a test, by agent; an agent without a line fails, showing what it was asked. */
import type { ModelAnswer, ModelCall, Models } from '@keelson/core'
import { KeelsonError } from '@keelson/core/ports'

/** One question that a model was asked. */
export interface Asked<In = unknown> {
  readonly input: In
  /** Which of its models the agent asked for. */
  readonly model?: string
  /** What was wrong with the answer before. */
  readonly repair?: string
}

type Line = (input: unknown, asked: Asked) => unknown

/** What an answer has used, for budgets and prices. Without it, it counts as what was reserved for it. */
export type Used = (input: unknown, asked: Asked) => ModelAnswer['usage']

export class Script {
  readonly #lines = new Map<string, { readonly answer: Line; readonly usage: Used | undefined }>()
  readonly #asked = new Map<string, Asked[]>()
  #moves = 0

  /** Grows whenever a question is asked. */
  get moves(): number {
    return this.#moves
  }

  set(agent: string, answer: Line, usage?: Used): void {
    this.#lines.set(agent, { answer, usage })
  }

  /** What an agent was asked, whatever came of it: each of these would have been paid for. */
  asked(agent: string): readonly Asked[] {
    return this.#asked.get(agent) ?? []
  }

  readonly models: Models = async (call: ModelCall) => {
    const { agent, input, model, repair } = call
    const asked: Asked = {
      input,
      ...(model === undefined ? {} : { model }),
      ...(repair === undefined ? {} : { repair }),
    }
    this.#moves++
    this.#asked.set(agent.name, [...this.asked(agent.name), asked])
    const line = this.#lines.get(agent.name)
    if (line !== undefined) {
      const output = await line.answer(input, asked)
      const usage = line.usage?.(input, asked)
      return usage === undefined ? { output } : { output, usage }
    }
    throw new KeelsonError(
      'MODEL_MISSING',
      `agent ${call.agent.name} has no script: it was asked ${JSON.stringify(call.input)}`,
      {
        hint: `Give it one before the run starts: t.script(${call.agent.name}, input => answer).`,
      },
    )
  }
}
