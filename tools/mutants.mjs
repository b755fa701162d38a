/**
 * Applies the safety mutants one at a time in a copy of the tree, and runs the test that must notice: `npm run mutants`,
 * or some of them: `npm run mutants -- freeze fence`. The exit status is 1 when one survives: when the test that it names
 * did not fail, whatever else did.
 */
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mutants } from './mutants-table.mjs'

const TIMEOUT_MS = 60_000
const root = fileURLToPath(new URL('..', import.meta.url))
const wanted = process.argv.slice(2)
const chosen = mutants.filter(({ name }) => wanted.length === 0 || wanted.includes(name))
const tree = copyOfTree()
let survivors = 0
try {
  assertPassing()
  for (const [nth, mutant] of chosen.entries()) {
    const noticed = isKilled(mutant)
    if (!noticed) survivors++
    console.log(`${String(nth + 1).padStart(2)}/${chosen.length} ${noticed ? 'killed  ' : 'SURVIVED'} ${mutant.name}`)
  }
} finally {
  rmSync(tree, { recursive: true, force: true })
}
console.log(`${chosen.length - survivors} of ${chosen.length} killed`)
process.exitCode = survivors === 0 && chosen.length > 0 ? 0 : 1

/** Sources are copied; of node_modules, all but our own packages are linked to. */
function copyOfTree() {
  const tree = mkdtempSync(join(tmpdir(), 'keelson-mutants-'))
  const skipped = ['node_modules', '.git', 'dist', 'bench']
  for (const name of readdirSync(root)) {
    if (skipped.includes(name)) continue
    const filter = (path) => !/[\\/](node_modules|dist)$/.test(path)
    cpSync(join(root, name), join(tree, name), { recursive: true, filter })
  }
  mkdirSync(join(tree, 'node_modules', '@keelson'), { recursive: true })
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name === '@keelson' || name.startsWith('.vite')) continue
    symlinkSync(join(root, 'node_modules', name), join(tree, 'node_modules', name))
  }
  for (const name of readdirSync(join(root, 'packages'))) {
    symlinkSync(join(tree, 'packages', name), join(tree, 'node_modules', '@keelson', name))
  }
  return tree
}

/** A test that fails without a mutant notices nothing, nor does one that is not there. */
function assertPassing() {
  for (const project of new Set(chosen.map(({ test }) => test.project))) {
    const tests = chosen.flatMap(({ test }) => (test.project === project ? [test] : []))
    const { ended, output } = outcomes(tests)
    const wrong = tests.filter(({ title }) => ended.get(title) !== 'passed').map(({ title }) => title)
    if (wrong.length > 0) throw new Error(`these tests do not pass without any mutant:\n${wrong.join('\n')}\n${output}`)
  }
}

/** Where the code does not even load, nothing is noticed: no test has failed. */
function isKilled({ name, file, find, replace, test }) {
  const path = join(tree, file)
  const text = readFileSync(path, 'utf8')
  if (text.split(find).length !== 2) throw new Error(`${name}: its text does not occur exactly once in ${file}`)
  writeFileSync(
    path,
    text.replace(find, () => replace),
  )
  const { ended } = outcomes([test])
  writeFileSync(path, text)
  return ended.get(test.title) === 'failed'
}

/** Runs these tests of one project, and no other: how each ended, by its title. */
function outcomes(tests) {
  const report = join(tree, 'report.json')
  rmSync(report, { force: true })
  const named = tests.map(({ title }) => RegExp.escape(title)).join('|')
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(tree, 'node_modules', 'vitest', 'vitest.mjs'),
      ...['run', '--typecheck.enabled=false', '--project', tests[0].project],
      ...new Set(tests.map(({ file }) => file)),
      ...['-t', `^(${named})$`],
      // A mutant that leaves its test waiting for ever is noticed by that.
      `--testTimeout=${TIMEOUT_MS}`,
      ...['--reporter=json', `--outputFile=${report}`],
    ],
    { cwd: tree, encoding: 'utf8', timeout: 10 * TIMEOUT_MS },
  )
  const files = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')).testResults : []
  const ended = files
    .flatMap(({ assertionResults }) => assertionResults)
    .map(({ ancestorTitles, title, status }) => [[...ancestorTitles, title].filter(Boolean).join(' > '), status])
  return { ended: new Map(ended), output: `${stdout}${stderr}` }
}
