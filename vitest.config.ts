/** The test projects: one for each package, one for what needs two packages, one for the checks of the repository. */
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { defineConfig } from 'vitest/config'

const conditions = ['@keelson/source', 'module', 'node', 'development|production']
const at = (path: string): string => resolve(import.meta.dirname, path)

const project = (name: string, root: string, folders: string[]) => ({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    name,
    root: at(root),
    include: folders.map((folder) => `${folder}**/*.test.ts`),
    pool: 'forks' as const,
    // Worker threads that a test starts load the sources, too.
    execArgv: ['--conditions=@keelson/source'],
    // Programs that a test starts are translated once, not at each start.
    env: { NODE_COMPILE_CACHE: join(tmpdir(), 'keelson-compile-cache') },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    typecheck: {
      enabled: true,
      include: folders.map((folder) => `${folder}**/*.test-d.ts`),
      tsconfig: at('tsconfig.json'),
      checker: at('node_modules/typescript-7/bin/tsc'),
    },
  },
})

const packages = ['core', 'memory-sqlite', 'connectors', 'testing']

export default defineConfig({
  test: {
    globalSetup: at('tools/node-guard.mjs'),
    // Vitest leaves a core to itself, which on a machine of two is half of them.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      ...packages.map((name) => project(name, `packages/${name}`, ['src/', 'test/'])),
      project('tests', '.', ['tests/']),
      project('tools', '.', ['tools/']),
    ],
  },
})
