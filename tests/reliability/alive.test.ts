/** A started conductor keeps its process alive until it is stopped, unless it is told not to, or neither works nor is waited for. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

const CHILD = join(import.meta.dirname, 'alive-child.ts')

/** A process in which a conductor is open, and nothing else goes on. */
async function open({ watching, ...options }: { watching?: true; keepAlive?: boolean; work?: boolean }) {
  const folder = mkdtempSync(join(tmpdir(), 'keelson-alive-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const child = fork(
    CHILD,
    [join(folder, 'company.db'), JSON.stringify(options), ...(watching === undefined ? [] : ['watching'])],
    {
      execArgv: ['--conditions=@keelson/source'],
    },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  await once(child, 'message')
  return { child, ended }
}

const KEPT = [{}, { keepAlive: true }, { work: false, watching: true as const }]
const FREE = [
  { keepAlive: false },
  { work: false, keepAlive: true },
  { work: false, keepAlive: false, watching: true as const },
]

describe('a process with a conductor', () => {
  it('goes on until that is stopped, unless it is not to be kept alive, or does no work', async () => {
    const kept = await Promise.all(KEPT.map(open))
    // Those that may end are opened later, and have ended: so long the others had time to end in.
    const free = await Promise.all(FREE.map(open))
    expect(await Promise.all(free.map(({ ended }) => ended))).toEqual([0, 0, 0])
    for (const { child } of kept) expect([child.exitCode, child.signalCode]).toEqual([null, null])
    for (const { child } of kept) child.send('stop')
    expect(await Promise.all(kept.map(({ ended }) => ended))).toEqual([0, 0, 0])
  })
})
