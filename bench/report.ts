/**
 * Report: runs the claims, keeps what they said in results.jsonl, and writes it into README.md with a chart. A claim that has a
 * place of its own there, between `<!-- NAME -->` and `<!-- /NAME -->`, is written into that.
 *
 * `--sizes` hands options on to one claim, whose answer is then kept as a piece of it: pieces of the same claim stand together
 * in the page, until the claim is run as a whole again.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chart, type Group } from './measure/chart.ts'
import { markdown, passed, readable, shown, verdict, wanted, type Printed, type Table } from './measure/claim.ts'
import { optionsOf } from './measure/options.ts'

const CLAIMS = ['throughput', 'latency', 'recovery', 'history', 'parked', 'footprint']
const PLACED = ['trust']
/** `--claims none` only writes again what was measured before. */
const options = optionsOf({ claims: CLAIMS.join(','), sizes: '' })

/** What one call of a claim has said. Without `sizes`: all of it. */
interface Piece extends Printed {
  readonly sizes?: string
}

const here = (name: string): string => join(import.meta.dirname, name)
const kept = here('results.jsonl')
const lines = existsSync(kept) ? readFileSync(kept, 'utf8').trim().split('\n') : []
let pieces = lines.map((line) => JSON.parse(line) as Piece)
const sizes = options.text('sizes')

for (const claim of options.list('claims')) {
  const args = ['--no-warnings', here(`${claim}.ts`), '--json', ...sizes.split(' ').filter((part) => part !== '')]
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  const printed = JSON.parse(stdout) as Printed
  keep(sizes === '' ? printed : { ...printed, sizes })
}

const said = (claim: string): Printed[] => together(pieces.filter((piece) => piece.claim === claim))
const measured = CLAIMS.flatMap(said)
const placed = PLACED.flatMap(said)
const throughput = measured.find((each) => each.claim === 'throughput')
if (throughput !== undefined) {
  writeFileSync(
    here('throughput.svg'),
    chart('Steps per second, as multiples of bare one-commit inserts', 'bare', throughput.tables.map(groupOf)),
  )
}
writeReadme()
process.exitCode = [...measured, ...placed].every((each) => each.passed) ? 0 : 1

/** In place of what the same call said before; the whole takes the place of all pieces, and a piece that of the whole. */
function keep(piece: Piece): void {
  const gone = (one: Piece): boolean =>
    one.claim === piece.claim && (piece.sizes === undefined || one.sizes === undefined || one.sizes === piece.sizes)
  const at = pieces.findIndex(gone)
  const others = pieces.filter((one) => !gone(one))
  others.splice(at < 0 ? others.length : at, 0, piece)
  pieces = others
  writeFileSync(kept, pieces.map((each) => `${JSON.stringify(each)}\n`).join(''))
}

/** Pieces as one report: tables of one title in one, the last that was said of a target. */
function together(parts: readonly Piece[]): Printed[] {
  const [first] = parts
  if (first === undefined) return []
  const tables = new Map<string, Table>()
  const targets = new Map<string, Printed['targets'][number]>()
  for (const part of parts) {
    for (const table of part.tables) {
      const before = tables.get(table.title)
      tables.set(table.title, before === undefined ? table : { ...before, rows: [...before.rows, ...table.rows] })
    }
    for (const target of part.targets) targets.set(target.name, target)
  }
  const all = [...targets.values()]
  const notes = [...new Set(parts.flatMap((part) => part.notes ?? []))]
  const machine = [...new Set(parts.map((part) => part.machine))].join('; ')
  const command = parts.map((part) => part.command).join('`, `')
  const merged = { ...first, tables: [...tables.values()], targets: all, notes, machine, command }
  return [{ ...merged, passed: all.every(passed) }]
}

function groupOf(table: Table): Group {
  const at = table.columns.findIndex((column) => column.startsWith('×'))
  return {
    title: table.title,
    bars: table.rows.map((row) => ({ name: String(row[0]), value: Number(row[at]) })),
  }
}

function writeReadme(): void {
  const file = here('README.md')
  const all = [
    ['measured', body()],
    ...placed.map((one) => [one.claim, `Measured on: ${one.machine}.\n\n${readable(one)}`]),
  ]
  let text = readFileSync(file, 'utf8')
  for (const [name, words] of all) text = replaced(text, name!, words!)
  writeFileSync(file, text)
}

function replaced(text: string, name: string, words: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [before, rest] = text.split(begin) as [string, string]
  return `${before}${begin}\n\n${words}\n\n${end}${rest.split(end)[1] ?? ''}`
}

function body(): string {
  const all: Table = {
    title: 'all targets',
    columns: ['claim', 'target', 'wanted', 'measured', ''],
    rows: measured.flatMap((report) =>
      report.targets.map((each) => [
        report.claim,
        each.name,
        wanted(each),
        shown(each.measured, each.unit),
        verdict(each),
      ]),
    ),
  }
  const machines = [...new Set(measured.map((report) => report.machine))].join('; ')
  const picture = '![Steps per second, as multiples of bare one-commit inserts](throughput.svg)'
  const claims = measured.map((report) => `### ${report.claim}\n\n${readable(report)}`)
  return [`Measured on: ${machines}.`, picture, markdown(all), ...claims].join('\n\n')
}
