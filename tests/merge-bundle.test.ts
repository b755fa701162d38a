/** A bundle that is merged brings records as far as they had come, and nothing back that was erased. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, lifecycle, type Lifecycle, type Workspace } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { me, open } from './support/open.ts'

const flow = lifecycle({
  states: ['draft', 'sent', 'paid'],
  transitions: { send: { from: 'draft', to: 'sent' }, pay: { from: 'sent', to: 'paid', approval: true } },
})
const invoice = (status: z.ZodType<string>, lifecycles: { status: Lifecycle<string> }) =>
  defineEntity({
    ...{ name: 'invoice', version: 1, schema: z.object({ number: z.string(), status }), lifecycle: lifecycles },
    key: ({ number }) => number,
  })
const Invoice = invoice(z.string(), { status: flow })

async function linesOf(workspace: Workspace): Promise<string[]> {
  const lines: string[] = []
  for await (const line of workspace.export()) lines.push(line)
  return lines
}

it('takes a record over in the state that it has, which must be one that there is here', async () => {
  const keelson = await open(memoryStore(), { playbooks: [], entities: [Invoice] })
  const from = keelson.workspace('from')
  const { id } = await from.entities(Invoice, { by: me }).create({ number: '1', status: 'draft' })
  for (const status of ['sent', 'paid']) await from.entities(Invoice, { by: me }).update(id, { status })
  const bundle = await linesOf(from)

  const empty = keelson.workspace('empty')
  expect(await empty.merge(bundle, { by: me })).toMatchObject({ entities: [{ what: 'created' }] })
  expect(await empty.entities(Invoice).list()).toMatchObject({ entities: [{ data: { status: 'paid' } }] })

  const behind = keelson.workspace('behind')
  await behind.entities(Invoice, { by: me }).create({ number: '1', status: 'draft' })
  expect(await behind.merge(bundle, { by: me, onConflict: 'take' })).toMatchObject({ entities: [{ what: 'taken' }] })
  expect(await behind.entities(Invoice).list()).toMatchObject({ entities: [{ data: { status: 'paid' } }] })

  const byRobot = await keelson.workspace('robot').merge(bundle, { by: { kind: 'agent', id: 'robot' } })
  expect(byRobot).toMatchObject({ entities: [{ what: 'refused' }] })

  const short = lifecycle({ states: ['draft', 'sent'], transitions: { send: { from: 'draft', to: 'sent' } } })
  const Other = invoice(z.string(), { status: short })
  const other = await open(memoryStore(), { playbooks: [], entities: [Other] })
  const refused = await other.workspace('other').merge(bundle, { by: me })
  expect(refused).toMatchObject({ entities: [{ what: 'refused', why: expect.stringContaining('cannot be "paid"') }] })
})

it('of an earlier day brings nothing back that was erased since', async () => {
  const { memory, export: lines, merge } = await open(memoryStore(), { playbooks: [] })
  const fact = await memory.remember({ text: 'Ada hides gold coins' }, { by: me })
  const event = await memory.append({ text: 'Ada told of gold coins' }, { by: me })
  await memory.remember({ text: 'The office is in Berlin.' }, { by: me })
  const bundle: string[] = []
  for await (const line of lines()) bundle.push(line)
  await memory.erase({ ids: [fact.id, event.id] }, { by: me, reason: 'asked' })
  expect((await merge(bundle, { by: me, dryRun: true })).memories).toMatchObject({ imported: 1, erased: 2 })
  expect((await merge(bundle, { by: me })).memories).toEqual({ imported: 0, known: 1, proposed: 0, erased: 2 })
  expect(await memory.recall('gold coins')).toEqual([])
  expect((await memory.facts()).map(({ text }) => text)).toEqual(['The office is in Berlin.'])
})
