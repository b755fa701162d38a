/** The table of reliability tests: each row names a test that is there. */
import { describe, expect, it } from 'vitest'
import { find } from './sources.ts'

const rowsOf = (text: string): { number: string; file: string; title: string }[] =>
  [...text.matchAll(/^\|\s*(\d+)\s*\|[^|]*\|\s*((?:tests|packages)\/\S+)\s*\|\s*([^|]+?)\s*\|$/gm)].map(
    ([, number, file, title]) => ({ number: number!, file: file!, title: title! }),
  )

describe('the table of reliability tests', () => {
  const [page] = find('docs/reference/reliability-tests.md')
  const rows = rowsOf(page?.text ?? '')

  it('has a row for each number that it is to show', () => {
    const [faults, threats] = page!.text
      .split('## Threats')
      .map((part) => new Set(rowsOf(part).map((row) => row.number)))
    const shown = ['1', '2', '3', '4', '5', '6', '7', '8', '10', '12', '13', '14', '15', '17', '18', '19', '20']
    for (const number of [...shown, '21', '22', '23', '24', '26', '28', '29', '30', '32'])
      expect(faults).toContain(number)
    for (const number of ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '16', '24'])
      expect(threats).toContain(number)
  })

  it.each(rows)('#$number names a test of $file', ({ file, title }) => {
    const [source] = find(file)
    const begins = ["'", '`', '"'].some((quote) => source?.text.includes(quote + title))
    expect(begins).toBe(true)
  })
})
