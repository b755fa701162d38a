/** Stopping, as docs/guides/stopping.md says: nothing listens for signals by itself; a stop lets what runs be recorded, and ends with 0. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createConductor } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keelson-stopping-'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** A process with a step under way, which is done when a signal comes, if it lives so long. */
const program = (path: string, ending: string): string => `
import { createConductor, definePlaybook } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { once } from 'node:events'
import { z } from 'zod'
const told = ${ending === '' ? 'new Promise(() => {})' : "once(process, 'SIGTERM')"}
const work = definePlaybook({ name: 'work', version: 1, input: z.object({}), output: z.string(), async run(ctx) {
  await ctx.step('long', () => {
    console.log('in a step, with ' + process.listenerCount('SIGTERM') + ' listeners')
    return told.then(() => 1)
  })
  await ctx.sleep('1d')
  return 'done'
} })
const keelson = await createConductor({ store: sqlite(${JSON.stringify(path)}), playbooks: [work] })
await keelson.start(work, {}, { id: 'r' })
${ending}
`

/** How it ends when the platform stops it in the middle of a step. */
async function stopped(
  path: string,
  ending: string,
): Promise<{ said: string; code: number | null; signal: string | null }> {
  const node = ['--conditions=@keelson/source', '--input-type=module', '-e', program(path, ending)]
  const child = spawn(process.execPath, node, {
    cwd: resolve(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = (await once(child.stdout, 'data')) as [Buffer]
  child.kill('SIGTERM')
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  return { said: said.toString().trim(), code, signal }
}

async function steps(path: string): Promise<string[]> {
  const keelson = await createConductor({ store: sqlite(path), playbooks: [], work: false, keepAlive: false })
  const story = await keelson.audit.story('r')
  await keelson.stop()
  return story.filter((line) => line.includes('"long"'))
}

describe('a process that is told to stop', () => {
  it('lets the step that runs be recorded, and ends with 0, when it listens', async () => {
    const path = join(folder, 'listens.db')
    const ended = await stopped(path, 'await told\nawait keelson.stop()')
    expect(ended).toEqual({ said: 'in a step, with 1 listeners', code: 0, signal: null })
    expect(await steps(path)).toHaveLength(1)
  })

  it('ends at once when it does not: Keelson listens for no signal', async () => {
    const path = join(folder, 'does-not.db')
    const ended = await stopped(path, '')
    expect(ended).toEqual({ said: 'in a step, with 0 listeners', code: null, signal: 'SIGTERM' })
    expect(await steps(path)).toEqual([])
  })
})
