/** Retrying: waiting for the next try: short delays in the pass, long ones parked. */
import type { Pass } from '../pass.ts'
import { iso } from '../waiting.ts'

/**
 * Waits until `at` if that is near and answers true; else leaves the run to park until then and answers false. A run whose
 * worker died parks in any case: another death, while it only waits, would count against it. A pass that is to end tries
 * nothing more.
 */
export async function sleepWithin(pass: Pass, key: string, at: number, what: string): Promise<boolean> {
  const { env, claimed } = pass.task
  const { clock, limits } = env
  if (at <= clock.now()) return true
  if (at - clock.now() > limits.shortMs || claimed.row.deaths > 0) {
    pass.waits.set(key, { kind: 'retry', what: `${what}${reason(pass, key)}`, until: iso(at) })
    return false
  }
  await pass.work.run(
    () =>
      new Promise<void>((resolve) => {
        const cancel = clock.timer(at, resolve)
        pass.signal.addEventListener('abort', () => (cancel(), resolve()), { once: true })
      }),
  )
  return !pass.work.aborted && !pass.work.stopping
}

/** Why the last try failed, in one line. */
function reason(pass: Pass, key: string): string {
  const message = pass.history.ops.get(key)?.failure?.message.replaceAll(/\s+/g, ' ').trim()
  if (message === undefined || message === '') return ''
  return `: ${message.length > 200 ? `${message.slice(0, 199).toWellFormed()}\u2026` : message}`
}
