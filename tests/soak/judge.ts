/**
 * Judge: what must hold after a soak, whatever was killed when.
 *
 * J1. What was acknowledged counts: every start, event, decision and revert shows in a result.
 * J2. Each intent happened once in the world.
 * J3. No worker that lived lost a lease: who took a run over did so from one that had released it or was killed before.
 * J4. The journal verifies, and the file is sound.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Acknowledged } from './client.ts'
import { approves, expected, takesBack, type Outcome } from './playbooks.ts'
import type { Line } from './worker.ts'
import type { Done, Verb } from './world.ts'

export function judgeResults(acknowledged: Acknowledged, results: ReadonlyMap<number, Outcome>): string[] {
  const faults: string[] = []
  for (const n of acknowledged.starts) {
    const result = results.get(n)
    if (result === undefined) {
      faults.push(`order ${n} was acknowledged and has no result`)
      continue
    }
    const { charged, parcel, page, ...rest } = result
    if (!isDeepStrictEqual(rest, expected(n))) faults.push(`order ${n} came to ${JSON.stringify(rest)}`)
    if (acknowledged.closed.get(n) !== rest.approved) faults.push(`order ${n}: its decision was lost`)
    if (!acknowledged.sends.has(n)) faults.push(`order ${n} got an event that nobody sent`)
    if ((page !== null) !== approves(n) || !charged.startsWith(`charge-${n}-`) || !parcel.startsWith(`dispatch-${n}-`))
      faults.push(`order ${n} has refs ${charged}, ${parcel}, ${page}`)
  }
  return faults
}

export function judgeEffects(
  acknowledged: Acknowledged,
  results: ReadonlyMap<number, Outcome>,
  effects: readonly Done[],
): string[] {
  const faults: string[] = []
  const done = Map.groupBy(effects, ({ verb, order }) => `${verb} ${order}`)
  const judge = (verb: Verb, n: number, wanted: boolean, ref?: string | null): void => {
    const found = done.get(`${verb} ${n}`) ?? []
    done.delete(`${verb} ${n}`)
    if (found.length !== (wanted ? 1 : 0)) faults.push(`${verb} of order ${n} happened ${found.length} times`)
    else if (wanted && typeof ref === 'string' && found[0]!.ref !== ref)
      faults.push(`${verb} of order ${n} is ${found[0]!.ref} in the world and ${ref} in the result`)
  }
  for (const n of acknowledged.starts) {
    const result = results.get(n)
    judge('charge', n, true, result?.charged)
    judge('dispatch', n, true, result?.parcel)
    judge('publish', n, approves(n), result?.page)
    judge('unpublish', n, takesBack(n))
  }
  for (const what of done.keys()) faults.push(`${what} happened and nobody asked for it`)
  return faults
}

export interface Leases {
  readonly faults: string[]
  readonly claims: number
  /** Runs that were taken from a worker that was killed. */
  readonly takeovers: number
}

export function judgeLeases(lines: readonly Line[], killed: ReadonlyMap<string, number>): Leases {
  const faults: string[] = []
  let takeovers = 0
  const released = new Set(lines.filter(({ what }) => what === 'releasing').map(leaseOf))
  const claims = lines.filter(({ what }) => what === 'claimed')
  for (const { what, worker, run } of lines)
    if (what === 'fenced') faults.push(`${worker} lived and lost its lease of ${run}`)
  for (const [run, all] of Map.groupBy(claims, (line) => line.run)) {
    const given = all.sort((a, b) => a.epoch - b.epoch)
    for (const [i, line] of given.entries()) {
      const before = given[i - 1]
      if (before === undefined || before.epoch + 1 < line.epoch) continue // a claim that was killed before its line
      if (before.epoch === line.epoch) faults.push(`epoch ${line.epoch} of ${run} was given twice`)
      const killedAt = killed.get(before.worker)
      if (killedAt !== undefined && killedAt <= line.at) takeovers++
      else if (!released.has(leaseOf(before)))
        faults.push(`${line.worker} took ${run} from ${before.worker}, which lived`)
    }
  }
  return { faults, claims: claims.length, takeovers }
}

const leaseOf = ({ worker, run, epoch }: Line): string => JSON.stringify([worker, run, epoch])
