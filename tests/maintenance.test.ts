/** Maintenance: backup, retention, pruning and compacting, at once or on a schedule that the operator owns. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import Database from 'better-sqlite3'
import { z } from 'zod'
import { createConductor, definePlaybook, type Conductor, type MemoryStore } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { exploreCrashes, manualClock, memoryStore, type ManualClock } from '@keelson/testing'
import { me } from './support/open.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const DAY = 86_400_000
const note = definePlaybook({
  name: 'note',
  version: 1,
  input: z.object({ text: z.string() }),
  output: z.object({}),
  async run(ctx, { text }) {
    await ctx.step('one', () => text.repeat(200))
    return {}
  },
})

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'keelson-maintenance-'))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return made
}

async function open(store: MemoryStore): Promise<{ keelson: Conductor; clock: ManualClock }> {
  const clock = manualClock(Date.UTC(2026, 0, 1))
  const keelson = await createConductor({ store, clock, playbooks: [note], log: quiet, keepAlive: false })
  onTestFinished(() => keelson.stop({ withinMs: 100 }))
  return { keelson, clock }
}

async function on({ keelson, clock }: Awaited<ReturnType<typeof open>>, ms: number): Promise<void> {
  clock.to(clock.now() + ms)
  await keelson.quiet()
}

async function notes(keelson: Conductor, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await keelson.start(note, { text: `secret ${n} ` }, { id: `note:${n}` })
  await keelson.quiet()
}

describe('maintenance on a schedule', () => {
  it('copies, proves, prunes and compacts at each planned instant, and keeps so many copies', async () => {
    const home = folder()
    const here = await open(sqlite(join(home, 'app.db')))
    const { keelson } = here
    await notes(keelson, 40)
    const to = join(home, 'backups')
    const plan = { backup: { to, keep: 2 }, prune: { olderThan: '2d' }, retention: true, compact: true } as const
    await keelson.maintenance.schedule({ cron: '0 3 * * *', timeZone: 'Europe/Berlin', by: me, ...plan })
    const planned = await keelson.maintenance.status()
    expect(planned).toMatchObject({ running: false, schedule: { ...plan, cron: '0 3 * * *' } })
    expect(planned.schedule!.next[0]).toBe('2026-01-01T02:00:00.000Z')
    for (let day = 0; day < 4; day++) await on(here, DAY)
    const { last } = await keelson.maintenance.status()
    expect(last).toMatchObject({ run: 'keelson.maintenance@2026-01-04T02:00:00.000Z', report: { ok: true } })
    expect(last!.report!.parts.map(({ part }) => part)).toEqual(['backup', 'retention', 'prune', 'compact'])
    const copies = readdirSync(to)
    expect(copies).toHaveLength(2)
    expect(copies[1]).toMatch(/^app-20260105T0\d{8}Z[.]db$/)
    expect(await keelson.audit.verify()).toMatchObject({ ok: true, faults: [] })
    expect((await keelson.audit.query({ actor: me })).lines.map(({ what }) => what)).toContain('stream pruned')
    const story = await keelson.audit.story(last!.run)
    expect(story.join('\n')).toContain('step "backup" ended')
    await keelson.maintenance.unschedule({ by: me })
    await on(here, 2 * DAY)
    expect((await keelson.maintenance.status()).last).toEqual(last)
    expect((await keelson.maintenance.status()).schedule).toBeUndefined()
  })

  it('tells in the inbox of a part that failed, goes on with the others, and closes that when all goes well', async () => {
    const home = folder()
    const { keelson } = await open(sqlite(join(home, 'app.db')))
    await notes(keelson, 5)
    const blocked = join(home, 'blocked')
    writeFileSync(blocked, 'a file where a folder should be')
    const failed: string[] = []
    keelson.on('maintenance.failed', ({ part }) => failed.push(part))
    const run = await keelson.maintenance.run({ by: me, backup: { to: blocked }, compact: true })
    const report = await run.result()
    expect(report).toMatchObject({
      ok: false,
      parts: [
        { part: 'backup', ok: false },
        { part: 'compact', ok: true },
      ],
    })
    await keelson.quiet()
    expect(failed).toEqual(['backup'])
    const { items } = await keelson.inbox.list()
    expect(items).toMatchObject([{ kind: 'attention', code: 'MAINTENANCE_FAILED', allows: ['dismiss', 'delegate'] }])
    expect(items[0]!.title).toContain('backup')
    rmSync(blocked)
    await (await keelson.maintenance.run({ by: me, backup: { to: blocked } })).result()
    expect((await keelson.inbox.list()).items).toEqual([])
    expect(readdirSync(blocked)).toHaveLength(1)
  })

  it('proposes what is past its time once, until somebody has decided', async () => {
    const here = await open(memoryStore())
    const { keelson } = here
    await keelson.memory.remember({ text: 'the door code is 1234', kind: 'fact' } as never, { by: me })
    await keelson.memory.retention.set({ name: 'short', keep: '1d' }, { by: me })
    await on(here, 2 * DAY)
    const first = await (await keelson.maintenance.run({ by: me, retention: true })).result()
    expect(first.parts[0]!.text).toContain('proposed')
    await keelson.quiet()
    const again = await (await keelson.maintenance.run({ by: me, retention: true })).result()
    expect(again.parts[0]!.text).toContain('not decided yet')
    expect((await keelson.memory.changes.list({ status: 'proposed' })).length).toBe(1)
  })

  it('refuses a plan of nothing or nonsense, and says which store cannot be copied', async () => {
    const { keelson } = await open(memoryStore())
    const refused = { code: 'INPUT_INVALID' }
    await expect(keelson.maintenance.run({ by: me })).rejects.toMatchObject(refused)
    await expect(keelson.maintenance.run({ by: me, backup: { to: 'x', keep: 0 } })).rejects.toMatchObject(refused)
    const soon = { by: me, prune: { olderThan: 'soon' as never } }
    await expect(keelson.maintenance.schedule({ cron: '0 3 * * *', ...soon })).rejects.toMatchObject(refused)
    const at = { cron: 'now and then', by: me, compact: true }
    await expect(keelson.maintenance.schedule(at)).rejects.toMatchObject({ code: 'DEFINITION_INVALID' })
    const { parts } = await (await keelson.maintenance.run({ by: me, backup: { to: 'x' } })).result()
    expect(parts[0]!.text).toContain('neither copied nor compacted')
    expect(await keelson.maintenance.status()).toMatchObject({ running: false, last: { report: { ok: false } } })
  })
})

describe('a run of maintenance', () => {
  it('ends the same wherever it is cut', async () => {
    const explored = await exploreCrashes(
      async (t) => {
        await t.start(note, { text: 'a' }, { id: 'a' })
        await t.advance('1h')
        const plan = { by: me, id: 'm', prune: { olderThan: '1s' } } as const
        await t.host((keelson) => keelson.maintenance.run(plan).then(() => undefined))
        await t.settle()
        await t.advance('5m')
        const status = await t.host((keelson) => keelson.maintenance.status())
        return status.last?.report?.ok
      },
      { harness: () => ({ playbooks: [note] }), limit: 60 },
    )
    expect(explored.schedules).toBeGreaterThan(10)
  })
})

describe.each([
  ['in the host', 'main'],
  ['in a thread', 'worker'],
] as const)('the upkeep of SQLite %s', (_, thread) => {
  it('copies a file per workspace, all or one, and each copy opens and verifies', async () => {
    const home = folder()
    const store = sqlite((workspace) => join(home, 'data', `${encodeURIComponent(workspace)}.db`), { thread })
    const { keelson } = await open(store)
    for (const id of ['a', 'a-2']) {
      await keelson.workspace(id).start(note, { text: id }, { id: 'n' })
      await keelson.quiet()
    }
    const to = join(home, 'backups')
    const all = await store.upkeep.backup({ folder: to, at: 0 })
    expect(all.files).toHaveLength(2)
    expect(all).toMatchObject({ runs: 2 })
    await store.upkeep.backup({ folder: to, at: 1, workspace: 'a', keep: 1 })
    expect(readdirSync(to).sort()).toEqual(['a-19700101T000000001Z.db', 'a-2-19700101T000000000Z.db'])
    const copy = await createConductor({
      ...{ store: sqlite(join(to, 'a-19700101T000000001Z.db')), work: false, playbooks: [note], log: quiet },
    })
    onTestFinished(() => copy.stop())
    expect(await copy.workspace('a').audit.verify()).toMatchObject({ ok: true, faults: [] })
  })

  it('takes no copy for a backup that is not what was written', async () => {
    const home = folder()
    const path = join(home, 'app.db')
    const store = sqlite(path, { thread })
    const { keelson } = await open(store)
    await notes(keelson, 3)
    const to = join(home, 'backups')
    await store.upkeep.backup({ folder: to, at: 0, keep: 1 })
    const beside = new Database(path)
    beside.prepare(`update records set data = replace(data, 'note', 'node') where kind = 'outcome'`).run()
    beside.close()
    await expect(store.upkeep.backup({ folder: to, at: 1, keep: 1 })).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    expect(readdirSync(to)).toEqual(['app-19700101T000000000Z.db'])
  })

  it('gives the space back that pruning left', async () => {
    const home = folder()
    const path = join(home, 'app.db')
    const store = sqlite(path, { thread })
    const here = await open(store)
    await notes(here.keelson, 60)
    await on(here, 10 * DAY)
    await here.keelson.maintenance.prune({ olderThan: '1d', by: me })
    const { before, after } = await store.upkeep.compact()
    expect(after).toBeLessThan(before * 0.8)
    expect(existsSync(`${path}-wal`) && readFileSync(`${path}-wal`).length).toBe(0)
    expect(await here.keelson.audit.verify()).toMatchObject({ ok: true })
  })
})
