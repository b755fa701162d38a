/** What editors show: a public type reads as users write it, in the sources and in the declarations that are published. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { find, root } from './sources.ts'

/** Declarations exist where the packages were built: in CI always. */
const built = globSync('packages/*/dist/**/*.d.ts', { cwd: root }).sort()
const mustBeBuilt = process.env['KEELSON_REQUIRE_PACK'] === '1'

describe('the doors of the packages', () => {
  it('rename no type on its way out: an editor would show the inner name', () => {
    const doors = find('packages/*/src/index.ts', 'packages/*/src/ports.ts')
    expect(doors.length).toBeGreaterThan(2)
    const renamed = doors.flatMap(({ path, text }) =>
      [...text.matchAll(/\b([A-Z]\w*) as ([A-Z]\w*)\b/g)].map(([found]) => `${path}: ${found}`),
    )
    expect(renamed).toEqual([])
  })
})

describe.skipIf(built.length === 0 && !mustBeBuilt)('the published declarations', () => {
  it('show no name of the bundler: no two types of a package have one name', () => {
    expect(built.length).toBeGreaterThan(0)
    const shown = built.flatMap((path) => {
      const names = readFileSync(join(root, path), 'utf8').match(/\b[A-Za-z_]\w*\$\d+\b/g) ?? []
      return [...new Set(names)].map((name) => `${path}: ${name}`)
    })
    expect(shown).toEqual([])
  })
})
