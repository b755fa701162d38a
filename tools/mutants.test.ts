/** The safety mutants can still be applied, name tests that exist, and are in the docs as in the table. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
// @ts-expect-error a table of plain data, shared with a program
import { mutants as table } from './mutants-table.mjs'

interface Mutant {
  readonly name: string
  readonly drops: string
  readonly file: string
  readonly find: string
  readonly test: { readonly project: string; readonly file: string; readonly title: string }
}

const mutants = table as readonly Mutant[]
const root = join(import.meta.dirname, '..')
const text = (path: string): string => readFileSync(join(root, path), 'utf8')
const fileOf = ({ project, file }: Mutant['test']): string =>
  project === 'tests' ? file : `packages/${project}/${file}`

/** The files that hold a store against its port take their tests from the suite. */
const isOfSuite = ({ file }: Mutant['test']): boolean => /(conformance|memory-store)\.test\.ts$/.test(file)
const suite = (): string => {
  const folder = 'packages/testing/src/store-suite'
  return readdirSync(join(root, folder))
    .map((name) => text(`${folder}/${name}`))
    .join('\n')
}

describe('the safety mutants', () => {
  it('are at least twenty-five, each under a name of its own', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
    expect(mutants.length).toBeGreaterThanOrEqual(25)
  })

  it.each(mutants)('$name finds its text exactly once', ({ file, find }) => {
    expect(text(file).split(find).length - 1).toBe(1)
  })

  it.each(mutants)('$name names a test that exists', ({ test }) => {
    expect(existsSync(join(root, fileOf(test)))).toBe(true)
    expect(text(fileOf(test)) + (isOfSuite(test) ? suite() : '')).toContain(test.title)
  })

  it('are told in the docs', () => {
    const rows = mutants.map((one) => `| ${one.name} | ${one.drops} | \`${fileOf(one.test)}\` |`)
    const told = text('docs/reference/mutants.md')
      .split('\n')
      .filter((line) => line.startsWith('| ') && !line.startsWith('| mutant'))
    expect(told).toEqual(rows)
  })
})
