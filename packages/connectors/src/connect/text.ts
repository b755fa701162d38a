/** Text: what people and models may write into a field of an outside system: no control characters, bounded. */
import { z } from 'zod'

/** One line: nothing in it can begin another. */
export function oneLine(max: number) {
  return z
    .string()
    .max(max)
    .refine((text) => !/[\p{Cc}\u2028\u2029]/u.test(text), 'has a line break or control character')
}

/** Lines and tabs, and no other control characters. */
export function manyLines(max: number) {
  return z
    .string()
    .max(max)
    .refine((text) => !/[^\P{Cc}\t\n\r]/u.test(text), 'has a control character')
}
