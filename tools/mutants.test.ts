/** The safety mutants can still be applied, name tests that exist, and are in the docs as in the table. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
// @ts-expect-error a table of plain data, shared with a program
import { mutants as table } from './mutants-table.mjs'
import { find, root, testTitles, type Source } from './sources.ts'

interface Mutant {
  readonly name: string
  readonly drops: string
  readonly file: string
  readonly find: string
  readonly test: { readonly project: string; readonly file: string; readonly title: string }
}

const mutants = table as readonly Mutant[]
const text = (path: string): string => readFileSync(join(root, path), 'utf8')
const fileOf = ({ project, file }: Mutant['test']): string =>
  project === 'tests' ? file : `packages/${project}/${file}`

/** The files that hold a store against its port take their tests from the suite. */
const isOfSuite = ({ file }: Mutant['test']): boolean => /(conformance|memory-store)\.test\.ts$/.test(file)
const sourcesOf = (test: Mutant['test']): Source[] =>
  find(fileOf(test), ...(isOfSuite(test) ? ['packages/testing/src/store-suite/*.ts'] : []))

describe('the titles of tests', () => {
  const titles = testTitles({
    path: 'x.test.ts',
    text: "describe('a run', () => { describe.each(['a'])('of $name', () => { it.each([1])(`ends (%s, ${x})`, () => {}) }) })",
  })

  it('are those of their groups and their own, with a place for what each case fills in', () => {
    const fits = (title: string): boolean => titles.some((one) => one.test(title))
    expect(titles).toHaveLength(1)
    expect(fits('a run > of Ann > ends (1, 2+2)')).toBe(true)
    expect(fits('sqlite > a run > of Ann > ends (1, 2)')).toBe(true) // a group that another file puts around it
    expect(
      ['a run > ends (1, 2)', 'ends (1, 2)', 'a run > of Ann > ends', 'a run > of Ann > ends (1, 2) at last'].some(
        fits,
      ),
    ).toBe(false)
  })
})

describe('the safety mutants', () => {
  it('are at least twenty-five, each under a name of its own', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
    expect(mutants.length).toBeGreaterThanOrEqual(25)
  })

  it.each(mutants)('$name finds its text exactly once', ({ file, find }) => {
    expect(text(file).split(find).length - 1).toBe(1)
  })

  it.each(mutants)('$name names a test that exists', ({ test }) => {
    const titles = sourcesOf(test).flatMap(testTitles)
    expect(titles.some((title) => title.test(test.title))).toBe(true)
  })

  it('are told in the docs', () => {
    const rows = mutants.map((one) => `| ${one.name} | ${one.drops} | \`${fileOf(one.test)}\` | ${one.test.title} |`)
    const told = text('docs/reference/mutants.md')
      .split('\n')
      .filter((line) => line.startsWith('| ') && !line.startsWith('| mutant'))
    expect(told).toEqual(rows)
  })
})
