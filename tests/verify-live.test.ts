/** Verifying while work goes on: it finds what is wrong and nothing else, and repairs nothing that is right. */
import { createConductor, defineEntity, type Conductor } from '@keelson/core'
import type { MemoryStore } from '@keelson/core/ports'
import { intercept, memoryStore } from '@keelson/testing'
import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'

const Note = defineEntity({ name: 'note', version: 1, schema: z.object({ text: z.string() }) })

interface Busy {
  readonly keelson: Conductor
  readonly store: MemoryStore
  /** From now on: a note is written once, right before records are read. */
  arm(): void
  /** The id of that note. */
  made: string
}

async function begin(): Promise<Busy> {
  let armed = false
  const store = intercept(memoryStore(), {
    async before(op) {
      if (op !== 'records' || !armed) return
      armed = false
      busy.made = (await keelson.entities(Note).create({ text: 'meanwhile' })).id
    },
  })
  const keelson = await createConductor({ store, playbooks: [], work: false })
  const busy: Busy = { keelson, store, arm: () => (armed = true), made: '' }
  onTestFinished(() => keelson.stop())
  await keelson.entities(Note).create({ text: 'first' })
  return busy
}

it('finds nothing wrong in what is written between entries and records', async () => {
  const { keelson, arm } = await begin()
  arm()
  expect(await keelson.audit.verify()).toMatchObject({ ok: true, faults: [] })
})

it('repairs nothing that was written between entries and records', async () => {
  const busy = await begin()
  busy.arm()
  expect(await busy.keelson.audit.rebuild()).toEqual({ repaired: 0 })
  expect(await busy.keelson.entities(Note).get(busy.made)).toMatchObject({ version: 1, data: { text: 'meanwhile' } })
})

it('finds and repairs what is wrong although work goes on', async () => {
  const { keelson, store, arm } = await begin()
  const forged = { kind: 'entity', id: 'note/forged', version: 1, data: '{}', index: {}, sort: 0 }
  await store.write('default', { records: [forged] })
  arm()
  const { faults } = await keelson.audit.verify()
  expect(faults).toEqual(['record entity/note/forged was put by no entry'])
  arm()
  expect(await keelson.audit.rebuild()).toEqual({ repaired: 1 })
  expect(await keelson.audit.verify()).toMatchObject({ ok: true })
})
