/**
 * Explores the whole crash matrix on memory, a share of it on SQLite files, and many simulations: `npm run crashes`.
 *
 * `npm run crashes -- onboarding` explores one program; `--sqlite 2000` says how many schedules of each go to SQLite; `--json` prints
 * one object. Each part that holds is noted for this state of the sources, so that a run that was cut short goes on where it was; `--again`
 * begins anew. Ends with 1 at the first schedule that does not hold, with the line that reproduces it.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { exploreCrashes } from '@keelson/testing'
import { peoplePrograms } from '../tests/crash-people.ts'
import { programs as first } from '../tests/crash-programs.ts'
import { revertPrograms } from '../tests/crash-reverts.ts'
import { sqliteFiles } from '../tests/crash-sqlite.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sqlite: { type: 'string', default: '2000' },
    again: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const programs = [...first, ...revertPrograms, ...peoplePrograms]
/** Parts of one program on one kind of store: what is lost when a run is cut short. */
const SLICES = 8
const notes = 'node_modules/.cache/keelson/crashes.json'
const state = stateOfSources()
const done = values.again ? {} : read()

const report = []
for (const { name, harness, test } of programs.filter(
  (one) => positionals.length === 0 || positionals.includes(one.name),
)) {
  for (const store of ['memory', 'sqlite']) {
    const began = performance.now()
    const found = { program: name, store, schedules: 0, points: 0, sometimes: {} }
    for (let number = 1; number <= SLICES; number++) {
      const part = `${name} ${store} ${number}/${SLICES}${store === 'sqlite' ? ` of ${values.sqlite}` : ''}`
      const options = { harness, depth: 2, slice: { number, of: SLICES }, progress: teller(part) }
      const limited = { stores: [sqliteFiles], atOnce: 8, limit: Math.ceil(Number(values.sqlite) / SLICES) }
      done[part] ??= await exploreCrashes(test, store === 'sqlite' ? { ...options, ...limited } : options)
      note()
      const { schedules, points, sometimes } = done[part]
      found.schedules += schedules
      found.points = points
      for (const [what, times] of Object.entries(sometimes))
        found.sometimes[what] = (found.sometimes[what] ?? 0) + times
    }
    report.push(found)
    const seconds = Math.round((performance.now() - began) / 1000)
    console.error(`${name} on ${store}: ${found.schedules} schedules from ${found.points} points hold, ${seconds} s`)
  }
}
if (positionals.length === 0) {
  const env = { ...process.env, KEELSON_CRASHES: 'all' }
  const shell = process.platform === 'win32'
  const files = ['--project', 'tests', 'tests/crash-simulate.test.ts']
  const stdio = ['inherit', 2, 2] // standard output is the report's
  const { status } = spawnSync('npx', ['vitest', 'run', ...files], { stdio, env, shell })
  if (status !== 0) process.exit(status ?? 1)
}
if (values.json) console.log(JSON.stringify(report, null, 2))
else for (const one of report) console.log(`${one.program} on ${one.store}: ${one.schedules} schedules, all hold`)
process.exit(0)

/** A line now and then. */
function teller(part) {
  let told = performance.now()
  return (count, all) => {
    if (performance.now() - told < 15_000) return
    told = performance.now()
    console.error(`${part}: ${count} of ${all}`)
  }
}

function stateOfSources() {
  const git = (...args) => execFileSync('git', args, { maxBuffer: 2 ** 28 })
  const files = ['packages', 'tests']
  return createHash('sha256')
    .update(git('rev-parse', 'HEAD'))
    .update(git('diff', 'HEAD', '--', ...files))
    .digest('hex')
}

function read() {
  try {
    const kept = JSON.parse(readFileSync(notes, 'utf8'))
    return kept.state === state ? kept.done : {}
  } catch {
    return {}
  }
}

function note() {
  mkdirSync('node_modules/.cache/keelson', { recursive: true })
  writeFileSync(notes, JSON.stringify({ state, done }))
}
