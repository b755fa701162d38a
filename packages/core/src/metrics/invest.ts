/** Invest: where a person's next hour saves the most, and why, from the sums alone. Pure. */
import { wilsonLower } from '../policy/trust.ts'
import type { Rollup } from './rollup.ts'

export interface Investment {
  readonly what: string
  /** Evidence, in plain numbers. */
  readonly why: string
  readonly playbook: string
  /** Of the span that was looked at: what it would have saved. */
  readonly minutes: number
}

/** What nobody has measured is assumed, and `why` says so: a try that failed, a correction, a failed run whose playbook has no baseline. */
const TRY_MS = 30_000
const CORRECTION_MS = 2 * 60_000
const FAILED_MS = 10 * 60_000

/** The best first; none that would save less than a minute. */
export function investments(sums: readonly Rollup[]): Investment[] {
  return sums
    .flatMap((sum) => [...gates(sum), ...failures(sum), ...corrections(sum), ...retries(sum)])
    .filter((one) => one.minutes >= 1)
    .sort((a, b) => b.minutes - a.minutes || (a.what < b.what ? -1 : 1))
    .slice(0, 10)
}

/** Asks that were answered as proposed: minutes, weighed by how sure it is that they would be again. */
function gates(sum: Rollup): Investment[] {
  return Object.entries(sum.gates).map(([action, gate]) => {
    const lower = wilsonLower(gate.unchanged, gate.asked)
    const good = lower >= 0.8
    const counted = `${gate.unchanged} of ${gate.asked} approved unchanged (at least ${percent(lower)})`
    const spent = `${minutes(gate.activeMs)} min`
    const often = gate.edited >= gate.rejected ? 'edited' : 'refused'
    return {
      what: good
        ? `let ${action} do more by itself: a grant, or the next rung`
        : `teach ${action} what you ${often === 'edited' ? 'change' : 'refuse'}`,
      why: good
        ? `${counted}, ${spent} of looking`
        : `${gate.edited} edited and ${gate.rejected} refused of ${gate.asked}, ${spent} of looking`,
      playbook: sum.playbook,
      minutes: minutes(gate.activeMs * (good ? lower : share(gate.edited + gate.rejected, gate.asked))),
    }
  })
}

function failures(sum: Rollup): Investment[] {
  const worst = Object.entries(sum.troubled).sort((a, b) => b[1].exhausted - a[1].exhausted)[0]
  if (sum.failed === 0) return []
  const step = worst === undefined || worst[1].exhausted === 0 ? '' : `, most often at "${worst[0]}"`
  const [each, from] =
    sum.based > 0 ? [(sum.lowMs + sum.highMs) / 2 / sum.based, 'by its baseline'] : [FAILED_MS, 'assumed']
  return [
    {
      what: `make ${sum.playbook} fail less`,
      why: `${sum.failed} runs failed${step}; each leaves its work to a person: ${minutes(each)} min, ${from}`,
      playbook: sum.playbook,
      minutes: minutes(sum.failed * each),
    },
  ]
}

function corrections(sum: Rollup): Investment[] {
  if (sum.repeats === 0) return []
  const most = Object.entries(sum.corrected).sort((a, b) => b[1] - a[1])[0]
  return [
    {
      what: 'make a rule of what you correct again and again',
      why: `${sum.repeats} of ${sum.touches.correction} corrections were of a kind made before${most === undefined ? '' : `, most often at ${most[0]}`}; each is assumed to take ${minutes(CORRECTION_MS)} min`,
      playbook: sum.playbook,
      minutes: minutes(sum.repeats * CORRECTION_MS),
    },
  ]
}

function retries(sum: Rollup): Investment[] {
  const cause = Object.entries(sum.causes).sort((a, b) => b[1] - a[1])[0]
  const worst = Object.entries(sum.troubled).sort(
    (a, b) => b[1].attempts - b[1].steps - (a[1].attempts - a[1].steps),
  )[0]
  if (cause === undefined || sum.attempts === sum.steps) return []
  const system = Object.entries(sum.connectors)
    .filter(([, one]) => one.attempts > one.steps)
    .sort((a, b) => b[1].attempts - b[1].steps - (a[1].attempts - a[1].steps))[0]
  const at = system === undefined ? '' : `, ${system[1].attempts - system[1].steps} of them at ${system[0]}`
  return [
    {
      what: `steady "${worst?.[0] ?? 'its steps'}" of ${sum.playbook}`,
      why: `${sum.attempts - sum.steps} tries failed first, mostly ${cause[0]} (${cause[1]})${at}; each is assumed to cost ${minutes(TRY_MS)} min`,
      playbook: sum.playbook,
      minutes: minutes((sum.attempts - sum.steps) * TRY_MS),
    },
  ]
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}

function minutes(ms: number): number {
  return Math.round(ms / 6000) / 10
}

function percent(value: number): string {
  return `${Math.floor(value * 100)} %`
}
