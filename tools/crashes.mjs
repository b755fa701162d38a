/**
 * Explores the crash matrix at depth 2 on all cores, and many simulations: `npm run crashes`.
 *
 * Without options all schedules on memory, and 2,000 of each program on SQLite files: hours. `--at-least 2000` draws so many of
 * each program on either store, those of one crash first, by `--seed`. `npm run crashes -- onboarding` explores one program;
 * `--stores memory` one store; `--jobs 1` takes one core; `--json` prints one object. Each part that holds is noted for this state of
 * the sources, so that a run that was cut short goes on where it was; `--again` begins anew. A program with a schedule that does not
 * hold is left there, with the line that reproduces it; the others go on, and it ends with 1.
 */
import { execFileSync, fork, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { matrix } from '../tests/crash-matrix.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'at-least': { type: 'string' },
    seed: { type: 'string', default: '1' },
    stores: { type: 'string', default: 'memory,sqlite' },
    sqlite: { type: 'string', default: '2000' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    again: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
/** Parts of one program on one kind of store: what is lost when a run is cut short. */
const SLICES = 8
const TELL_MS = 15_000
const FOLDER = 'node_modules/.cache/keelson'
const NOTES = join(FOLDER, 'crashes.json')

const names = matrix.map(({ name }) => name)
const unknown = positionals.filter((name) => !names.includes(name))
if (unknown.length > 0) {
  console.error(`no program "${unknown.join('", "')}"; there are: ${names.join(', ')}`)
  process.exit(2)
}
const chosen = positionals.length === 0 ? names : positionals
const stores = values.stores.split(',')
const state = stateOfSources()
const done = values.again ? {} : read()
const failed = new Map()
const began = performance.now()

const parts = chosen.flatMap((program) =>
  stores.flatMap((store) => Array.from({ length: SLICES }, (_, i) => partOf(program, store, i + 1))),
)
const left = parts.filter(({ id }) => done[id] === undefined)
if (left.length < parts.length) console.error(`${parts.length - left.length} of ${parts.length} parts were done before`)
const now = new Map()
let told = performance.now()
await Promise.all(Array.from({ length: Math.min(Number(values.jobs), left.length) }, (_, at) => work(at)))

const rows = chosen.flatMap((program) => stores.map((store) => rowOf(program, store)))
const simulated = positionals.length > 0 || simulate()
const seconds = Math.round((performance.now() - began) / 1000)
if (values.json) console.log(JSON.stringify({ seed: values.seed, seconds, simulated, programs: rows }, null, 2))
else console.log(table(rows, seconds))
for (const [where, why] of failed) console.error(`\n${where}:\n${why}`)
process.exit(failed.size === 0 && simulated ? 0 : 1)

function partOf(program, store, number) {
  const wanted = values['at-least'] ?? (store === 'sqlite' ? values.sqlite : undefined)
  const limit = wanted === undefined ? null : Math.ceil(Number(wanted) / SLICES)
  const share = limit === null ? 'all' : `${wanted} by ${values.seed}`
  return {
    id: `${program} on ${store} ${number}/${SLICES}, ${share}`,
    ...{ program, store, number, of: SLICES, limit, seed: values.seed },
  }
}

/** Takes one part after the other, in a process of its own. */
async function work(at) {
  const file = join(import.meta.dirname, 'crash-worker.mjs')
  const child = fork(file, { execArgv: ['--conditions=@keelson/source'], stdio: ['ignore', 2, 2, 'ipc'] })
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    const where = `${part.program} on ${part.store}`
    if (failed.has(where)) continue
    const from = performance.now()
    const answer = await explore(child, part, (count) => tell(at, part, count))
    now.delete(at)
    if (answer.failed !== undefined) failed.set(where, answer.failed)
    else {
      done[part.id] = { ...answer.found, ms: Math.round(performance.now() - from) }
      note()
      const over = parts.filter(({ program, store }) => program === part.program && store === part.store)
      if (over.every(({ id }) => done[id] !== undefined)) console.error(line(rowOf(part.program, part.store)))
    }
  }
  child.disconnect()
}

function explore(child, part, onProgress) {
  return new Promise((resolve) => {
    const gone = (code) => resolve({ failed: `its process ended with ${code}` })
    child.once('exit', gone)
    child.on('message', function hear(said) {
      if (said.done !== undefined) return onProgress(said)
      child.off('message', hear)
      child.off('exit', gone)
      resolve(said)
    })
    if (child.connected) child.send(part)
    else gone(child.exitCode)
  })
}

/** A line now and then. */
function tell(at, { id }, { done: count, all }) {
  now.set(at, `${id}: ${count} of ${all}`)
  if (performance.now() - told < TELL_MS) return
  told = performance.now()
  const over = parts.filter(({ id: one }) => done[one] !== undefined).length
  console.error(`${over} of ${parts.length} parts; ${[...now.values()].join('; ')}`)
}

function rowOf(program, store) {
  const row = { program, store, schedules: 0, points: 0, seconds: 0, holds: !failed.has(`${program} on ${store}`) }
  const sometimes = {}
  for (const part of parts) {
    const found = part.program === program && part.store === store ? done[part.id] : undefined
    if (found === undefined) continue
    row.schedules += found.schedules
    row.points = found.points
    row.seconds += found.ms / 1000
    for (const [what, times] of Object.entries(found.sometimes)) sometimes[what] = (sometimes[what] ?? 0) + times
  }
  return { ...row, seconds: Math.round(row.seconds), sometimes }
}

function line({ program, store, schedules, points, seconds, holds, sometimes }) {
  const recovery = sometimes['crash of a recovery'] ?? 0
  const cells = [program.padEnd(38), store.padEnd(7), points, schedules, recovery, seconds]
  const numbers = cells.slice(2).map((cell) => String(cell).padStart(10))
  return `${cells[0]} ${cells[1]}${numbers.join('')}  ${holds ? 'holds' : 'FAILS'}`
}

function table(all, seconds) {
  const head = `${'program'.padEnd(38)} ${'store'.padEnd(7)}${['points', 'schedules', 'recovery', 'seconds'].map((one) => one.padStart(10)).join('')}`
  const sum = all.reduce((total, { schedules }) => total + schedules, 0)
  const bad = all.filter(({ holds }) => !holds).length
  const end = `${sum} schedules of ${all.length} in ${seconds} s: ${bad === 0 ? 'all hold' : `${bad} do not hold`}`
  return [head, ...all.map(line), end].join('\n')
}

function simulate() {
  const env = { ...process.env, KEELSON_CRASHES: 'all' }
  const shell = process.platform === 'win32'
  const files = ['--project', 'tests', 'tests/crash-simulate.test.ts']
  const stdio = ['inherit', 2, 2] // standard output is the report's
  return spawnSync('npx', ['vitest', 'run', ...files], { stdio, env, shell }).status === 0
}

/** What the programs and the code under test are made of, committed or not. */
function stateOfSources() {
  const git = (...args) => execFileSync('git', args, { maxBuffer: 2 ** 28 })
  const folders = ['packages', 'tests']
  return createHash('sha256')
    .update(git('rev-parse', ...folders.map((folder) => `HEAD:${folder}`)))
    .update(git('diff', 'HEAD', '--', ...folders))
    .update(git('ls-files', '--others', '--exclude-standard', '--', ...folders))
    .digest('hex')
}

function read() {
  try {
    const kept = JSON.parse(readFileSync(NOTES, 'utf8'))
    return kept.state === state ? kept.done : {}
  } catch {
    return {}
  }
}

function note() {
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(`${NOTES}.new`, JSON.stringify({ state, done }))
  renameSync(`${NOTES}.new`, NOTES)
}
