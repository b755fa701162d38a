/** The crash matrix: each program, cut at every point, ends as it does uncut. `KEELSON_CRASHES=all` explores all of it. */
import { exploreCrashes, testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { programs } from './crash-programs.ts'
import { sqliteFiles } from './crash-sqlite.ts'

const all = process.env['KEELSON_CRASHES'] === 'all'

const wanted = process.env['KEELSON_PROGRAM']

describe.each(programs.filter(({ name }) => wanted === undefined || name === wanted))('$name', ({ harness, test }) => {
  it('ends the same wherever it is cut', { timeout: 3_600_000 }, async () => {
    const explored = await exploreCrashes(test, {
      harness,
      depth: 2,
      ...(all ? {} : { limit: 120 }),
      ...(process.env['KEELSON_ONLY'] === undefined ? {} : { only: process.env['KEELSON_ONLY'] }),
    })
    expect(explored.schedules).toBeGreaterThan(0)
  })

  it('ends the same wherever it is cut, on a SQLite file', { timeout: 3_600_000 }, async () => {
    const explored = await exploreCrashes(test, {
      harness,
      depth: 2,
      stores: [sqliteFiles],
      atOnce: 8,
      ...(all ? { limit: 2000 } : { limit: 30 }),
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

async function ended(value: unknown): Promise<unknown> {
  return typeof value === 'object' && value !== null && 'result' in value
    ? (value.result as () => Promise<unknown>)()
    : value
}
