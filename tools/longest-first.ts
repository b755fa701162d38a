/** The order of the test files: the longest first, so that none of them runs alone at the end while the other cores wait. */
import { relative, resolve } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const root = resolve(import.meta.dirname, '..')

/** From the longest on. A fresh clone has no times of an earlier run, and the sizes of these files say nothing. */
export const LONGEST: readonly string[] = [
  'tests/crash.test.ts',
  'tests/crash-later.test.ts',
  'tests/soak/soak.test.ts',
  'tests/postgres-store.test.ts',
  'tests/host-browser.test.ts',
  'packages/memory-sqlite/test/conformance.test.ts',
  'tests/ten-minutes.test.ts',
  'tests/demo.test.ts',
  'packages/memory-sqlite/test/damage.test.ts',
  'tests/reliability/processes.test.ts',
  'packages/memory-sqlite/test/processes.test.ts',
  'tests/surface/programs.test.ts',
  'tests/reliability/heap.test.ts',
  'tests/cli.test.ts',
]

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.indexOf(relative(root, moduleId).replaceAll('\\', '/'))
      return at === -1 ? LONGEST.length : at
    }
    return (await super.sort(files)).sort((a, b) => place(a) - place(b))
  }
}
