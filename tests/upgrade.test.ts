/** New code meets old runs: told beforehand, moved where they fit, and the histories of every release go on. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { action, createConductor, defineEvent, definePlaybook, type Context } from '@keelson/core'
import { manualClock, memoryStore } from '@keelson/testing'
import { me, open, store } from './support/open.ts'
import { golden, signed } from './golden/playbooks.ts'

const go = defineEvent({ name: 'go', schema: z.object({}) })
const quiet = { info: () => {}, warn: () => {}, error: () => {} }

function version(number: number, run: (ctx: Context) => Promise<string>) {
  return definePlaybook({
    name: 'work',
    version: number,
    input: z.object({}),
    output: z.string(),
    run: (ctx) => run(ctx),
  })
}

const one = version(1, async (ctx) => {
  const a = await ctx.step('a', () => 'a')
  await ctx.waitFor(go)
  return a
})
/** Like version 1, with one step more behind the wait. */
const two = version(2, async (ctx) => {
  const a = await ctx.step('a', () => 'a')
  await ctx.waitFor(go)
  return ctx.step('b', () => `${a}b`)
})
/** Another first step. */
const three = version(3, async (ctx) => ctx.step('z', () => 'z'))

describe('runs.upgrade', () => {
  it('moves the runs that fit and leaves the others, named with the reason', async () => {
    const data = store()
    const conductor = await open(data, { playbooks: [one, two, three] })
    for (const id of ['r1', 'r2', 'r3']) await conductor.start(one, {}, { id })
    await conductor.quiet()
    const foretold = await conductor.runs.upgrade({ playbook: 'work', to: 2, by: me, dryRun: true })
    expect(foretold).toEqual({ moved: ['r1', 'r2', 'r3'], left: [] })
    expect((await conductor.runs.list()).runs.map((run) => run.version)).toEqual([1, 1, 1])
    const misfit = await conductor.runs.upgrade({ playbook: 'work', to: 3, by: me })
    expect(misfit.moved).toEqual([])
    expect(misfit.left).toMatchObject([
      { run: 'r1', verdict: 'branches', at: 'z', on: 3 },
      { run: 'r2', verdict: 'branches' },
      { run: 'r3', verdict: 'branches' },
    ])
    const { moved } = await conductor.runs.upgrade({ playbook: 'work', to: 2, by: me, runs: ['r1', 'r3'] })
    expect(moved).toEqual(['r1', 'r3'])
    await conductor.send(go, {}, { id: 'go' })
    expect(await Promise.all(['r1', 'r2', 'r3'].map((id) => conductor.runs.get(id).result()))).toEqual([
      'ab',
      'a',
      'ab',
    ])
  })

  it('foretells of a run whose effect is open that it cannot be moved, and moves it once that has ended', async () => {
    const mail = action({
      name: 'mail.send',
      effect: 'irreversible',
      idempotency: { by: 'key' },
      input: z.object({}),
      output: z.object({}),
      run: () => ({ output: {} }),
    })
    const asks = async (ctx: Context): Promise<string> => {
      await ctx.act(mail, {})
      await ctx.waitFor(go)
      return 'sent'
    }
    const first = version(1, asks)
    const conductor = await open(store(), { playbooks: [first, version(2, asks)], actions: [mail] })
    await conductor.start(first, {}, { id: 'r' })
    await conductor.quiet()
    const to = { playbook: 'work', to: 2, by: me }
    const foretold = await conductor.runs.upgrade({ ...to, dryRun: true })
    expect(foretold).toMatchObject({ moved: [], left: [{ run: 'r', verdict: 'waits', at: 'mail.send' }] })
    expect(await conductor.runs.upgrade(to)).toEqual(foretold)
    const rehearsal = await conductor.rehearse({ playbook: 'work', to: 2 })
    expect(rehearsal).toMatchObject({ ok: false, runs: foretold.left })
    expect(rehearsal.report).toMatch(/^default\/r \(work@1 on 2\): waits: "mail.send" .* is still open.*, 1 wait$/s)
    expect(await conductor.rehearse()).toMatchObject({ ok: true, runs: [{ verdict: 'continues' }] })
    const [item] = (await conductor.inbox.list()).items
    await conductor.inbox.decide(item!.id, { hash: item!.hash, by: me, approve: true })
    await conductor.quiet()
    expect(await conductor.runs.upgrade({ ...to, dryRun: true })).toEqual({ moved: ['r'], left: [] })
    expect(await conductor.runs.upgrade(to)).toEqual({ moved: ['r'], left: [] })
  })

  it('refuses a version that nobody registered', async () => {
    const conductor = await open(store(), { playbooks: [one] })
    await expect(conductor.runs.upgrade({ playbook: 'work', to: 9, by: me })).rejects.toMatchObject({
      code: 'PLAYBOOK_NOT_FOUND',
    })
    await expect(conductor.rehearse({ to: 9 })).rejects.toMatchObject({ code: 'PLAYBOOK_NOT_FOUND' })
  })

  it('refuses to rehearse a playbook that nobody registered, unless it has runs', async () => {
    const own = store()
    const conductor = await open(own, { playbooks: [one] })
    await expect(conductor.rehearse({ playbook: 'wrok' })).rejects.toMatchObject({
      code: 'PLAYBOOK_NOT_FOUND',
      hint: expect.stringContaining('Did you mean "work"?'),
    })
    expect(await conductor.rehearse({ playbook: 'work' })).toMatchObject({ ok: true, runs: [] })
    await conductor.start(one, {}, { id: 'r' })
    await conductor.quiet()
    const without = await open(own, { playbooks: [] })
    expect(await without.rehearse({ playbook: 'work' })).toMatchObject({ ok: false, runs: [{ run: 'r' }] })
  })
})

describe('rehearse', () => {
  it('writes nothing, executes nothing, and says of each run what would become of it', async () => {
    const data = store()
    const first = await open(data, { playbooks: [one] })
    await first.start(one, {}, { id: 'open' })
    await first.start(one, {}, { id: 'open2' })
    await first.quiet()
    await first.runs.pause('open2', { by: me, reason: 'later' })
    await first.quiet()
    await first.stop()
    const before = await linesOf(data)
    let executed = 0
    const edited = version(1, async (ctx) => {
      const a = await ctx.step('a', () => (executed++, 'a'))
      await ctx.step('inserted', () => (executed++, 'i'))
      await ctx.waitFor(go)
      return a
    })
    const second = await open(data, { playbooks: [edited], work: false })
    const rehearsal = await second.rehearse()
    expect(rehearsal.ok).toBe(false)
    expect(rehearsal.runs).toMatchObject([
      { run: 'open', verdict: 'branches', at: 'inserted', finished: false },
      { run: 'open2', verdict: 'branches', at: 'inserted' },
    ])
    expect(rehearsal.report).toContain('default/open (work@1): would take another branch at "inserted"')
    expect(rehearsal.report).toContain('2 runs replayed: 0 continue, 0 need migration, 2 would branch, 0 stall')
    await second.stop()
    const third = await open(data, { playbooks: [], work: false })
    expect((await third.rehearse()).runs).toMatchObject([
      { verdict: 'needs-migration' },
      { verdict: 'needs-migration' },
    ])
    expect(executed).toBe(0)
    await third.stop()
    expect(await linesOf(data)).toEqual(before)
  })

  it('holds finished runs against how they ended', async () => {
    const data = store()
    const was = version(1, async (ctx) => ctx.step('x', () => 'x'))
    const first = await open(data, { playbooks: [was] })
    await (await first.start(was, {}, { id: 'r' })).result()
    await first.stop()
    const same = await open(data, { playbooks: [version(1, (ctx) => ctx.step('x', () => 'other'))], work: false })
    expect((await same.rehearse()).runs).toMatchObject([{ run: 'r', verdict: 'continues', finished: true }])
    const ends = await open(data, {
      playbooks: [version(1, async (ctx) => `${await ctx.step('x', () => 'x')}!`)],
      work: false,
    })
    const rehearsal = await ends.rehearse()
    expect(rehearsal.runs).toMatchObject([{ verdict: 'branches', at: 'the result' }])
    expect(rehearsal.ok).toBe(true)
    expect((await ends.rehearse({ finished: 0 })).runs).toEqual([])
  })
})

describe('the golden histories', () => {
  const releases = readdirSync(new URL('golden/', import.meta.url)).filter((name) => name.endsWith('.jsonl'))

  it('are there', () => expect(releases).toContain('0.1.0.jsonl'))

  it.each(releases)('of %s replay on this code, and go on to their ends', async (name) => {
    const text = readFileSync(new URL(`golden/${name}`, import.meta.url), 'utf8')
    const { sent, options } = golden()
    const clock = manualClock(Date.UTC(2026, 0, 2))
    const conductor = await createConductor({
      ...options,
      store: memoryStore(),
      clock,
      log: quiet,
      keepAlive: false,
      work: false,
    })
    const acme = conductor.workspace('acme')
    await acme.import([text], { by: me, adopt: true })
    expect(await acme.audit.verify()).toMatchObject({ ok: true, faults: [] })
    const rehearsal = await acme.rehearse({ finished: 100 })
    expect(rehearsal.report).toMatch(/^\d+ runs replayed: (\d+) continue, 0 need migration, 0 would branch, 0 stall$/)
    expect(rehearsal.runs.length).toBeGreaterThanOrEqual(6)
    await conductor.stop()
    const store = memoryStore()
    const working = await createConductor({ ...options, store, clock, log: quiet, keepAlive: false })
    onTestFinished(() => working.stop({ withinMs: 100 }))
    const there = working.workspace('acme')
    await there.import([text], { by: me, adopt: true })
    await working.quiet()
    await there.send(signed, { who: 'ada' }, { id: 'signed-ada' })
    for (const id of ['ada', 'bob', 'xeno']) {
      await working.quiet()
      const { items } = await there.inbox.list()
      for (const { id: item, hash, kind, run } of items) {
        if (run !== id) continue
        const answer = kind === 'question' ? { answer: 'won' } : { approve: true as const }
        await there.inbox.decide(item, { hash, by: me, ...answer })
      }
    }
    await working.quiet()
    for (const id of ['ada', 'bob']) expect(await there.runs.get(id).result()).toMatchObject({ stage: 'won' })
    expect(await there.runs.get('cleo').result()).toMatchObject({ stage: 'signed' })
    expect(await there.runs.get('dora').status()).toMatchObject({ state: 'cancelled' })
    expect(await there.runs.get('count').result()).toEqual({ n: 3 })
    expect(sent).toEqual(['xeno'])
    expect(await there.audit.verify()).toMatchObject({ ok: true })
  })
})

async function linesOf(data: ReturnType<typeof store>): Promise<string[]> {
  const conductor = await open(data, { playbooks: [], work: false })
  const lines: string[] = []
  for await (const line of conductor.export()) lines.push(line)
  await conductor.stop()
  return lines
}
