/** What runs make anew dies young: it does not stay in the heap until the next full collection. See base/young.ts of core. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

const CHILD = join(import.meta.dirname, 'support/young-child.ts')
/** Bytes of a run of ten steps: about half of it are names that its store keeps for a while. One that is kept whole takes 10,000 and more. */
const KEPT_MAX = 6_000

describe('the heap of a process at work', () => {
  it('keeps next to nothing of runs that have ended, whether one is in flight or many are', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'keelson-young-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const execArgv = ['--conditions=@keelson/source', '--expose-gc', '--no-flush-bytecode']
    const child = fork(CHILD, [join(folder, 'company.db')], { execArgv })
    onTestFinished(() => void child.kill('SIGKILL'))
    const [told] = (await once(child, 'message')) as [{ one: number; many: number }]
    expect(told.one, 'bytes a run, one in flight').toBeLessThan(KEPT_MAX)
    expect(told.many, 'bytes a run, many in flight').toBeLessThan(KEPT_MAX)
  })
})
