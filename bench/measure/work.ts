/** Work: what every engine is given to do, so that the figures compare. */

export const STEPS = 10

/** About 200 bytes as JSON, different each time, because equal pages and texts are cheaper. */
export function result(run: string, step: number): { run: string; step: number; text: string } {
  const head = `${run}/${step}:`
  return { run, step, text: head + 'abcdefghijklmnopqrstuvwxyz0123456789'.repeat(5).slice(0, 150 - head.length) }
}
