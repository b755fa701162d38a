/**
 * Claim: what one program of this folder measures: rows to read, targets to meet, one way to say both.
 *
 * With `--json` standard output is one object. The exit status is 1 when a target was missed.
 */
import { cpus, totalmem } from 'node:os'
import { clearProgress } from './progress.ts'

export interface Target {
  readonly name: string
  readonly measured: number
  readonly unit: string
  readonly atLeast?: number
  readonly atMost?: number
  readonly below?: number
}

/** Null is what JSON makes of a number that could not be measured. */
export type Cell = string | number | null

export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Cell[])[]
}

export interface Report {
  readonly claim: string
  readonly tables: readonly Table[]
  readonly targets: readonly Target[]
  readonly notes?: readonly string[]
}

/** A report as `--json` prints it. */
export interface Printed extends Report {
  readonly passed: boolean
  readonly machine: string
  readonly command: string
}

export function passed({ measured, atLeast, atMost, below }: Target): boolean {
  if (!Number.isFinite(measured) || measured >= (below ?? Infinity)) return false
  return !(measured < (atLeast ?? -Infinity) || measured > (atMost ?? Infinity))
}

export function tell(report: Report, options: { readonly json: boolean }): void {
  clearProgress()
  const all = report.targets.every(passed)
  const printed: Printed = { ...report, passed: all, machine: machine(), command: command(report.claim) }
  console.log(options.json ? JSON.stringify(printed) : readable(printed))
  process.exitCode = all ? 0 : 1
}

/** As Markdown, which also reads well in a terminal. */
export function readable(report: Printed): string {
  const targets: Table = {
    title: 'targets',
    columns: ['target', 'wanted', 'measured', ''],
    rows: report.targets.map((each) => [each.name, wanted(each), shown(each.measured, each.unit), verdict(each)]),
  }
  const notes = (report.notes ?? []).map((note) => `- ${note}`).join('\n')
  return [`\`${report.command}\``, ...[...report.tables, targets].map(markdown), notes].filter(Boolean).join('\n\n')
}

export function verdict(target: Target): string {
  return passed(target) ? 'pass' : '**missed**'
}

export function wanted({ atLeast, atMost, below, unit }: Target): string {
  if (below !== undefined) return `< ${shown(below, unit)}`
  return atLeast !== undefined ? `>= ${shown(atLeast, unit)}` : `<= ${shown(atMost ?? NaN, unit)}`
}

export function shown(value: number, unit = ''): string {
  if (!Number.isFinite(value)) return '-'
  const text = value >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)))
  return unit === '' ? text : `${text} ${unit}`
}

export function markdown({ title, columns, rows }: Table): string {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'string' ? cell : shown(cell ?? NaN))))
  const widths = columns.map((name, at) => Math.max(name.length, ...cells.map((row) => (row[at] ?? '').length)))
  const line = (row: readonly string[]): string => `| ${row.map((cell, at) => cell.padEnd(widths[at]!)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [`**${title}**`, '', line(columns), rule, ...cells.map(line)].join('\n')
}

function machine(): string {
  const { model } = cpus()[0] ?? { model: 'unknown' }
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} × ${model.trim()}, ${memory} GiB, ${process.platform}, Node ${process.version}`
}

function command(claim: string): string {
  const given = process.argv.slice(2).filter((each) => each !== '--json')
  return `npm run ${claim}${given.length === 0 ? '' : ` -- ${given.join(' ')}`}`
}
