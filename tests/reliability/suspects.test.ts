/** Suspects: a run whose workers died is kept apart until it has recorded something, and no longer. */
import { describe, expect, it } from 'vitest'
import { createConductor, type Conductor, type Playbook } from '@keelson/core'
import type { MemoryStore } from '@keelson/core/ports'
import type { MemoryStoreSession } from '@keelson/testing'
import { code, open, store } from '../support/open.ts'

const quiet = { info() {}, warn() {}, error() {} }

/** A process with a conductor, and its death. */
async function mortal(
  data: MemoryStoreSession,
  playbook: Playbook<any, any>,
): Promise<{ conductor: Conductor; die(): void }> {
  const session = data.session()
  const conductor = await createConductor({ store: session, playbooks: [playbook], keepAlive: false, log: quiet })
  const die = (): void => {
    session.kill()
    conductor.abandon()
  }
  return { conductor, die }
}

/** A run 'r' whose worker died as its step had failed and was to be tried again. */
async function diedBetweenTries(data: MemoryStoreSession): Promise<Playbook<any, any>> {
  const failed = Promise.withResolvers<void>()
  const flaky = code((ctx) =>
    ctx.step('a', ({ attempt }) => (attempt === 1 ? Promise.reject(new Error('down')) : 'up'), {
      retry: { first: '2s' },
    }),
  )
  const { conductor, die } = await mortal(data, flaky)
  conductor.on('step.failed', () => failed.resolve())
  await conductor.start(flaky, {}, { id: 'r' })
  await failed.promise
  die()
  return flaky
}

describe('a run whose workers died', () => {
  it('no longer holds up the others once it has recorded something', async () => {
    const data = store()
    const lives = [1, 2, 3].map(() => Promise.withResolvers<void>())
    const gate = Promise.withResolvers<number>()
    let life = 0
    const suspect = code(async (ctx) => {
      await ctx.step('a', () => {
        lives[life]!.resolve()
        return life < 2 ? new Promise<never>(() => {}) : 1
      })
      return ctx.step('b', () => gate.promise)
    })
    const other = code(async (ctx) => ctx.step('x', () => 'went on'), { name: 'other' })
    for (; life < 2; life++) {
      const { conductor, die } = await mortal(data, suspect)
      await conductor.start(suspect, {}, { id: 'r' })
      await lives[life]!.promise
      die()
    }
    const conductor = await open(data, { playbooks: [suspect, other] })
    await lives[2]!.promise
    const run = await conductor.start(other, {}, { id: 'o' })
    expect(await run.result()).toBe('went on')
    gate.resolve(7)
    expect(await conductor.runs.get('r').result()).toBe(7)
  })

  it('waits parked for its next try: it would be held to account for a death that only meets it waiting', async () => {
    const data = store()
    const flaky = await diedBetweenTries(data)
    const first = Promise.withResolvers<string>()
    const next = await mortal(data, flaky)
    next.conductor.on('run.parked', ({ waiting }) => first.resolve(waiting[0]?.kind ?? ''))
    next.conductor.on('run.settled', () => first.resolve('settled'))
    expect(await first.promise).toBe('retry')
    expect(await next.conductor.runs.get('r').result()).toBe('up')
    await next.conductor.stop()
  })
})

describe('runs that were at work when their process died', () => {
  const told: { message: string; hint?: string }[] = []
  const log = {
    info: (fields: object, message = '') => void told.push({ message, ...(fields as { hint?: string }) }),
    warn: () => {},
    error: () => {},
  }
  const hangs = (name: string) =>
    code(
      async (ctx) => {
        await ctx.step('begin', () => 1)
        await ctx.step('loop', () => new Promise(() => {}))
      },
      { name },
    )

  it('are told of in one line as they are taken up again, with where their journals end; those that waited are not', async () => {
    const names = Array.from({ length: 7 }, (_, i) => `hang-${i}`)
    const playbooks = [...names.map(hangs), code((ctx) => ctx.sleep('1h'), { name: 'sleeps' })]
    const data = store()
    const dying = data.session()
    const first = await open(data, { playbooks, store: dying })
    for (const one of playbooks) await first.start(one, {}, { id: one.name })
    await expect.poll(async () => (await first.runs.get('sleeps').status()).state).toBe('waiting')
    for (const name of names)
      await expect.poll(async () => (await first.audit.story(name)).join()).toContain('"begin" ended')
    dying.kill()
    told.length = 0
    await open(data, { playbooks, log })
    await expect.poll(() => told.length).toBeGreaterThan(0)
    expect(told).toHaveLength(1)
    expect(told[0]!.message).toBe(
      '7 runs were at work when their process ended without stop(): ' +
        `${names
          .slice(0, 5)
          .map((name) => `${name} (${name}@1, last recorded: step.completed "begin")`)
          .join(', ')} and 2 more`,
    )
    expect(told[0]!.hint).toContain('interrupted by no timeout')
  })

  it('are told of with their company where there are several', async () => {
    const hang = hangs('hang')
    const data = store()
    const dying = data.session()
    const first = await open(data, { playbooks: [hang], store: dying })
    for (const company of ['acme', 'globex']) {
      await first.workspace(company).start(hang, {}, { id: 'r' })
      const { audit } = first.workspace(company)
      await expect.poll(async () => (await audit.story('r')).join()).toContain('"begin" ended')
    }
    dying.kill()
    told.length = 0
    await open(data, { playbooks: [hang], log })
    await expect.poll(() => told.length).toBeGreaterThan(0)
    const of = (company: string): string => `r of ${company} (hang@1, last recorded: step.completed "begin")`
    expect(told[0]!.message).toContain(`without stop(): ${of('acme')}, ${of('globex')}`)
  })

  it('are told of once for each death, however often they wake until they record something', async () => {
    const data = store()
    const flaky = await diedBetweenTries(data)
    told.length = 0
    const second = await open(data, { playbooks: [flaky], log })
    expect(await second.runs.get('r').result()).toBe('up')
    expect(told.map(({ message }) => message)).toEqual([
      '1 run was at work when its process ended without stop(): r (work@1, last recorded: step.failed "a")',
    ])
  })

  it('are not told of after a stop', async () => {
    const playbooks = [hangs('hang')]
    const data = store()
    const first = await open(data, { playbooks })
    await first.start(playbooks[0]!, {}, { id: 'r' })
    await expect.poll(async () => (await first.audit.story('r')).join()).toContain('"begin" ended')
    await first.stop({ withinMs: 10 })
    told.length = 0
    const second = await open(data, { playbooks, log })
    await expect.poll(async () => (await second.runs.get('r').status()).state).toBe('running')
    expect(told).toEqual([])
  })

  it('are told of without an end where their journals cannot be read, and hold up nobody', async () => {
    const playbooks = [hangs('hang'), code((ctx) => ctx.step('x', () => 'went on'), { name: 'other' })] as const
    const data = store()
    const dying = data.session()
    const first = await open(data, { playbooks, store: dying })
    await first.start(playbooks[0], {}, { id: 'r' })
    await expect.poll(async () => (await first.audit.story('r')).join()).toContain('"begin" ended')
    dying.kill()
    told.length = 0
    const sound = data.session()
    const claim: MemoryStore['claim'] = async (query) => {
      const answer = await sound.claim(query)
      const broken = { entries: [], mail: [], corrupt: 'a crooked row' }
      return { ...answer, claimed: answer.claimed.map((one) => (one.row.id === 'r' ? { ...one, ...broken } : one)) }
    }
    const damaged = new Proxy(sound, { get: (of, name) => (name === 'claim' ? claim : Reflect.get(of, name, of)) })
    const second = await open(data, { playbooks, store: damaged, log })
    const run = await second.start(playbooks[1], {}, { id: 'o' })
    expect(await run.result({ timeout: '5s' })).toBe('went on')
    expect(await second.why('r')).toContain('a crooked row')
    expect(told.map(({ message }) => message)).toContain(
      '1 run was at work when its process ended without stop(): r (hang@1, its journal cannot be read)',
    )
  })
})
