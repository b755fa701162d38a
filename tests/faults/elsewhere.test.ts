/** An effect whose action one process lacks and another, that is at work already, has. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, policy, type Conductor } from '@keelson/core'
import type { Answer, PassUnit } from '@keelson/core/ports'
import { intercept, manualClock } from '@keelson/testing'
import { code, me, open, store } from '../support/open.ts'

const HOUR_MS = 3_600_000
const send = (sent: string[]) =>
  action({
    name: 'post.send',
    ...{ effect: 'reversible', input: z.object({ to: z.string() }), output: z.null() },
    undo: z.null(),
    run: ({ to }) => (sent.push(to), { output: null, undo: null }),
    compensate: () => {},
  })

const turns = async (): Promise<void> => {
  for (let n = 0; n < 50; n++) await new Promise(setImmediate)
}

/** `lacks` takes up the approved effect before `has`, which is busy until `free`. */
async function between() {
  const shared = store()
  const clock = manualClock(0)
  const sent: string[] = []
  const post = send(sent)
  const gate = policy([policy.rule('ask', { on: post }, () => policy.ask({}))])
  const writes = code((ctx) => ctx.act(post, { to: 'ada' }))
  const busy = Promise.withResolvers<number>()
  const occupies = code((ctx) => ctx.step('busy', () => busy.promise), { name: 'occupies' })
  const has = await open(shared, {
    ...{ playbooks: [writes, occupies], actions: [post], policy: gate, clock, concurrency: 1 },
  })
  await has.start(writes, {}, { id: 'r' })
  await has.quiet()
  await has.start(occupies, {}, { id: 'o' })
  const { counted, woken } = counting(shared)
  const lacks = await open(counted, { playbooks: [], clock })
  await approve(lacks)
  const effect = (await lacks.runs.list({ playbook: 'keelson.effect' })).runs[0]!.id
  return {
    clock,
    sent,
    has,
    lacks,
    effect,
    post,
    gate,
    writes,
    shared,
    free: () => busy.resolve(1),
    woken,
  }
}

/** The same store, and how often the run 'r' is woken through it. */
function counting(shared: ReturnType<typeof store>) {
  let woken = 0
  const session = () =>
    intercept(shared.session(), {
      after(op, detail, answer) {
        if (op === 'commit') woken += wakesOf('r', detail[1] as PassUnit, answer as Answer)
      },
    })
  return { counted: { ...shared, session } as typeof shared, woken: () => woken }
}

async function approve(conductor: Conductor): Promise<void> {
  const item = (await conductor.inbox.list()).items.find(({ kind }) => kind === 'approval')!
  await conductor.inbox.decide(item.id, { hash: item.hash, by: me, approve: true })
  await conductor.quiet()
}

/** Of the wakes that a unit delivers to this run, those that were not delivered before. */
function wakesOf(run: string, { deliveries = [] }: PassUnit, answer: Answer): number {
  if (answer.status !== 'done') return 0
  const left = new Set(answer.refused.flatMap((one) => ('delivery' in one ? [one.delivery] : [])))
  return deliveries.filter((one) => one.run === run && one.kind === 'wake' && !left.has(one.onceKey)).length
}

describe('an effect whose action a process lacks', () => {
  it('goes by another process that has it and is at work already, once', async () => {
    const { clock, sent, has, lacks, effect, free } = await between()
    const waits = { state: 'waiting', for: [{ kind: 'version', next: 'looked for again' }] }
    expect(await lacks.runs.get(effect).status()).toMatchObject(waits)
    await lacks.stop()
    free()
    await has.quiet()
    expect(sent).toEqual([])
    clock.to(clock.now() + 30_000)
    await has.quiet()
    expect(sent).toEqual(['ada'])
    expect(await has.runs.get('r').status()).toMatchObject({ state: 'completed' })
    expect(await has.audit.verify()).toMatchObject({ ok: true })
  })

  it('wakes the run that asked once, however often it is looked for', async () => {
    const { clock, sent, lacks, effect, woken } = await between()
    const waiting = () => lacks.audit.query({ run: 'r', limit: 500 })
    const before = await waiting()
    for (const end = clock.now() + HOUR_MS; clock.now() < end;) {
      clock.to(clock.now() + 30_000)
      await lacks.quiet()
    }
    expect(await waiting()).toEqual(before)
    expect(woken()).toBe(1)
    expect(await lacks.runs.get(effect).status()).toMatchObject({ state: 'waiting', for: [{ kind: 'version' }] })
    expect(sent).toEqual([])
  })

  it('goes by whose code brings the action, though another process took the word and has gone', async () => {
    const shared = store()
    const clock = manualClock(0)
    const sent: string[] = []
    const post = send(sent)
    const gate = policy([policy.rule('ask', { on: post }, () => policy.ask({}))])
    const long = Promise.withResolvers<number>()
    const writes = code((ctx) => Promise.all([ctx.act(post, { to: 'ada' }), ctx.step('long', () => long.promise)]))
    const occupies = code((ctx) => ctx.step('long', () => long.promise), { name: 'occupies' })
    const old = await open(shared, { playbooks: [writes, occupies], policy: gate, clock, concurrency: 2 })
    await old.start(writes, {}, { id: 'r' })
    await turns()
    await old.start(occupies, {}, { id: 'o' })
    await turns()
    // It knows the action by the run's code alone, which it has not seen.
    const fresh = await open(shared, { playbooks: [writes], policy: gate, clock })
    await approve(fresh)
    await turns() // the word reaches the run where it is
    expect(sent).toEqual([])
    long.resolve(1)
    await old.quiet()
    await old.stop()
    for (let look = 0; look < 3; look++) {
      clock.to(clock.now() + 30_000)
      await fresh.quiet()
    }
    expect(sent).toEqual(['ada'])
    expect(await fresh.runs.get('r').status()).toMatchObject({ state: 'completed' })
  })

  it('goes at once by one that starts with it', async () => {
    const { sent, has, lacks, post, gate, writes, shared, clock, free } = await between()
    free()
    await has.stop()
    await lacks.stop()
    const starts = await open(shared, { playbooks: [writes], actions: [post], policy: gate, clock })
    expect(await starts.runs.get('r').result()).toBe(null)
    expect(sent).toEqual(['ada'])
  })
})

describe('an effect whose action only the code of a run brings that is held', () => {
  /** The effect is approved in a process with other code, or where the run is paused, and looked for: once, and ten minutes long. */
  async function looked({ paused }: { paused: boolean }) {
    const shared = store()
    const clock = manualClock(0)
    const sent: string[] = []
    const post = send(sent)
    const gate = policy([policy.rule('ask', { on: post }, () => policy.ask({}))])
    const writes = code((ctx) => ctx.act(post, { to: 'ada' }))
    const old = await open(shared, { playbooks: [writes], policy: gate, clock })
    await old.start(writes, {}, { id: 'r' })
    await old.quiet()
    if (paused) await old.runs.pause('r', { by: me, reason: 'wait' })
    await old.quiet()
    await old.stop()
    const { counted, woken } = counting(shared)
    const other = code((ctx) => ctx.step('other', () => 1))
    const fresh = await open(counted, { playbooks: [paused ? writes : other], policy: gate, clock })
    let diverged = 0
    fresh.on('run.diverged', () => diverged++)
    await approve(fresh)
    const told: number[][] = []
    for (let look = 0; look < 20; look++) {
      clock.to(clock.now() + 30_000)
      await fresh.quiet()
      told.push([woken(), diverged])
    }
    expect(told.at(-1)).toEqual(told[0])
    expect(sent).toEqual([])
    return { fresh, woken, sent, again: () => open(shared, { playbooks: [writes], policy: gate, clock }) }
  }

  it('leaves that run alone while it is paused, and goes when it goes on', async () => {
    const { fresh, woken, sent } = await looked({ paused: true })
    expect(woken()).toBe(0)
    await fresh.runs.resume('r', { by: me })
    await fresh.quiet()
    expect(sent).toEqual(['ada'])
  })

  it('leaves that run alone where other code does not fit it, and goes by code that does', async () => {
    const { fresh, sent, again } = await looked({ paused: false })
    await fresh.stop()
    const mended = await again()
    expect(await mended.runs.get('r').result()).toBe(null)
    expect(sent).toEqual(['ada'])
  })
})
