/** Script: what agents answer in a test, by agent; an agent without a line fails, showing what it was asked. */
import type { ModelCall, Models } from '@keelson/core'
import { KeelsonError } from '@keelson/core/ports'

export class Script {
  readonly #lines = new Map<string, (input: unknown) => unknown>()
  #calls = 0

  /** How often an agent was asked, whatever came of it. */
  get calls(): number {
    return this.#calls
  }

  set(agent: string, answer: (input: unknown) => unknown): void {
    this.#lines.set(agent, answer)
  }

  readonly models: Models = async (call: ModelCall) => {
    this.#calls++
    const answer = this.#lines.get(call.agent.name)
    if (answer !== undefined) return { output: await answer(call.input) }
    throw new KeelsonError(
      'MODEL_MISSING',
      `agent ${call.agent.name} has no script: it was asked ${JSON.stringify(call.input)}`,
      {
        hint: `Give it one before the run starts: t.script(${call.agent.name}, input => answer).`,
      },
    )
  }
}
