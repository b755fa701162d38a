/** Upcasters stay as long as history does: what is stored in a shape that cannot be read stops the start, and an import. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, defineEvent, type Conductor, type EntityType } from '@keelson/core'
import { KeelsonError, type MemoryStore, type Unit } from '@keelson/core/ports'
import { me, open, store } from './support/open.ts'

const schema = z.object({ name: z.string() })
const pass = (old: object): object => ({ ...old })

function customer(version: number, upcasters: readonly number[], name = 'customer'): EntityType<any> {
  const upcast = Object.fromEntries(upcasters.map((to) => [to, pass]))
  return defineEntity({ name, version, schema, upcast: upcast as never })
}

const V1 = customer(1, [])
const V2 = customer(2, [2])
const DROPPED = customer(2, [])

async function refusal(opening: Promise<unknown>): Promise<KeelsonError> {
  const thrown: unknown = await opening.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (KeelsonError.is(thrown)) return thrown
  throw new Error(`it is not refused: ${String(thrown)}`)
}

/** As a release wrote it that had no index of first lines. */
function older(own: MemoryStore): MemoryStore {
  const unit = <U extends Unit>(given: U): U => ({
    ...given,
    ...(given.records === undefined
      ? {}
      : {
          records: given.records.map((record) => {
            const { first: _, ...index } = record.index as Record<string, string>
            return { ...record, index, data: record.data?.replace('"firsts":true,', '') ?? null }
          }),
        }),
  })
  return {
    ...own,
    write: (workspace, given) => own.write(workspace, unit(given)),
    commit: (lease, given) => own.commit(lease, unit(given)),
  }
}

const lines = async (keelson: Conductor): Promise<string[]> => {
  const all: string[] = []
  for await (const line of keelson.export()) all.push(line)
  return all
}

describe.each([
  ['as this release writes it', (own: MemoryStore) => own],
  ['as an older release wrote it', older],
])('a history, %s,', (_, as) => {
  it('that begins in an older shape needs the way from there, also after all was stored anew', async () => {
    const rows = store()
    const first = await open(rows, { playbooks: [], entities: [V1], store: as(rows.session()) })
    const one = await first.entities(V1, { by: me }).create({ name: 'Acme' })
    await first.stop()
    const second = await open(rows, { playbooks: [], entities: [V2], store: as(rows.session()) })
    await second.entities(V2, { by: me }).create({ name: 'New' })
    expect(await second.entities(V2, { by: me }).migrate()).toMatchObject({ done: 1, left: 0 })
    await second.stop()
    const { code, message } = await refusal(open(rows, { playbooks: [], entities: [DROPPED] }))
    expect(code).toBe('UPCASTER_MISSING')
    expect(message).toContain(`version 1 and no way from there to version 2: 1 in workspace default (${one.id})`)
    const third = await open(rows, { playbooks: [], entities: [V2] })
    expect(await third.entities(V2).history(one.id)).toHaveLength(2)
  })

  it('that begins in the shape of today needs no way from shapes that never were', async () => {
    const rows = store()
    const first = await open(rows, { playbooks: [], entities: [DROPPED], store: as(rows.session()) })
    await first.entities(DROPPED, { by: me }).create({ name: 'Acme' })
    await first.stop()
    await open(rows, { playbooks: [], entities: [DROPPED] })
  })
})

it('are told all at once: of each company, type, version, and event', async () => {
  const rows = store()
  const paid = { name: 'paid', schema: z.object({ cents: z.int() }) }
  const P1 = defineEvent({ ...paid, version: 1 })
  const types = [1, 2].map((version) => ({
    customer: customer(version, version === 2 ? [2] : []),
    invoice: customer(version, version === 2 ? [2] : [], 'invoice'),
  }))
  for (const [i, { customer: own, invoice }] of types.entries()) {
    const keelson = await open(rows, { playbooks: [], entities: [own, invoice], events: [P1] })
    for (const id of ['one', 'two']) await keelson.workspace(id).entities(own, { by: me }).create({ name: 'Acme' })
    await keelson.workspace('two').entities(invoice, { by: me }).create({ name: 'Bill' })
    await keelson.workspace('two').send(P1, { cents: 1 }, { id: `paid-${i}` })
    await keelson.quiet()
    await keelson.stop()
  }
  const today = [customer(3, []), customer(3, [2, 3], 'invoice')]
  const P2 = defineEvent({ ...paid, version: 2 })
  const error = await refusal(open(rows, { playbooks: [], entities: today, events: [P2] }))
  expect(error.code).toBe('UPCASTER_MISSING')
  const gaps = (error.data as { gaps: { shape: string; workspace: string; from: number; count: number }[] }).gaps
  expect(gaps.map(({ shape, workspace, from, count }) => `${shape}@${from} ${workspace} ${count}`)).toEqual([
    'customer@1 one 1',
    'customer@2 one 1',
    'customer@1 two 1',
    'customer@2 two 1',
    'event "paid"@1 two 2',
  ])
  expect(error.message.split('; ')).toHaveLength(5)
})

it('stop an import before anything of it is written, and its dry run', async () => {
  const from = await open(store(), { playbooks: [], entities: [V1] })
  for (const name of ['Acme', 'Beta']) await from.entities(V1, { by: me }).create({ name })
  const bundle = await lines(from)
  const rows = store()
  const host = await open(rows, { playbooks: [], entities: [DROPPED] })
  for (const options of [{ dryRun: true }, {}]) {
    const { code, message } = await refusal(host.import(bundle, { by: me, ...options }))
    expect(code).toBe('UPCASTER_MISSING')
    expect(message).toContain('2 in workspace default')
  }
  expect((await host.entities(DROPPED).list()).entities).toEqual([])
  await host.stop()
  // What came in stops nobody, and with the way from there it goes on.
  const again = await open(rows, { playbooks: [], entities: [DROPPED] })
  await again.stop()
  const able = await open(rows, { playbooks: [], entities: [V2] })
  await able.import(bundle, { by: me })
  expect((await able.entities(V2).list()).entities).toHaveLength(2)
})
