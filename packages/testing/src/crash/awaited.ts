/**
 * Awaited: which verbs of a harness a test has begun and not awaited. What it leaves behind dies with its conductor, and its
 * error would be nobody's: it ended the process.
 */
import { KeelsonError } from '@keelson/core/ports'
import type { Harness } from '../harness/harness.ts'

type Verb = (...given: readonly unknown[]) => unknown

export interface Awaited {
  readonly harness: Harness
  /** Throws `STEP_NOT_AWAITED` for a verb that is still under way. What is left is heard by nobody from now on. */
  assertEnded(): void
  /** What is left is heard by nobody. */
  leave(): void
}

/** `quietly`: nobody has to hear of what fails; the same is done again, aloud. */
export function awaited(harness: Harness, quietly = false): Awaited {
  const open = new Map<Promise<unknown>, string>()
  const called = (name: string, verb: Verb): Verb =>
    function (...given) {
      const answer = verb.apply(harness, given as unknown[])
      if (!(answer instanceof Promise)) return answer
      const handed = answer.then((value: unknown) => value)
      const over = (): void => void open.delete(handed)
      open.set(handed, `t.${name}(${nameOf(given[0])})`)
      answer.then(over, over)
      if (quietly) handed.catch(() => {})
      return handed
    }
  const leave = (): void => {
    for (const handed of open.keys()) handed.catch(() => {})
  }
  const watching = new Proxy(harness, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' && typeof name === 'string' ? called(name, value as Verb) : value
    },
  })
  return {
    harness: watching,
    leave,
    assertEnded() {
      const [left] = open.values()
      leave()
      if (left === undefined) return
      throw new KeelsonError('STEP_NOT_AWAITED', `the test has ended, and did not await ${left}`, {
        hint: `Write await ${left}: what a test does not await dies with its conductor.`,
      })
    },
  }
}

function nameOf(given: unknown): string {
  if (typeof given === 'string') return `'${given}'`
  const { name } = (given ?? {}) as { name?: unknown }
  return typeof name === 'string' ? name : '…'
}
