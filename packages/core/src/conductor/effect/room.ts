/** Room: waiting until a budget has room again, or the turn of a rate has come. */
import type { Duration } from '../../base/duration.ts'
import { budgetEvent } from '../budget-run.ts'
import type { Limit } from '../limits.ts'
import { sleep, waitFor } from '../ops/waits.ts'
import type { Pass } from '../pass.ts'
import { iso } from '../waiting.ts'

/** Why it will not be; undefined when it is worth another try. `at`: when the limit was met. */
export async function untilThereIsRoom(
  pass: Pass,
  limit: Limit & { kind: 'rate' | 'budget' },
  at: number,
  round: number | string,
): Promise<string | undefined> {
  if (limit.kind === 'rate') {
    await sleep(pass, `turn ${round}`, { until: iso(limit.until) }, { kind: 'rate', what: limit.what })
    return undefined
  }
  const { budget, epoch, what, run, until, refused } = limit
  if (refused !== undefined) return `${what}; it is not raised: ${refused}`
  const timeout = until === undefined ? {} : { timeout: `${Math.max(1, until - at) / 1000}s` as Duration }
  const wait = { kind: 'budget', what, run, ...(until === undefined ? {} : { until: iso(until) }) } as const
  const said = await waitFor(pass, `budget ${round}`, budgetEvent(), { match: { budget, epoch }, wait, ...timeout })
  const no = (said as { refused?: string } | undefined)?.refused
  return no === undefined ? undefined : `${what}; it is not raised: ${no}`
}
