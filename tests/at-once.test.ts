/** Passes of one playbook at once: as many as it says, however many are due, and each has its turn. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { createConductor, definePlaybook, type MemoryStore } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { memoryStore } from '@keelson/testing'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'keelson-at-once-'))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return made
}

/** A playbook that tells how many of its passes were under way at once, at most. */
function busy(name: string, versions: readonly (number | undefined)[]) {
  const seen = { now: 0, most: 0, ended: 0 }
  const playbooks = versions.map((atOnce, at) =>
    definePlaybook({
      name,
      version: at + 1,
      input: z.object({}),
      output: z.object({}),
      ...(atOnce === undefined ? {} : { atOnce }),
      run: async (ctx) => {
        await ctx.step('work', async () => {
          seen.most = Math.max(seen.most, ++seen.now)
          for (let turns = 0; turns < 5; turns++) await turn()
          seen.now--
          seen.ended++
        })
        return {}
      },
    }),
  )
  return { playbooks, seen }
}

const STORES: [string, (at: string) => MemoryStore][] = [
  ['memory', () => memoryStore()],
  ['one SQLite file', (at) => sqlite(join(at, 'all.db'))],
  ['a SQLite file for each company', (at) => sqlite((workspace) => join(at, `${workspace}.db`))],
]

it.each(STORES)('of a playbook with a limit are never more, of others as many as are due, on %s', async (_, make) => {
  const few = busy('few', [undefined, 2])
  const many = busy('many', [undefined])
  const playbooks = [...few.playbooks, ...many.playbooks]
  const conductor = await createConductor({ store: make(folder()), playbooks, log: quiet, keepAlive: false })
  onTestFinished(() => conductor.stop({ withinMs: 100 }))
  const starts = ['x', 'y'].flatMap((company) =>
    playbooks.flatMap((playbook, at) =>
      [1, 2, 3].map((n) => conductor.workspace(company).start(playbook, {}, { id: `${playbook.name}-${at}-${n}` })),
    ),
  )
  const runs = await Promise.all(starts)
  await Promise.all(runs.map((run) => run.result()))
  expect(few.seen).toMatchObject({ most: 2, ended: 12 })
  expect(many.seen).toMatchObject({ ended: 6 })
  expect(many.seen.most).toBeGreaterThan(2)
})
