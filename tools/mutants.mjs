/**
 * Applies the safety mutants one at a time in a copy of the tree, and runs the test that must notice: `npm run mutants`,
 * or some of them: `npm run mutants -- freeze fence`. The exit status is 1 when one survives.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mutants } from './mutants-table.mjs'

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

/** A test that fails without a mutant notices nothing. */
function assertPassing() {
  for (const project of new Set(chosen.map(({ test }) => test.project))) {
    const files = chosen.flatMap(({ test }) => (test.project === project ? [test.file] : []))
    const titles = new Set(chosen.flatMap(({ test }) => (test.project === project ? [test.title] : [])))
    const named = titles.has('') ? [] : ['-t', [...titles].join('|')]
    const args = ['vitest', 'run', '--typecheck.enabled=false', '--project', project, ...new Set(files), ...named]
    const { status, stdout } = spawnSync('npx', args, {
      cwd: tree,
      encoding: 'utf8',
      shell: process.platform === 'win32',
    })
    if (status !== 0) throw new Error(`these tests fail without any mutant:\n${stdout}`)
  }
}

function isKilled({ name, file, find, replace, test }) {
  const path = join(tree, file)
  const text = readFileSync(path, 'utf8')
  if (text.split(find).length !== 2) throw new Error(`${name}: its text does not occur exactly once in ${file}`)
  writeFileSync(
    path,
    text.replace(find, () => replace),
  )
  const title = test.title === '' ? [] : ['-t', test.title]
  const args = ['vitest', 'run', '--typecheck.enabled=false', '--project', test.project, test.file, ...title]
  const { status, stdout } = spawnSync('npx', args, {
    cwd: tree,
    encoding: 'utf8',
    timeout: 300_000,
    shell: process.platform === 'win32',
  })
  writeFileSync(path, text)
  if (/No test files found|\b0 passed/.test(stdout ?? '')) throw new Error(`${name}: there is no test ${test.title}`)
  return status !== 0
}
