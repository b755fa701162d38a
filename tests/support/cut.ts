/**
 * What every program of the crash matrix is put to in the tests: a seeded share of all places at which it can be cut, so that the
 * suite stays short. `npm run crashes -- --at-least 2000` explores more of them.
 */
import { exploreCrashes, testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import type { Program } from '../crash-programs.ts'
import { sqliteFiles } from '@keelson/memory-sqlite/testing'

export function cut(programs: readonly Program[]): void {
  describe.each(programs)('$name', ({ harness, test, invariant }) => {
    const of = { harness, depth: 2, ...(invariant === undefined ? {} : { invariant }) } as const

    it('#1 ends the same wherever it is cut', { timeout: 3_600_000 }, async () => {
      const explored = await exploreCrashes(test, {
        ...of,
        limit: 48,
        ...(process.env['KEELSON_ONLY'] === undefined ? {} : { only: process.env['KEELSON_ONLY'] }),
      })
      expect(explored.schedules).toBeGreaterThan(0)
    })

    it('#1 ends the same wherever it is cut, on a SQLite file', { timeout: 3_600_000 }, async () => {
      const explored = await exploreCrashes(test, {
        ...of,
        stores: [sqliteFiles()],
        atOnce: 8,
        limit: 12,
      })
      expect(explored.schedules).toBeGreaterThan(0)
    })

    it('ends the same when everything is replayed all the time', async () => {
      const plain = await testConductor(harness())
      const replayed = await testConductor({ ...harness(), alwaysReplay: true })
      const [one, other] = [await test(plain), await test(replayed)]
      expect(await ended(other)).toEqual(await ended(one))
      expect(await replayed.keelson.audit.verify()).toMatchObject({ ok: true })
    })
  })
}

async function ended(value: unknown): Promise<unknown> {
  return typeof value === 'object' && value !== null && 'result' in value
    ? (value.result as () => Promise<unknown>)()
    : value
}
