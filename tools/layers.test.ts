/** Which way imports point: ranks of folders in core, no cycles in any package, nothing undeclared from outside. */
import { describe, expect, it } from 'vitest'
import { importsOf, packageNames, packageOf, readJson, shipped, target, type Source } from './sources.ts'

/** ARCHITECTURE.md says what each folder holds. Files directly in src/ come last. */
const RANKS: Record<string, number> = {
  base: 0,
  journal: 1,
  connector: 2,
  policy: 3,
  memory: 3,
  agent: 4,
  playbook: 5,
  conductor: 6,
  inbox: 7,
  audit: 7,
  metrics: 7,
  bundle: 7,
  '.': 8,
}

const CORE_MAY_IMPORT = ['eventemitter3', 'croner', 'node:crypto', 'node:async_hooks']
const CORE = 'packages/core/src/'
/** Loaded when they are first needed, each by the one file that does so. */
const CORE_MAY_LOAD: Record<string, string> = { zod: `${CORE}base/zod.ts`, ai: `${CORE}agent/sdk.ts` }
const CORE_MAY_TYPE = ['zod']

const folderOf = (path: string): string => {
  const [first, ...rest] = path.slice(CORE.length).split('/')
  return rest.length === 0 ? '.' : (first as string)
}

const againstRank = (source: Source): string[] => {
  if (!source.path.startsWith(CORE)) return []
  const own = folderOf(source.path)
  const rank = RANKS[own]
  if (rank === undefined) return [`${source.path}: the folder ${own}/ has no rank`]
  return importsOf(source).flatMap(({ specifier }) => {
    const to = target(source.path, specifier)
    if (to === undefined) return []
    if (!to.startsWith(CORE)) return [`${source.path}: imports ${specifier}, which is outside the package`]
    const other = folderOf(to)
    const lower = (RANKS[other] ?? Infinity) < rank
    return lower || other === own
      ? []
      : [`${source.path}: ${own} (${rank}) imports ${other} (${RANKS[other]}), ${specifier}`]
  })
}

const cycles = (sources: Source[]): string[] => {
  const edges = new Map(
    sources.map((source) => [
      source.path,
      importsOf(source).flatMap(({ specifier }) => target(source.path, specifier) ?? []),
    ]),
  )
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, trail: string[]): void => {
    const since = trail.indexOf(path)
    if (since >= 0) found.push([...trail.slice(since), path].join(' -> '))
    if (since >= 0 || done.has(path)) return
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of edges.keys()) visit(path, [])
  return found
}

const fromOutsideCore = (source: Source): string[] => {
  if (!source.path.startsWith(CORE)) return []
  return importsOf(source).flatMap(({ specifier, how }) => {
    if (target(source.path, specifier) !== undefined || CORE_MAY_IMPORT.includes(specifier)) return []
    if (CORE_MAY_TYPE.includes(specifier) && how === 'type') return []
    if (how === 'dynamic' && CORE_MAY_LOAD[specifier] === source.path) return []
    return [`${source.path}: ${how} import of ${specifier}`]
  })
}

interface Manifest {
  readonly dependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
  /** Of a package: what its build takes in (decision 0028). */
  readonly devDependencies?: Record<string, string>
}

const undeclared = (source: Source): string[] => {
  const name = source.path.split('/')[1] as string
  const manifest = readJson<Manifest>(`packages/${name}/package.json`)
  const { dependencies, peerDependencies, devDependencies } = manifest
  const declared = [dependencies, peerDependencies, devDependencies].flatMap((names) => Object.keys(names ?? {}))
  return importsOf(source).flatMap(({ specifier }) => {
    if (target(source.path, specifier) !== undefined || specifier.startsWith('node:')) return []
    return declared.includes(packageOf(specifier)) ? [] : [`${source.path}: ${specifier} is not in its package.json`]
  })
}

describe('imports', () => {
  const sources = shipped()

  it('point from higher ranks to lower ones in core', () => {
    expect(sources.flatMap(againstRank)).toEqual([])
  })

  it('form no cycle, type imports included', () => {
    expect(
      packageNames().flatMap((name) => cycles(sources.filter((s) => s.path.startsWith(`packages/${name}/`)))),
    ).toEqual([])
  })

  it('bring nothing into core but its few dependencies', () => {
    expect(sources.flatMap(fromOutsideCore)).toEqual([])
  })

  it('name only packages that the package declares', () => {
    expect(sources.flatMap(undeclared)).toEqual([])
  })
})

describe('the check of imports', () => {
  const core = (path: string, text: string): Source => ({ path: CORE + path, text })

  it('sees a type import from a higher rank, in each of its forms', () => {
    for (const text of [
      "import type { Run } from '../conductor/run.ts'",
      "export type { Run } from '../conductor/run.ts'",
      "export { type Run } from '../index.ts'",
      "type Run = import('../conductor/run.ts').Run",
      "const run = await import('../conductor/run.ts')",
    ]) {
      expect(againstRank(core('base/a.ts', text))).toHaveLength(1)
    }
  })

  it('sees an import between two folders of one rank, and a folder without a rank', () => {
    expect(againstRank(core('policy/a.ts', "import { b } from '../memory/b.ts'"))).toHaveLength(1)
    expect(againstRank(core('misc/a.ts', ''))).toHaveLength(1)
    expect(againstRank(core('memory/a.ts', "import { b } from './b.ts'; import { c } from '../base/c.ts'"))).toEqual([])
  })

  it('sees a cycle through type imports', () => {
    const a = core('base/a.ts', "import type { B } from './b.ts'")
    const b = core('base/b.ts', "import { c } from './c.ts'")
    const c = core('base/c.ts', "import type { A } from './a.ts'")
    expect(cycles([a, b, c])).toHaveLength(1)
    expect(cycles([a, b])).toEqual([])
  })

  it('sees what core may not import, and a static import of what it may only load', () => {
    expect(fromOutsideCore(core('a.ts', "import { readFile } from 'node:fs'"))).toHaveLength(1)
    expect(fromOutsideCore(core('a.ts', "import type { ModelMessage } from 'ai'"))).toHaveLength(1)
    expect(fromOutsideCore(core('a.ts', "const ai = await import('ai')"))).toHaveLength(1)
    expect(fromOutsideCore(core('agent/sdk.ts', "const ai = await import('ai')"))).toEqual([])
    expect(fromOutsideCore(core('a.ts', "import { z } from 'zod'"))).toHaveLength(1)
    expect(fromOutsideCore(core('a.ts', "import { z, type ZodType } from 'zod'"))).toHaveLength(1)
    expect(fromOutsideCore(core('a.ts', "const { z } = await import('zod')"))).toHaveLength(1)
    expect(fromOutsideCore(core('a.ts', "import type { z } from 'zod'"))).toEqual([])
    expect(fromOutsideCore(core('base/zod.ts', "const { z } = await import('zod')"))).toEqual([])
  })

  it('sees a package that is not declared', () => {
    expect(undeclared(core('a.ts', "import { Kysely } from 'kysely/migration'"))).toHaveLength(1)
  })
})
