/** Duration: '90s', '10m', '2h', '14d' as milliseconds. */
import { KeelsonError } from './errors.ts'

/** A number and a unit: '90s', '10m', '1.5h', '14d'. docs/reference/durations.md has the rules. */
export type Duration = `${number}${'s' | 'm' | 'h' | 'd'}`

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const SHAPE = /^(\d{1,9}(?:\.\d{1,6})?)([smhd])$/

/** Far longer than anything waits, and far from the last instant that a date can tell. */
const LONGEST_MS = 100_000 * UNITS.d

/** Milliseconds of a duration text. Days are 24 hours. Throws `DURATION_INVALID`. */
export function durationMs(text: string): number {
  const found = SHAPE.exec(text)
  if (!found) {
    throw new KeelsonError('DURATION_INVALID', `"${text}" is not a duration`, {
      hint: "Write a number and one of s, m, h, d: '90s', '10m', '2h', '14d'.",
    })
  }
  const ms = Math.round(Number(found[1]) * UNITS[found[2] as keyof typeof UNITS])
  if (ms <= LONGEST_MS) return ms
  throw new KeelsonError('DURATION_INVALID', `"${text}" is longer than 100,000 days`)
}
