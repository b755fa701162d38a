/** An import that is killed at any point has lost nothing and begun nothing: the next one goes on, and all is as it was (P14). */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { createConductor, definePlaybook } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { memoryStore } from '@keelson/testing'
import { me } from '../support/open.ts'

const CHILD = join(import.meta.dirname, 'import-child.ts')
const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const work = definePlaybook({
  name: 'work',
  version: 1,
  input: z.object({ n: z.number() }),
  output: z.object({}),
  async run(ctx, { n }) {
    for (let step = 0; step < 6; step++) await ctx.step(`step ${step}`, () => `${n} ${'x'.repeat(200)}`)
    if (n % 50 === 0) await ctx.sleep('1d')
    return {}
  },
})

it('goes on after kill -9 at any batch, and ends as the bundle says', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keelson-imports-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const here = await createConductor({ store: memoryStore(), playbooks: [work], log: quiet, keepAlive: false })
  onTestFinished(() => here.stop({ withinMs: 100 }))
  for (let n = 0; n < 300; n++) await here.start(work, { n }, { id: `run:${n}` })
  await here.quiet()
  const lines: string[] = []
  for await (const line of here.export()) lines.push(line)
  const [bundle, file] = [join(folder, 'whole.jsonl'), join(folder, 'there.db')]
  writeFileSync(bundle, lines.join(''))
  let ended = false
  for (let killed = 0; !ended; killed++) {
    const child = fork(CHILD, [file, bundle], { execArgv: ['--conditions=@keelson/source'] })
    const exited = once(child, 'exit')
    let batches = 0
    child.on('message', (told: string) => {
      if (told !== 'batch') ended = true
      else if (++batches > killed % 3 && killed < 6) child.kill('SIGKILL')
    })
    await exited
    expect(killed).toBeLessThan(12)
  }
  const there = await createConductor({ store: sqlite(file), playbooks: [work], work: false, log: quiet })
  onTestFinished(() => there.stop())
  expect(await there.audit.verify()).toMatchObject({ ok: true, faults: [] })
  const back: string[] = []
  for await (const line of there.export()) back.push(line)
  expect(back.join('')).toBe(lines.join(''))
  expect((await there.runs.list({ state: 'open', limit: 500 })).runs).toHaveLength(6)
  await there.configure({ after: 'the import' }, { by: me })
})
