/** What an app takes on with core: its dependencies and the modules that one import loads. Times are only reported. */
import { execFileSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { exists, packageNames, readJson, root } from './sources.ts'

interface Manifest {
  readonly dependencies?: Record<string, string>
  readonly devDependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
  readonly peerDependenciesMeta?: Record<string, { readonly optional?: boolean }>
}

interface Load {
  readonly urls: readonly string[]
  readonly ms: number
  readonly rssBytes: number
}

/** Imports a module in a fresh process, does `then` with what it exports, and says what that loaded. An empty specifier measures Node alone. */
const load = (specifier: string, from: 'source' | 'dist' = 'source', then: readonly string[] = []): Load => {
  const code = `
    import { registerHooks } from 'node:module'
    const urls = []
    registerHooks({ load: (url, context, next) => { urls.push(url); return next(url, context) } })
    const start = performance.now()
    const loaded = ${specifier === '' ? 'undefined' : `await import('${specifier}')`}
    ${then.join('; ')}
    const ms = performance.now() - start
    console.log(JSON.stringify({ urls, ms, rssBytes: process.memoryUsage.rss() }))`
  const conditions = from === 'source' ? ['--conditions=@keelson/source'] : []
  const args = [...conditions, '--input-type=module', '--eval', code]
  return JSON.parse(execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' })) as Load
}

const report = (from: string, core: Load): void => {
  const mib = ((core.rssBytes - load('').rssBytes) / 2 ** 20).toFixed(1)
  console.log(
    `@keelson/core from ${from}: ${core.ms.toFixed(0)} ms, ${mib} MiB over bare Node, ${core.urls.length} modules`,
  )
}

const packagesIn = (urls: readonly string[]): string[] => {
  const names = urls.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? [])
  return [...new Set(names)].sort()
}

/** What puts a conductor together, and what carries its runs. */
const ENGINE = /core\/src\/(keelson|workspace|conductor\/(conductor|pass|replay))\.ts$/

describe('@keelson/core', () => {
  const manifest = readJson<Manifest>('packages/core/package.json')
  const unwritten = packageNames().includes('core') && !exists('packages/core/src/index.ts')

  it('depends on eventemitter3 and croner, and asks for zod and, for agents, ai', () => {
    expect(Object.keys(manifest.dependencies ?? {}).sort()).toEqual(['croner', 'eventemitter3'])
    expect(Object.keys(manifest.peerDependencies ?? {}).sort()).toEqual(['ai', 'zod'])
    expect(manifest.peerDependenciesMeta).toEqual({ ai: { optional: true } })
  })

  it.skipIf(unwritten)('loads no zod, no database and no model SDK when it is imported', () => {
    const core = load('@keelson/core')
    report('source', core)
    if (exists('packages/core/dist/index.js')) report('dist', load('@keelson/core', 'dist'))
    expect(packagesIn(core.urls)).toEqual(['croner'])
  })

  it('loads the engine with the first conductor, not with definitions', () => {
    const without = load('@keelson/core', 'source', [
      `const { z } = await import('zod')`,
      `loaded.definePlaybook({ name: 'a', version: 1, input: z.null(), output: z.null(), run: async () => null })`,
    ])
    expect(without.urls.filter((url) => ENGINE.test(url))).toEqual([])
    const withOne = load('@keelson/core', 'source', [`await loaded.createConductor({}).catch(() => {})`])
    expect(withOne.urls.filter((url) => ENGINE.test(url))).not.toEqual([])
  })

  it('is measured by a check that sees what an import loads', () => {
    expect(packagesIn(load('kysely').urls)).toEqual(['kysely'])
  })
})

describe('@keelson/memory-sqlite', () => {
  const built = exists('packages/memory-sqlite/dist/index.js')

  it('depends on core and its driver, and takes Kysely in', () => {
    const manifest = readJson<Manifest>('packages/memory-sqlite/package.json')
    expect(Object.keys(manifest.dependencies ?? {}).sort()).toEqual(['@keelson/core', 'better-sqlite3'])
    expect(Object.keys(manifest.devDependencies ?? {})).toEqual(['kysely'])
  })

  it.skipIf(!built)('declares no type of what it takes in: nobody who installs it could look it up', () => {
    const files = globSync('packages/memory-sqlite/dist/**/*.d.ts', { cwd: root })
    const texts = files.map((file) => readFileSync(join(root, file), 'utf8'))
    const named = texts.flatMap((text) =>
      [...text.matchAll(/(?:from |import\()'([^'.][^']*)'/g)].map((match) => match[1]),
    )
    expect([...new Set(named)].sort()).toEqual(['@keelson/core/ports', 'better-sqlite3'])
  })

  it.skipIf(!built)('opens a file with its driver and nothing else from outside', () => {
    const folder = mkdtempSync(join(tmpdir(), 'keelson-weight-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const { urls } = load('@keelson/memory-sqlite', 'dist', [
      `const store = loaded.sqlite(${JSON.stringify(join(folder, 'company.db'))})`,
      `await store.open({ worker: 'one', now: () => 0 })`,
      `await store.close()`,
    ])
    expect(packagesIn(urls)).toEqual(['better-sqlite3'])
  })

  it('loads neither Kysely nor the driver before a store opens', () => {
    expect(packagesIn(load('@keelson/memory-sqlite').urls)).toEqual([])
  })
})
