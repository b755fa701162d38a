/** Conductors under one name, and on one store: one after the other, and the earlier one as long as the new one cannot be. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { createConductor, defineEvent, type Conductor, type ConductorOptions } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { memoryStore } from '@keelson/testing'
import { code } from './support/open.ts'

const go = defineEvent({ name: 'go', schema: z.object({}) })
const work = code((ctx) => ctx.waitFor(go))
const log = { info: () => {}, warn: () => {}, error: () => {} }

async function create(options: Pick<ConductorOptions, 'store'> & Partial<ConductorOptions>): Promise<Conductor> {
  const made = await createConductor({ playbooks: [work], log, keepAlive: false, ...options })
  onTestFinished(() => made.stop({ withinMs: 100 }))
  return made
}

/** Which of them take a run. */
async function alive(...conductors: readonly Conductor[]): Promise<boolean[]> {
  return Promise.all(
    conductors.map((one, n) =>
      one.start(work, {}, { id: `r${n}` }).then(
        () => true,
        () => false,
      ),
    ),
  )
}

describe('a conductor created again under its name', () => {
  it('takes the place of the one before, also where they are created at once', async () => {
    const data = memoryStore()
    const name = 'at once'
    const made = await Promise.all([1, 2, 3].map(() => create({ store: data.session(), name })))
    expect(await alive(...made)).toEqual([false, false, true])
    const last = await create({ store: data.session(), name })
    expect(await alive(made[2]!, last)).toEqual([false, true])
  })

  it.each([
    ['has two playbooks of one version', { playbooks: [work, code(async () => null)] }],
    ['has two budgets of one name', { budgets: [{ name: 'b' }, { name: 'b' }] as never }],
    ['cannot open its store', {}],
  ])('leaves the one before at work where it %s', async (what, options) => {
    const data = memoryStore()
    const name = `refused: ${what}`
    const before = await create({ store: data.session(), name })
    const session = data.session()
    const open = (): Promise<never> => Promise.reject(new Error('cannot open'))
    const broken = what.startsWith('cannot') ? { ...session, open } : session
    await expect(create({ store: broken, name, ...options })).rejects.toThrow()
    expect(await alive(before)).toEqual([true])
    const next = await create({ store: data.session(), name })
    expect(await alive(before, next)).toEqual([false, true])
  })

  it('may be created again with the same store after one whose store failed to close', async () => {
    const data = memoryStore()
    const session = data.session()
    let fails = true
    const close = async (): Promise<void> => {
      await session.close()
      if (fails) throw new Error('cannot close')
    }
    const store = { ...session, close }
    const name = 'cannot close'
    const before = await createConductor({ playbooks: [work], log, keepAlive: false, store, name })
    await expect(before.stop()).rejects.toThrow('cannot close')
    fails = false
    const next = await create({ store: { ...data.session(), close: async () => {} }, name })
    expect(await alive(before, next)).toEqual([false, true])
    await create({ store })
  })

  it('may be given the very store of the one before', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'keelson-named-')), 'app.db')
    const store = sqlite(file)
    const before = await create({ store, name: 'same store' })
    await before.start(work, {}, { id: 'r' })
    const next = await create({ store, name: 'same store' })
    await next.send(go, {}, { id: 'g' })
    await next.runs.get('r').result()
    expect(await alive(before, next)).toEqual([false, true])
  })
})

describe('a store', () => {
  it('that a conductor has open is refused to another, and free when that has stopped', async () => {
    const store = memoryStore().session()
    const first = await create({ store })
    await expect(create({ store })).rejects.toMatchObject({ code: 'STORE_IN_USE' })
    expect(await alive(first)).toEqual([true])
    await first.stop()
    const second = await create({ store })
    expect(await alive(first, second)).toEqual([false, true])
  })
})
