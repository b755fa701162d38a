/** What the last lines of `.ci/run` say of a run of the tests. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from './sources.ts'
import { failuresOf, summaryOf, type Report } from './test-report.ts'

type File = Report['testResults'][number]
type Test = File['assertionResults'][number]

const test = (title: string, status: string, ...failureMessages: string[]): Test => {
  return { ancestorTitles: ['', 'a run'], title, status, failureMessages }
}
const file = (name: string, status: string, assertionResults: Test[], message = ''): File => {
  return { name: join(root, name), status, message, assertionResults }
}
const long = Array.from({ length: 40 }, (_, n) => `line ${n}`).join('\n')
const report: Report = {
  ...{ numPassedTests: 2, numPendingTests: 1, numTodoTests: 1 },
  testResults: [
    file('tests/a.test.ts', 'failed', [test('ends', 'passed'), test('waits', 'failed', '\u001b[31mboom\u001b[39m')]),
    file('tests/b.test.ts', 'failed', [test('ends', 'passed')], 'its hook threw'),
    file('tests/c.test.ts', 'failed', [test('is long', 'failed', long)]),
    file('tests/d.test.ts', 'passed', [test('is left out', 'skipped')]),
  ],
}

describe('the report of the tests', () => {
  it('names each test that failed, and each file that failed outside of its tests, with the first lines of why', () => {
    expect(failuresOf(report)).toMatchObject([
      { name: 'tests/a.test.ts > a run > waits', error: ['boom'] },
      { name: 'tests/b.test.ts', error: ['its hook threw'] },
      { name: 'tests/c.test.ts > a run > is long', error: long.split('\n', 12) },
    ])
  })

  it('counts all of them in one line', () => {
    expect(summaryOf(report)).toBe('2 passed, 3 failed, 2 skipped')
    expect(summaryOf({ ...report, numPendingTests: 0, numTodoTests: 0, testResults: [] })).toBe('2 passed, 0 failed')
  })
})
