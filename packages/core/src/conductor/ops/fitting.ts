/** Fitting: what the journal holds beside outcomes must fit the code; a run whose journal does not is held, and does not fail (P11). */
import type { KeelsonError } from '../../base/errors.ts'
import type { Pass } from '../pass.ts'

/** What `look` answers. What it throws is thrown, and holds the run: the code may catch it, and yet does not go on. */
export function orHeld<R>(pass: Pass, at: string, look: () => R): R {
  try {
    return look()
  } catch (thrown) {
    const { message, hint } = thrown as KeelsonError
    const differs = { at, text: message, hint: hint ?? 'Bring code that knows this shape.' }
    void pass.operation({ key: at, kind: 'read', live: () => {}, differs })
    throw thrown
  }
}
