/**
 * Points: every place at which a schedule may crash the conductor or fail its store, numbered in the order of reaching.
 *
 * A schedule is a list of numbers: '17' is the 17th point; '17,3' then also the 3rd point after that, which may be one
 * that recovery made.
 */
import type { NewRun, PassUnit, Placed } from '@keelson/core/ports'
import type { Probe } from '../harness/life.ts'
import { storeFailure, type Detail, type Operation } from '../intercept.ts'

export type Schedule = readonly number[]

/** A point that was acted on. */
export interface Fired {
  readonly number: number
  readonly label: string
  /** How many entries the store held then. */
  readonly written: number
}

export class Points {
  /** What each point was, from the first on. */
  readonly labels: string[] = []
  readonly fired: Fired[] = []
  readonly #schedule: Schedule
  #since = 0
  #written = 0

  constructor(schedule: Schedule) {
    this.#schedule = schedule
  }

  /** Every point of the schedule was reached. */
  get done(): boolean {
    return this.fired.length === this.#schedule.length
  }

  /** A point is reached. True when the schedule wants it. */
  reached(label: string): boolean {
    this.labels.push(label)
    const wanted = this.#schedule[this.fired.length]
    if (wanted === undefined || this.labels.length - this.#since !== wanted) return false
    this.#since = this.labels.length
    this.fired.push({ number: wanted, label, written: this.#written })
    return true
  }

  wrote(entries: number): void {
    this.#written += entries
  }
}

/** Stops at the points of a schedule. `crash` ends the life; what was called then never answers. */
export function probeAt(points: Points, crash: () => void): Probe {
  const crashes = (label: string): boolean => {
    const wanted = points.reached(`crash ${label}`)
    if (wanted) crash()
    return wanted
  }
  const fails = (label: string): void => {
    if (points.reached(`fail ${label}`)) throw storeFailure()
  }
  return {
    before(op, detail) {
      if (op !== 'write' && op !== 'commit') return
      const what = describe(op, detail)
      if (!crashes(`before ${what}`)) fails(`instead of ${what}`)
    },
    after(op, detail, answer) {
      const what = written(op, detail, answer)
      if (what === undefined) return
      points.wrote(entriesOf(op, detail))
      if (!crashes(`after ${what}`)) fails(`the answer of ${what}`)
    },
    effect(verb, action, when) {
      crashes(`${when} ${verb} of ${action}`)
    },
  }
}

/** What a call has changed, or undefined. */
function written(op: Operation, detail: Detail, answer: unknown): string | undefined {
  if (op === 'claim') {
    const { claimed } = answer as { claimed: readonly { row: { id: string } }[] }
    return claimed.length === 0 ? undefined : `claim ${claimed.map(({ row }) => row.id).join(' ')}`
  }
  if (op !== 'write' && op !== 'commit') return undefined
  return (answer as { status: string }).status === 'done' ? describe(op, detail) : undefined
}

function describe(op: 'write' | 'commit', detail: Detail): string {
  const unit = detail[1] as PassUnit
  const parts = [
    ...(unit.starts ?? []).map(({ id }: NewRun) => `start ${id}`),
    ...(unit.entries ?? []).map(({ kind, key }) => (key === '' ? kind : `${kind} "${key}"`)),
    ...(unit.deliveries ?? []).map(({ kind, run }) => `${kind} mail to ${run}`),
    ...(unit.next === undefined ? [] : [`to ${unit.next.to}`]),
  ]
  const of = op === 'commit' ? ` of ${(detail[0] as { run: string }).run}` : ''
  return `${op}${of} [${parts.join(', ')}]`
}

function entriesOf(op: Operation, detail: Detail): number {
  if (op === 'claim') return 0
  const { entries = [], starts = [], next } = detail[1] as PassUnit
  const continued = next?.to === 'continued' ? next.entries.length : 0
  return entries.length + starts.reduce((sum, start) => sum + start.entries.length, 0) + continued
}

/** The journal in commit order, with the places marked at which something was done to it. */
export function table(entries: readonly Placed[], fired: readonly Fired[]): string {
  const rows = entries.map(({ stream, seq, kind, key, at }) => {
    const when = new Date(at).toISOString().replace('.000', '')
    return `  ${when}  ${stream.slice(0, 40)} #${seq}  ${kind}${key === '' ? '' : ` "${key}"`}`
  })
  for (const { label, written } of [...fired].reverse()) rows.splice(written, 0, `> ${label}`)
  return rows.join('\n')
}
