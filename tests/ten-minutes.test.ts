/** The first ten minutes: docs/start.md, done in an empty folder with the packages as they would be published. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { exists, find, root } from '../tools/sources.ts'
import { looksLike, stepsOf, Tour } from '../tools/ten-minutes.ts'

/** Packages by their folder. */
const PACKAGES = new Map([
  ...['core', 'memory-sqlite', 'testing'].map((folder) => [folder, `@keelson/${folder}`] as const),
  ['cli', 'keelson'],
])
const FOLDERS = [...PACKAGES.keys()]
const required = process.env['KEELSON_REQUIRE_PACK'] === '1'

/** Why the packages cannot be packed as they are, or undefined. */
const unbuilt = (): string | undefined => {
  for (const name of FOLDERS) {
    const built = `packages/${name}/dist/${name === 'cli' ? 'main' : 'index'}.js`
    if (!exists(built)) return `${built} is missing`
    if (required) continue // whoever requires it has just built it
    const builtAt = statSync(join(root, built)).mtimeMs
    const newer = find(`packages/${name}/src/**/*.ts`).find(({ path }) => statSync(join(root, path)).mtimeMs > builtAt)
    if (newer !== undefined) return `${built} is older than ${newer.path}`
  }
  return undefined
}

const pack = (folder: string): Map<string, string> => {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const which = FOLDERS.flatMap((name) => ['--workspace', `packages/${name}`])
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder, ...which]
  const said = execFileSync(npm, args, { cwd: root, encoding: 'utf8', shell: process.platform === 'win32' })
  const files = [...said.matchAll(/"filename":\s*"([^"]+)"/g)].map(
    ([, file]) => (file as string).split('/').at(-1) as string,
  )
  return new Map(
    [...PACKAGES.values()].map((name) => {
      const packed = name.replace('@', '').replace('/', '-')
      const file = files.find((one) => one.startsWith(packed) && /^-\d/.test(one.slice(packed.length)))
      if (file === undefined) throw new Error(`npm pack said ${said}`)
      return [name, join(folder, file)]
    }),
  )
}

describe('the first ten minutes', () => {
  const why = unbuilt()
  if (why !== undefined && !required) console.log(`docs/start.md is not run: ${why}; run "npm run build" first`)
  const folder = mkdtempSync(join(tmpdir(), 'keelson-tour-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.skipIf(why !== undefined && !required)('go as docs/start.md says', { timeout: 300_000 }, async () => {
    expect(why).toBeUndefined()
    const app = join(folder, 'tour')
    mkdirSync(app)
    const tour = new Tour({ folder: app, tarballs: pack(folder), limitMs: 120_000 })
    const steps = stepsOf(find('docs/start.md')[0]?.text ?? '')
    expect(steps.length).toBeGreaterThan(10)
    try {
      for (const step of steps) {
        await tour.go(step).catch((error: Error) => {
          throw new Error(`docs/start.md:${step.line} (${step.what}): ${error.message}`, { cause: error })
        })
      }
    } finally {
      tour.end()
    }
  })
})

describe('the check of the first ten minutes', () => {
  it('finds the steps of a page, and a comment that no block follows', () => {
    const page = 'a\n<!-- tour: run -->\n```sh\nls\n```\n\n<!-- tour: it prints -->\n```text\nb\nc\n```\n'
    expect(stepsOf(page)).toEqual([
      { line: 2, what: 'run', text: 'ls\n' },
      { line: 7, what: 'it prints', text: 'b\nc\n' },
    ])
    expect(() => stepsOf('<!-- tour: run -->\n\ntext')).toThrow('without a block')
  })

  it('compares what is printed, with … for any text', () => {
    expect(looksLike('a\nb … d\n', '\na  \nb c d')).toBe(true)
    expect(looksLike('a\nb', 'a\nb\nc')).toBe(false)
    expect(looksLike('a.b', 'axb')).toBe(false)
  })
})
