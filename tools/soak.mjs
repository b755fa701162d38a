/**
 * Runs the kill -9 soak of tests/soak and prints its report: `npm run soak -- --kills 1000 --seed 7 --json`.
 *
 * Ends with 1 when anything does not hold; the folder with the store and the log is kept then, and named.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { soak } from '../tests/soak/soak.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Date.now()) },
    json: { type: 'boolean', default: false },
  },
})
const { seed, json } = values
const kills = Number(values.kills)
const again = `npm run soak -- --kills ${kills} --seed ${seed}`
const folder = mkdtempSync(join(tmpdir(), 'keelson-soak-'))
const began = performance.now()

console.error(`soak: seed ${seed}; again: ${again}`)
const tty = process.stderr.isTTY
let told = 0
const onProgress = (line) => {
  const every = tty ? 200 : 15_000
  if (performance.now() - told < every) return
  told = performance.now()
  process.stderr.write(tty ? `\r${line}   ` : `${line}\n`)
}
const report = await soak({ folder, kills, seed, onProgress })
const seconds = Math.round((performance.now() - began) / 1000)
if (tty) process.stderr.write('\n')

if (json) console.log(JSON.stringify({ ...report, seconds }, null, 2))
else {
  const { acknowledged: a, world } = report
  console.log(`${report.kills} kills (${report.both} of both, ${report.early} before opening) in ${seconds} s`)
  console.log(`${a.starts} starts, ${a.sends} events, ${a.decisions} decisions, ${a.reverts} reverts acknowledged`)
  console.log(
    `${report.claims} claims, ${report.takeovers} runs taken over from the dead, ${report.quarantined} set aside, ${report.unknown} effects told of by a person, ${report.entries} entries`,
  )
  console.log(
    `${report.effects} effects; ${world.repeated} repeated calls, ${world.lost} answers lost in ${world.calls}`,
  )
  console.log(report.faults.length === 0 ? 'all holds' : report.faults.slice(0, 50).join('\n'))
}
if (report.faults.length > 0) {
  console.error(`${report.faults.length} faults; kept in ${folder}; again: ${again}`)
  process.exit(1)
}
rmSync(folder, { recursive: true, force: true })
process.exit(0)
