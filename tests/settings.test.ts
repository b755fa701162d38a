/** Settings whose shape changes: read as of today, in runs too; what cannot be read stops the start, or holds the run. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent, diffBundles, type ConductorOptions, type SettingsDefinition } from '@keelson/core'
import { chain, headOf, writesOf } from '@keelson/core/ports'
import { manualClock, type MemoryStoreSession } from '@keelson/testing'
import { code, me, open, store } from './support/open.ts'

const v1 = z.object({ tone: z.string() })
const v2: SettingsDefinition = {
  version: 2,
  schema: z.object({ voice: z.object({ tone: z.string() }) }),
  upcast: { 2: ({ tone }) => ({ voice: { tone: tone! } }) },
}
const v3: SettingsDefinition = {
  version: 3,
  schema: z.object({ voice: z.string() }),
  upcast: { ...v2.upcast, 3: ({ voice }) => ({ voice: (voice as { tone: string }).tone }) },
}
const said = code(async (ctx) => {
  const before = JSON.stringify(ctx.settings)
  await ctx.sleep('1d')
  return [before, JSON.stringify(ctx.settings)]
})

type Shape = NonNullable<ConductorOptions['settings']>
const on = (data: MemoryStoreSession, settings: Shape, options: object = {}) =>
  open(data, { playbooks: [said], settings, ...options })

/** A company with settings of the first shape, and a run that began under them and sleeps. */
async function before(days: { now: number }) {
  const data = store()
  const clock = { now: () => days.now, monotonic: () => days.now, timer: () => () => {} }
  const old = await on(data, v1, { clock })
  await old.configure({ tone: 'dry' }, { by: me })
  await old.start(said, {}, { id: 'r' })
  await old.quiet()
  await old.stop()
  return { data, clock }
}

describe('settings of an older shape', () => {
  it('are read as of today, by the host and by a run that began under them', async () => {
    const days = { now: Date.UTC(2026, 0, 1) }
    const { data, clock } = await before(days)
    days.now += 2 * 86_400_000
    const now = await on(data, v2, { clock })
    expect(await now.settings()).toEqual({ voice: { tone: 'dry' } })
    const today = '{"voice":{"tone":"dry"}}'
    expect(await now.runs.get('r').result()).toEqual([today, today])
    await now.configure({ voice: { tone: 'warm' } }, { by: me })
    await now.stop()
    const later = await on(data, v3, { clock })
    expect(await later.settings()).toEqual({ voice: 'warm' })
    expect(await later.audit.verify()).toMatchObject({ ok: true })
  })

  it.each([
    ['without an upcaster', { ...v2, upcast: {} }, 'UPCASTER_MISSING'],
    ['with one that makes what does not fit', { ...v2, upcast: { 2: (one: object) => one } }, 'UPCAST_FAILED'],
  ])('%s stop the start, name the company, and are left as they were', async (_, shape, error) => {
    const { data } = await before({ now: 0 })
    const start = on(data, shape as SettingsDefinition)
    await expect(start).rejects.toMatchObject({ code: error, message: expect.stringContaining('workspace default') })
    expect(await (await on(data, v1)).settings()).toEqual({ tone: 'dry' })
  })

  it('are no definition with an upcaster to nowhere', async () => {
    const wrong = { version: 1, schema: v1, upcast: { 2: (one: object) => one } } as SettingsDefinition
    await expect(on(store(), wrong)).rejects.toMatchObject({ code: 'DEFINITION_INVALID' })
  })
})

describe('the format of a company', () => {
  async function linesOf(bundle: AsyncIterable<string>): Promise<string[]> {
    const lines: string[] = []
    for await (const line of bundle) lines.push(line)
    return lines
  }
  const format = (n: number) => ({ kind: 'company', id: 'format', version: 1, data: { format: n } })
  /** Writes the first entry of a company as a release with this format does. */
  async function openedBy(data: MemoryStoreSession, n: number): Promise<void> {
    const own = data.session()
    await own.open({ worker: 'later', now: () => 0 })
    const drafts = [{ kind: 'workspace.opened' as const, data: { puts: [format(n)] } }]
    const entries = chain('default', 'workspace', headOf([]), drafts, 0, () => 'salt')
    expect(await own.write('default', { entries, records: writesOf(entries) })).toMatchObject({ status: 'done' })
  }

  it('stands in the entry that opens it, and goes where the company goes', async () => {
    const data = store()
    const keelson = await on(data, v1)
    const quick = await keelson.start(said, {}, { id: 'r' })
    const bundle = await linesOf(keelson.export())
    const opened = bundle.map((text) => JSON.parse(text) as { kind?: string; payload?: string })
    const [{ payload }] = opened.filter(({ kind }) => kind === 'workspace.opened') as [{ payload: string }]
    expect((JSON.parse(payload) as { puts: object[] }).puts).toContainEqual(format(1))
    expect(quick.id).toBe('r')
    expect(await keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('of a later release stops the start, and the company stays as it is', async () => {
    const data = store()
    await openedBy(data, 2)
    const start = on(data, v1)
    await expect(start).rejects.toMatchObject({ code: 'STORE_NEWER', data: { workspace: 'default' } })
  })

  it('of a later release is refused where a bundle brings it, before anything of it is written', async () => {
    const data = store()
    const keelson = await on(data, v1)
    await openedBy(data, 2) // by newer code that runs beside this
    const bundle = await linesOf(keelson.export())
    const target = await on(store(), v1)
    for (const take of [
      () => target.import(bundle, { by: me }),
      () => target.merge(bundle, { by: me }),
      () => diffBundles(bundle, bundle),
    ])
      await expect(take()).rejects.toMatchObject({ code: 'BUNDLE_NEWER', data: { format: 2 } })
    expect(JSON.stringify(await linesOf(target.export()))).not.toContain('workspace.opened')
  })
})

describe('settings of a newer shape', () => {
  it('stop the start of older code', async () => {
    const data = store()
    await (await on(data, v2)).configure({ voice: { tone: 'dry' } }, { by: me })
    await expect(on(data, v1)).rejects.toMatchObject({ code: 'SCHEMA_NEWER' })
  })

  it('hold the runs of older code that still works, and let them go on in newer code', async () => {
    const data = store()
    const old = await on(data, v1)
    await old.configure({ tone: 'dry' }, { by: me })
    const quick = code(async (ctx) => JSON.stringify(ctx.settings), { name: 'quick' })
    const newer = await open(data, { playbooks: [said, quick], settings: v2, work: false })
    await newer.configure({ voice: { tone: 'warm' } }, { by: me })
    await newer.start(said, {}, { id: 'n' })
    await old.quiet()
    const what = expect.stringContaining('this code knows 1')
    expect(await newer.runs.get('n').status()).toMatchObject({ state: 'waiting', for: [{ kind: 'version', what }] })
    await expect(old.start(said, {}, { id: 'o' })).rejects.toMatchObject({ code: 'SCHEMA_NEWER' })
    await old.stop()
    const days = { now: Date.now() + 9 * 86_400_000 }
    const clock = { now: () => days.now++, monotonic: () => days.now, timer: () => () => {} }
    const again = await on(data, v2, { clock })
    await again.quiet()
    days.now += 2 * 86_400_000
    await again.quiet()
    expect(await again.runs.get('n').status()).toMatchObject({ state: 'waiting', for: [{ kind: 'timer' }] })
  })

  it('let newer code that works beside it go on with them, without being started again', async () => {
    const data = store()
    const clock = manualClock(Date.UTC(2026, 0, 1))
    const told = defineEvent({ name: 'told', schema: z.object({}) })
    const waits = code(async (ctx) => (await ctx.waitFor(told)) !== undefined && JSON.stringify(ctx.settings))
    const older = await open(data, { playbooks: [waits], settings: v1, clock })
    const newer = await open(data, { playbooks: [waits], settings: v2, clock })
    const run = await newer.start(waits, {}, { id: 'w' })
    await newer.quiet()
    await newer.configure({ voice: { tone: 'warm' } }, { by: me })
    await newer.send(told, {}, { id: 'e' })
    await Promise.all([older.quiet(), newer.quiet()])
    expect(await newer.why('event:told:e')).toContain('this code knows 1')
    await older.stop()
    clock.to(clock.now() + 60_000)
    expect(await run.result()).toBe('{"voice":{"tone":"warm"}}')
  })
})
