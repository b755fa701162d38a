/**
 * Runs every program in examples/ and compares what it prints with the expected output in its leading comment.
 *
 * The comment ends with a line `Expected output:` and the output below it, indented or not. Trailing spaces and the
 * blank lines around the output do not count; everything else does. `node tools/run-examples.mjs name` runs one.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const timeoutMs = 120_000

const tidy = (text) => {
  const lines = text
    .replaceAll('\r', '')
    .split('\n')
    .map((line) => line.trimEnd())
  while (lines[0] === '') lines.shift()
  while (lines.at(-1) === '') lines.pop()
  return lines
}

/** The lines that a program promises, or undefined when its leading comment promises none. */
export const expectedOutput = (source) => {
  const comment = /^\s*\/\*\*?([\s\S]*?)\*\//.exec(source)?.[1]
  const promised = comment?.split(/^.*Expected output:[ \t]*$/m)[1]
  if (promised === undefined) return undefined
  const lines = tidy(promised.replace(/^[ \t]*\*( |$)/gm, ''))
  const indents = lines.filter((line) => line !== '').map((line) => line.length - line.trimStart().length)
  const indent = Math.min(...indents, 80)
  return lines.map((line) => line.slice(indent))
}

const difference = (expected, actual) => {
  const at = Array.from({ length: Math.max(expected.length, actual.length) }, (_, i) => i)
  const line = at.find((i) => expected[i] !== actual[i])
  if (line === undefined) return undefined
  return `  line ${line + 1}\n    expected: ${expected[line] ?? '(the end)'}\n    printed:  ${actual[line] ?? '(the end)'}`
}

const run = (file) => {
  const expected = expectedOutput(readFileSync(`${root}examples/${file}`, 'utf8'))
  if (expected === undefined) return '  its leading comment has no "Expected output:"'
  const args = ['--conditions=@keelson/source', `examples/${file}`]
  const result = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', timeout: timeoutMs })
  const ended = result.error?.message ?? (result.status === 0 ? undefined : `exit ${result.status ?? result.signal}`)
  if (ended !== undefined) return `  ${ended}\n${result.stderr}`
  return difference(expected, tidy(result.stdout))
}

const main = (only) => {
  const found = existsSync(`${root}examples`)
    ? readdirSync(`${root}examples`).filter((name) => name.endsWith('.ts'))
    : []
  const files = found.filter((name) => only === undefined || name.startsWith(only)).sort()
  if (files.length === 0 && only !== undefined) throw new Error(`no example is called ${only}`)
  const failed = files.filter((file) => {
    const problem = run(file)
    console.log(problem === undefined ? `ok    ${file}` : `FAIL  ${file}\n${problem}`)
    return problem !== undefined
  })
  console.log(`${files.length - failed.length} of ${files.length} examples printed what they promise`)
  process.exitCode = failed.length === 0 ? 0 : 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv[2])
