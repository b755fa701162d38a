/** A company that an earlier release recorded, with memory, plans, grants, files and merges, is read as it was, and goes on. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createConductor, type Conductor } from '@keelson/core'
import { manualClock, memoryStore } from '@keelson/testing'
import { by, options, seen, Site } from './golden/company/company.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const folder = new URL('golden/company/', import.meta.url)
const releases = readdirSync(folder).filter((name) => name.endsWith('.jsonl'))
const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8')

describe('the golden company', () => {
  it('is there', () => expect(releases).toContain('0.1.0.jsonl'))

  const clock = manualClock(Date.UTC(2026, 0, 1, 0, 40))
  const open = async (work: boolean): Promise<Conductor> => {
    const conductor = await createConductor({
      ...options,
      store: memoryStore(),
      clock,
      log: quiet,
      keepAlive: false,
      work,
    })
    onTestFinished(() => conductor.stop({ withinMs: 100 }))
    return conductor
  }

  it.each(releases)('of %s is seen as it was, and its runs replay on this code', async (name) => {
    const there = (await open(false)).workspace('acme')
    await there.import([read(name)], { by, adopt: true })
    expect(await there.audit.verify()).toMatchObject({ ok: true, faults: [] })
    expect(JSON.parse(JSON.stringify(await seen(there)))).toEqual(JSON.parse(read(name.replace('.jsonl', '.json'))))
    const { report } = await there.rehearse({ finished: 100 })
    expect(report).toMatch(/^\d+ runs replayed: \d+ continue, 0 need migration, 0 would branch, 0 stall$/)
  })

  it.each(releases)(
    'of %s goes on: what waits is decided, what is held is let go, what was done is taken back',
    async (name) => {
      const conductor = await open(true)
      const there = conductor.workspace('acme')
      await there.import([read(name)], { by, adopt: true })
      for (let round = 0; round < 10; round++) {
        await conductor.quiet()
        const items = (await there.inbox.list()).items.filter(({ allows }) => allows.includes('approve'))
        for (const { id, hash } of items) await there.inbox.decide(id, { hash, by, approve: true })
        clock.to(clock.now() + 3_600_000)
      }
      await conductor.quiet()
      expect(await there.runs.get('open-plan').result()).toMatchObject({ sent: 1 })
      expect(await there.runs.get('plan').result()).toMatchObject({ sent: 2 })
      expect(await there.runs.get('held').result()).toEqual({ to: 'held' })
      expect(await there.runs.get('eve').result()).toEqual({ to: 'nobody' })
      await there.memory.revert({ run: 'held' }, { by })
      expect((await there.memory.facts({ about: 'held' })).length).toBe(0)
      expect((await there.entities(Site).list()).entities.map(({ data }) => data.name)).not.toContain('held!')
      expect(await there.audit.verify()).toMatchObject({ ok: true, faults: [] })
    },
  )
})
