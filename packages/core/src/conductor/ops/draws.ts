/**
 * Draws: the ids and random numbers of a run, the same on every replay.
 *
 * What the code of a step draws is apart from what the run draws, by its step and try: a replay does not run the step again, and
 * the run would draw next what the step has had.
 */
import { sha256 } from '../../base/hash.ts'
import { seeded } from '../../base/ids.ts'
import { canonical } from '../../base/json.ts'
import { insideStep, type Pass } from '../pass.ts'

/** One sequence of each. */
class Drawn {
  readonly #seed: string
  #random: (() => number) | undefined
  #ids = 0

  constructor(seed: string) {
    this.#seed = seed
  }

  random(): number {
    this.#random ??= seeded(this.#seed)
    return this.#random()
  }

  id(): string {
    return sha256(canonical([this.#seed, this.#ids++])).slice(0, 24)
  }
}

/** What is drawn from at this moment. `prefix`: of a branch, which has sequences of its own. */
export function drawing(pass: Pass, prefix: string): () => Drawn {
  let own: Drawn | undefined
  let steps: Map<string, Drawn> | undefined
  const seed = (): string => {
    const { row } = pass.task.claimed
    return sha256(canonical([row.id, row.stream, prefix]))
  }
  return () => {
    const step = insideStep.getStore()
    if (step === undefined) return (own ??= new Drawn(seed()))
    const place = canonical([seed(), step, pass.history.ops.get(step)?.attempts ?? 0])
    steps ??= new Map()
    const found = steps.get(place) ?? new Drawn(sha256(place))
    steps.set(place, found)
    return found
  }
}
