/** Script: what agents answer in a test, by agent; an agent without a line fails, showing what it was asked. */
import type { ModelCall, Models } from '@keelson/core'
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

export class Script {
  readonly #lines = new Map<string, Line>()
  readonly #asked = new Map<string, Asked[]>()
  #moves = 0

  /** Grows whenever a question is asked. */
  get moves(): number {
    return this.#moves
  }

  set(agent: string, answer: Line): void {
    this.#lines.set(agent, answer)
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
    const answer = this.#lines.get(agent.name)
    if (answer !== undefined) return { output: await answer(input, asked) }
    throw new KeelsonError(
      'MODEL_MISSING',
      `agent ${call.agent.name} has no script: it was asked ${JSON.stringify(call.input)}`,
      {
        hint: `Give it one before the run starts: t.script(${call.agent.name}, input => answer).`,
      },
    )
  }
}
