/** Duration: '90s', '10m', '2h', '14d' as milliseconds. */
import type { z } from 'zod'
import { KeelsonError } from './errors.ts'
import type { Zod } from './zod.ts'

/** A number and a unit: '90s', '10m', '1.5h', '14d'. docs/reference/durations.md has the rules. */
export type Duration = `${number}${'s' | 'm' | 'h' | 'd'}`

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const SHAPE = /^(\d{1,9}(?:\.\d{1,6})?)([smhd])$/

/** Far longer than anything waits, and far from the last instant that a date can tell. */
const LONGEST_MS = 100_000 * UNITS.d
const HOW = "Write a number and one of s, m, h, d: '90s', '10m', '2h', '14d'."
const TOO_LONG = 'longer than 100,000 days'

/** Milliseconds of a duration text. Days are 24 hours. Throws `DURATION_INVALID`. */
export function durationMs(text: string): number {
  const found = SHAPE.exec(text)
  if (!found) {
    throw new KeelsonError('DURATION_INVALID', `"${text}" is not a duration`, {
      hint: HOW,
    })
  }
  const ms = msOf(found)
  if (ms <= LONGEST_MS) return ms
  throw new KeelsonError('DURATION_INVALID', `"${text}" is ${TOO_LONG}`)
}

/** Durations as a schema, made with your zod: for inputs, settings and answers that go where a verb takes one. */
export function duration(z: Zod): z.ZodType<Duration, Duration> {
  const text = z.string().regex(SHAPE, { error: `Not a duration. ${HOW}`, abort: true })
  const schema: z.ZodType = text.refine((one) => msOf(SHAPE.exec(one)!) <= LONGEST_MS, `A duration is not ${TOO_LONG}.`)
  return schema as z.ZodType<Duration, Duration>
}

function msOf([, number, unit]: RegExpExecArray): number {
  return Math.round(Number(number) * UNITS[unit as keyof typeof UNITS])
}
