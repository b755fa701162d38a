/** The test projects: one for each package, one for what needs two packages, one for the checks of the repository. */
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './tools/longest-first.ts'

const conditions = ['@keelson/source', 'module', 'node', 'development|production']
const at = (path: string): string => resolve(import.meta.dirname, path)

// Asked for by hand, to show that no file needs another before it.
const shuffled = process.argv.some((word) => word.startsWith('--sequence.shuffle'))

const shared = {
  pool: 'forks' as const,
  // A worker loads core once and not for each file: no test changes what a module holds.
  isolate: false,
  // Worker threads that a test starts load the sources, too.
  execArgv: ['--conditions=@keelson/source'],
  // Programs that a test starts are translated once, not at each start.
  env: { NODE_COMPILE_CACHE: join(tmpdir(), 'keelson-compile-cache') },
  testTimeout: 180_000,
  hookTimeout: 180_000,
}

const project = (name: string, root: string, folders: string[]) => ({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: { ...shared, name, root: at(root), include: folders.map((folder) => `${folder}**/*.test.ts`) },
})

/** One check of all types, not one for each package. */
const types = {
  test: {
    name: 'types',
    root: at('.'),
    include: [],
    typecheck: {
      enabled: true,
      include: ['packages/*/{src,test}/**/*.test-d.ts'],
      tsconfig: at('tsconfig.json'),
      checker: at('node_modules/typescript-7/bin/tsc'),
    },
  },
}

const packages = ['core', 'memory-sqlite', 'connectors', 'testing']

export default defineConfig({
  test: {
    globalSetup: [at('tools/node-guard.mjs'), at('tools/temporary.ts')],
    // Vitest leaves a core to itself, which on a machine of two is half of them.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    sequence: shuffled ? {} : { sequencer: LongestFirst },
    projects: [
      ...packages.map((name) => project(name, `packages/${name}`, ['src/', 'test/'])),
      project('tests', '.', ['tests/']),
      project('tools', '.', ['tools/']),
      types,
    ],
  },
})
