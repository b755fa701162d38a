/** The soak, short: as many kills as a test may take. `npm run soak` does a thousand. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { soak } from './soak.ts'

const KILLS = Number(process.env['KEELSON_SOAK_KILLS'] ?? 25)
const SEED = process.env['KEELSON_SOAK_SEED'] ?? 'short'

describe('two conductors on one SQLite file, killed at random moments', () => {
  it('#2 lose nothing that was acknowledged, double no effect and take no run from the living (P1–P5, P8, P12)', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'keelson-soak-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const report = await soak({ folder, kills: KILLS, seed: SEED, stuckMs: 90_000 })
    expect(report.faults, `npm run soak -- --kills ${KILLS} --seed ${SEED}`).toEqual([])
    expect(report.kills).toBeGreaterThanOrEqual(KILLS)
    // A soak in which a kill hit nothing proves nothing.
    expect(report.takeovers).toBeGreaterThan(0)
    expect(report.orders).toBeGreaterThan(0)
    expect(report.acknowledged).toMatchObject({ starts: report.orders, sends: report.orders })
  }, 180_000)
})
