/**
 * Windows: for how long this process has looked for effects in vain, by a clock that nobody can set.
 *
 * Who finds nothing may only be early. How long it has been since the sending is known by the wall clock alone once a process
 * has ended; so each process that looks begins anew, and takes "not found" for an answer when it has waited itself.
 */
import type { Clock } from '../../base/clock.ts'

/** Wall clocks are slowed down and sped up by so much without being set; a timer goes by them. */
const SLEWED = 0.01

export class Windows {
  readonly #clock: Pick<Clock, 'monotonic'>
  /** When this process first looked, by what is looked for. */
  readonly #begun = new Map<string, number>()

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** A look begins. Answers how long ago the first one did, in milliseconds. */
  look(effect: string): number {
    const now = this.#clock.monotonic()
    const begun = this.#begun.get(effect) ?? now
    this.#begun.set(effect, begun)
    return now - begun
  }

  /** What was looked for is found, given up, or sent again. */
  close(effect: string): void {
    this.#begun.delete(effect)
  }
}

/** What is left of a window of which so much has passed. */
export function leftOf(windowMs: number, passedMs: number): number {
  return passedMs >= windowMs * (1 - SLEWED) ? 0 : windowMs - passedMs
}
