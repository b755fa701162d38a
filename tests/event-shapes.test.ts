/** Events whose shape changes: what was sent as of an older one is read as of today's, in whatever way it reached the run. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent, definePlaybook, type EventType, type Upcast } from '@keelson/core'
import { testConductor, type MemoryStoreSession } from '@keelson/testing'
import { open, store } from './support/open.ts'

const first = defineEvent({ name: 'paid', schema: z.object({ invoice: z.string(), euros: z.number() }) })
const second = (upcast?: { [version: number]: Upcast }) =>
  defineEvent({
    name: 'paid',
    version: 2,
    schema: z.object({ invoice: z.string(), cents: z.int() }),
    ...(upcast === undefined ? {} : { upcast }),
  })
const idle: { [version: number]: Upcast } = { 2: (old) => old }
const inCents: Upcast = ({ invoice, euros }) => ({ invoice: invoice!, cents: (euros as number) * 100 })

const made = new Map<object, ReturnType<typeof listening>>()
const listening = (event: EventType<{ invoice: string }>) =>
  definePlaybook({
    name: 'waits',
    version: 1,
    input: z.object({}),
    output: z.json(),
    async run(ctx) {
      const one = await ctx.waitFor(event, { match: { invoice: '7' } })
      await ctx.step('between', () => 1)
      return [one, await ctx.waitFor(event, { match: { invoice: '7' } })] as never
    },
  })
/** The same for the same event: a playbook is started by what was registered. */
function waits(event: EventType<any>) {
  const known = made.get(event) ?? listening(event as EventType<{ invoice: string }>)
  made.set(event, known)
  return known
}

const both = [
  { invoice: '7', cents: 300 },
  { invoice: '7', cents: 400 },
]

const on = (data: MemoryStoreSession, event: EventType<any>, options: object = {}) =>
  open(data, { playbooks: [waits(event)], ...options })

/** A run waits for two events; both were sent, and nobody has read either. */
async function sent() {
  const data = store()
  const old = await on(data, first)
  await old.start(waits(first), {}, { id: 'early' })
  await old.quiet()
  await old.stop()
  const web = await on(data, first, { work: false })
  await web.send(first, { invoice: '7', euros: 3 }, { id: 'e' })
  await web.send(first, { invoice: '7', euros: 4 }, { id: 'f' })
  await web.stop()
  return data
}

describe('an event of an older shape', () => {
  it('reaches code as of today, from the mail, from the buffer, and in a replay', async () => {
    const data = await sent()
    const event = second({ 2: inCents })
    const now = await on(data, event, { events: [event] })
    expect(await now.runs.get('early').result()).toEqual(both)
    await now.stop()
    const again = await on(data, event)
    expect((await again.rehearse({ finished: 9 })).runs.map(({ verdict }) => verdict)).toEqual(['continues'])
    expect(await again.audit.verify()).toMatchObject({ ok: true })
  })

  it.each([
    ['without an upcaster', undefined, 'no way from there to version 2'],
    ['with one that makes what does not fit', idle, 'does not fit'],
  ])('%s holds the run, which goes on in code that can read it', async (_, upcast, text) => {
    const data = await sent()
    const blind = await on(data, second(upcast))
    await blind.quiet()
    const what = expect.stringContaining(text)
    const run = blind.runs.get('early')
    expect(await run.status()).toMatchObject({ state: 'waiting', for: [{ kind: 'version', what }] })
    await blind.stop()
    const seeing = await on(data, second({ 2: inCents }))
    expect(await seeing.runs.get('early').result()).toEqual(both)
  })

  it('stops the start where the event is named, with the count and the ids', async () => {
    const data = await sent()
    const working = await on(data, first)
    await working.quiet()
    await working.stop()
    const start = on(data, second(), { events: [second()] })
    await expect(start).rejects.toMatchObject({ code: 'UPCASTER_MISSING' })
    await expect(start).rejects.toThrow(/2 in workspace default \(event:paid:e, event:paid:f\)/)
    const fine = second({ 2: inCents })
    await on(data, fine, { events: [fine] })
  })
})

describe('an event of a newer shape', () => {
  it('holds the run of older code', async () => {
    const data = store()
    const old = await on(data, first)
    const run = await old.start(waits(first), {}, { id: 'r' })
    const event = second({ 2: inCents })
    const newer = await on(data, event, { work: false })
    await newer.send(event, { invoice: '7', cents: 5 }, { id: 'e' })
    await old.quiet()
    const what = expect.stringContaining('this code knows 1')
    expect(await run.status()).toMatchObject({ state: 'waiting', for: [{ kind: 'version', what }] })
  })
})

describe('the harness', () => {
  it('takes the events that an app is given, and checks them at its start as that does', async () => {
    const event = second({ 2: inCents })
    const data = await sent()
    const working = await on(data, first)
    await working.quiet()
    await working.stop()
    const missing = second()
    const starts = testConductor({ playbooks: [waits(missing)], events: [missing], store: data })
    await expect(starts).rejects.toMatchObject({ code: 'UPCASTER_MISSING' })
    const t = await testConductor({ playbooks: [waits(event)], events: [event], store: data })
    expect((await t.keelson.runs.list({})).runs.length).toBeGreaterThan(0)
    await t.stop()
  })
})
