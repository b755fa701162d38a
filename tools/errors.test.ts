/** Every error code has its heading in docs/reference/errors.md, and every heading is a code. */
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { exists, find, packageNames, root } from './sources.ts'

const CODES = 'packages/core/src/base/errors.ts'
const PAGE = 'docs/reference/errors.md'

const headings = (page: string): string[] =>
  [...page.matchAll(/^## `?([A-Z][A-Z0-9_]+)`?\s*$/gm)].map((m) => m[1] as string)

const twice = (names: string[]): string[] => names.filter((name, i) => names.indexOf(name) !== i)

const codesOf = async (): Promise<string[]> => {
  const module = (await import(pathToFileURL(join(root, CODES)).href)) as { ERROR_CODES?: object }
  if (module.ERROR_CODES === undefined) throw new Error(`${CODES} exports no ERROR_CODES`)
  return Array.isArray(module.ERROR_CODES) ? (module.ERROR_CODES as string[]) : Object.keys(module.ERROR_CODES)
}

describe('error codes', () => {
  const missing = [CODES, PAGE].filter((path) => packageNames().length > 0 && !exists(path))

  it.skipIf(missing.length > 0)(`each have one heading in ${PAGE}, and every heading is a code`, async () => {
    const codes = await codesOf()
    const documented = headings(find(PAGE)[0]?.text ?? '')
    expect(codes.length).toBeGreaterThan(0)
    expect(twice([...documented])).toEqual([])
    expect([...documented].sort()).toEqual([...codes].sort())
  })

  it('are read from headings of the second level only', () => {
    expect(headings('# A_TITLE\n\n## RUN_FAILED\n\ntext\n\n## `STEP_FAILED`\n### NOT_THIS\n## Nor this')).toEqual([
      'RUN_FAILED',
      'STEP_FAILED',
    ])
  })
})
