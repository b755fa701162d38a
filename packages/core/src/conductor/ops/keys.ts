/** Keys: names of operations made unique by an ordinal, the same on every replay; never positions. */
import { KeelsonError } from '../../base/errors.ts'

/** A place that operations are named in: a run, or one branch of it. */
export class Keys {
  readonly prefix: string
  readonly #counts = new Map<string, number>()
  readonly #open = new Set<string>()

  constructor(prefix = '') {
    this.prefix = prefix
  }

  /** The key of the next operation of this name. Throws `STEP_KEY_NEEDED` while one of this name is still open. */
  next(name: string): string {
    if (
      typeof name !== 'string' ||
      name === '' ||
      name.length > 200 ||
      /[#[\]]|\p{Cc}/u.test(name) ||
      !name.isWellFormed()
    ) {
      throw new KeelsonError(
        'STEP_KEY_NEEDED',
        `${JSON.stringify(String(name).slice(0, 60).toWellFormed())} is not a name for a step`,
        {
          hint: 'Use 1 to 200 characters without "#", "[" and "]".',
        },
      )
    }
    if (this.#open.has(name)) {
      throw new KeelsonError(
        'STEP_KEY_NEEDED',
        `"${name}" is already under way here: a second one could not be told from it on replay`,
        {
          hint: 'Give each its own name, or use ctx.all(items, item => item.id, …).',
        },
      )
    }
    const count = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, count)
    return `${this.prefix}${name}${count === 1 ? '' : `#${count}`}`
  }

  /** From now on another operation of this name is refused. */
  hold(name: string): void {
    this.#open.add(name)
  }

  release(name: string): void {
    this.#open.delete(name)
  }
}
