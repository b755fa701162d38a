/** Reliability 33: runs that park are rows: however many did, the heap comes back to where it was. `npm run heap` parks 100,000 times. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

const FULL = process.env['KEELSON_FULL'] === '1'
/** Rounds behind the first two, in which everything that is made once is made. */
const ROUNDS = FULL ? 22 : 5
const PARKS = FULL ? 5000 : 400
/** Of one run. Adapters keep the names of some thousand streams, so many parks take long runs. */
const PARKS_OF_RUN = FULL ? 80 : 40

describe('the heap of a process', () => {
  it(
    `is within 10 % of its start after ${(ROUNDS - 2) * PARKS} parks (100,000 by \`npm run heap\`)`,
    { timeout: FULL ? 3_600_000 : 240_000 },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'keelson-heap-'))
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
      const args = [join(folder, 'company.db'), ...[ROUNDS, PARKS, PARKS_OF_RUN].map(String)]
      const child = fork(join(import.meta.dirname, '../soak/parks.ts'), args, {
        // Code that was not called for a while stays: it is no part of what parks leave.
        execArgv: ['--conditions=@keelson/source', '--expose-gc', '--no-flush-bytecode'],
      })
      onTestFinished(() => void child.kill('SIGKILL'))
      const [told] = (await once(child, 'message')) as [{ heaps: number[]; parked: number }]
      const [, start, ...after] = told.heaps
      expect(told.parked).toBeGreaterThanOrEqual(ROUNDS * PARKS)
      const grown = after.map((heap) => Math.round((heap / start! - 1) * 1000) / 10)
      const roundByRound = `grown by per cent, round by round: ${grown.join(', ')}`
      expect(Math.abs(grown.at(-1)!), roundByRound).toBeLessThan(10)
    },
  )
})
