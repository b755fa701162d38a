/** The table of reliability tests: each row names a test that is there. */
import { describe, expect, it } from 'vitest'
import ts from 'typescript'
import { find, type Source } from './sources.ts'

const rowsOf = (text: string): { number: string; file: string; title: string }[] =>
  [...text.matchAll(/^\|\s*(\d+)\s*\|[^|]*\|\s*((?:tests|packages)\/\S+)\s*\|\s*([^|]+?)\s*\|$/gm)].map(
    ([, number, file, title]) => ({ number: number!, file: file!, title: title! }),
  )

/** What is shown by a test of its number, each with the bad input that belongs to it. */
const NUMBERED: ReadonlySet<string> = new Set([
  ...['3', '4', '5', '6', '7', '14', '20', '21', '22', '23', '24', '26', '30', '32'].map((one) => `#${one}`),
  ...['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '24'].map((one) => `row ${one}`),
])

/** Titles of tests, and of groups of them: the first argument of `it(…)`, `it.each(…)(…)` and their like. */
function titlesOf({ path, text }: Source): string[] {
  const titles: string[] = []
  const look = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^(it|test|describe)\b/.test(node.expression.getText())) {
      const [title] = node.arguments
      if (title !== undefined && ts.isStringLiteralLike(title)) titles.push(title.text)
    }
    ts.forEachChild(node, look)
  }
  look(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true))
  return titles
}

describe('the table of reliability tests', () => {
  const [page] = find('docs/reference/reliability-tests.md')
  const rows = rowsOf(page?.text ?? '')

  it('has a row for each number that it is to show', () => {
    const [faults, threats] = page!.text
      .split('## Threats')
      .map((part) => new Set(rowsOf(part).map((row) => row.number)))
    const shown = ['1', '2', '3', '4', '5', '6', '7', '8', '10', '12', '13', '14', '15', '17', '18', '19', '20']
    for (const number of [...shown, '21', '22', '23', '24', '26', '27', '28', '29', '30', '32'])
      expect(faults).toContain(number)
    for (const number of ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '16', '24'])
      expect(threats).toContain(number)
  })

  const titles = find('tests/**/*.test.ts', 'packages/*/{src,test}/**/*.test.ts').flatMap(titlesOf)

  it.each([...NUMBERED])('%s is in the title of a test', (mark) => {
    expect(titles.some((title) => new RegExp(`(^|\\s)${mark}(?!\\d)`).test(title))).toBe(true)
  })

  it('says the number of each fault and threat in the title that it names', () => {
    const [faults, threats] = page!.text.split('## Threats').map(rowsOf)
    const unsaid = [
      ...faults!.filter(({ number, title }) => NUMBERED.has(`#${number}`) && !title.includes(`#${number}`)),
      ...threats!.filter(({ number, title }) => NUMBERED.has(`row ${number}`) && !title.includes(`row ${number}`)),
    ]
    expect(unsaid).toEqual([])
  })

  it.each(rows)('#$number names a test of $file', ({ file, title }) => {
    const [source] = find(file)
    const begins = ["'", '`', '"'].some((quote) => source?.text.includes(quote + title))
    expect(begins).toBe(true)
  })
})
