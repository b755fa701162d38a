/** Report: runs the claims, keeps what they said in results.jsonl, and writes it into README.md with a chart. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chart, type Group } from './measure/chart.ts'
import { markdown, readable, shown, verdict, wanted, type Printed, type Table } from './measure/claim.ts'
import { optionsOf } from './measure/options.ts'

const CLAIMS = ['throughput', 'latency', 'recovery', 'history', 'parked', 'footprint']
/** `--claims none` only writes again what was measured before. */
const options = optionsOf({ claims: CLAIMS.join(',') })

const here = (name: string): string => join(import.meta.dirname, name)
const kept = here('results.jsonl')
const lines = existsSync(kept) ? readFileSync(kept, 'utf8').trim().split('\n') : []
const results = Object.fromEntries(lines.map((line) => JSON.parse(line) as Printed).map((each) => [each.claim, each]))

for (const claim of options.list('claims')) {
  const args = ['--no-warnings', here(`${claim}.ts`), '--json']
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  results[claim] = JSON.parse(stdout) as Printed
  writeFileSync(
    kept,
    Object.values(results)
      .map((each) => `${JSON.stringify(each)}\n`)
      .join(''),
  )
}

const measured = CLAIMS.flatMap((claim) => results[claim] ?? [])
const throughput = results['throughput']
if (throughput !== undefined) {
  writeFileSync(
    here('throughput.svg'),
    chart('Steps per second, as multiples of bare one-commit inserts', 'bare', throughput.tables.map(groupOf)),
  )
}
writeReadme()
process.exitCode = measured.every((each) => each.passed) ? 0 : 1

function groupOf(table: Table): Group {
  const at = table.columns.findIndex((column) => column.startsWith('×'))
  return {
    title: table.title,
    bars: table.rows.map((row) => ({ name: String(row[0]), value: Number(row[at]) })),
  }
}

function writeReadme(): void {
  const file = here('README.md')
  const text = readFileSync(file, 'utf8')
  const [begin, end] = ['<!-- measured -->', '<!-- /measured -->']
  const [before, rest] = text.split(begin) as [string, string]
  const after = rest.split(end)[1] ?? ''
  writeFileSync(file, `${before}${begin}\n\n${body()}\n\n${end}${after}`)
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
