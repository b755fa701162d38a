/** Queries: what the screens of a company with a long past ask, and how long the slowest of a hundred takes. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { tell } from './measure/claim.ts'
import { startChild } from './measure/child.ts'
import { optionsOf } from './measure/options.ts'
import { bytesIn, newPlace, removePlace } from './measure/place.ts'
import { progress } from './measure/progress.ts'
import { median, percentile } from './measure/stats.ts'
import type { Asked, CompanyTask, Filled } from './subjects/company.ts'

const options = optionsOf({
  entries: '1000000',
  approvals: '20000',
  /** Of the approvals, those that still wait. */
  open: '2000',
  customers: '1000',
  times: '500',
  dir: '',
  /** A folder to keep the company in: made there once, asked again later. */
  keep: '',
})

const P99_MS = 20

const kept = options.text('keep')
if (kept !== '') mkdirSync(kept, { recursive: true })
const folder = kept === '' ? newPlace(options.text('dir')) : kept
const task: CompanyTask = {
  folder,
  entries: options.number('entries'),
  approvals: options.number('approvals'),
  open: options.number('open'),
  customers: options.number('customers'),
}
const filled = existsSync(join(folder, 'keelson.db')) ? undefined : await told<Filled>('fill', task)
const { entries, questions } = await told<Asked>('ask', { ...task, times: options.number('times') })
const megabytes = bytesIn(folder) / 2 ** 20
if (kept === '') removePlace(folder)

tell(
  {
    claim: 'queries',
    tables: [
      {
        title: `a company of ${entries.toLocaleString('en-US')} entries and ${task.approvals.toLocaleString('en-US')} approvals`,
        columns: ['question', 'rows', 'p50, ms', 'p99, ms'],
        rows: questions.map(({ name, ms, rows }) => [name, rows, median(ms), percentile(ms, 0.99)]),
      },
    ],
    targets: questions.map(({ name, ms, rows }) => ({
      name: `${name}, p99`,
      measured: rows === 0 ? NaN : percentile(ms, 0.99),
      unit: 'ms',
      atMost: P99_MS,
    })),
    notes: [
      `made through the public verbs${filled === undefined ? ' in an earlier run' : ` in ${Math.round(filled.ms / 1000)} s`}, ` +
        `${Math.round(megabytes).toLocaleString('en-US')} MB on disk; asked by a process that opened it anew, ${options.number('times')} times each`,
      'each asking is about another page, actor, entity or time; an answer without rows counts as missed',
    ],
  },
  options,
)

interface Noted {
  readonly what: string
  readonly done: number
  readonly of: number
}

function told<T>(name: 'fill' | 'ask', input: unknown): Promise<T> {
  const heard = (noted: unknown): void => {
    const { what, done, of } = noted as Noted
    progress(`queries: ${what}, ${done} of ${of}`)
  }
  return startChild('../subjects/company.ts', name, input, [], heard).answer as Promise<T>
}
