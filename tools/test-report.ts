/** Prints what became of the tests, from Vitest's JSON report: first each that failed, then one line that counts them. */
import { readFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')

/** Lines of an error that are shown. */
const LINES = 12

/** What is read of Vitest's report. */
export interface Report {
  readonly numPassedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[]
      readonly title: string
      readonly status: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

export interface Failure {
  readonly name: string
  readonly error: readonly string[]
}

/** Each test that failed, and each file that failed outside of its tests, with the first lines of its error. */
export const failuresOf = (report: Report): Failure[] =>
  report.testResults.flatMap((file) => {
    const name = relative(root, file.name)
    const failed = file.assertionResults.filter(({ status }) => status === 'failed')
    if (failed.length > 0) {
      return failed.map((test) => ({
        name: [name, ...test.ancestorTitles.filter((title) => title !== ''), test.title].join(' > '),
        error: first(test.failureMessages.join('\n')),
      }))
    }
    return file.status === 'failed' ? [{ name, error: first(file.message) }] : []
  })

/** 'N passed, N failed, N skipped'; a file that failed outside of its tests counts as one. */
export const summaryOf = (report: Report): string => {
  const skipped = report.numPendingTests + report.numTodoTests
  const counted = `${report.numPassedTests} passed, ${failuresOf(report).length} failed`
  return skipped > 0 ? `${counted}, ${skipped} skipped` : counted
}

const first = (text: string): string[] => {
  // eslint-disable-next-line no-control-regex -- colours
  const plain = text.replaceAll(/\u001b\[[0-9;]*m/g, '')
  return plain.split('\n', LINES).map((line) => line.trimEnd())
}

if (process.argv[1] === import.meta.filename) {
  const [, , file, what] = process.argv
  const report = JSON.parse(readFileSync(file as string, 'utf8')) as Report
  if (what === 'summary') console.log(summaryOf(report))
  else for (const { name, error } of failuresOf(report)) console.log(['', `✗ ${name}`, ...error].join('\n    '))
}
