/** Exports on both sides of an erasure: what was erased is in none that is made behind it. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, type Workspace } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { me, open } from './support/open.ts'

const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ name: z.string() }) })

async function company(): Promise<Workspace> {
  return (await open(memoryStore(), { playbooks: [], entities: [Customer] })).workspace('acme')
}

async function linesOf(workspace: Workspace, options: Parameters<Workspace['export']>[0] = {}): Promise<string[]> {
  const lines: string[] = []
  for await (const line of workspace.export(options)) lines.push(line)
  return lines
}

const by = { by: me, reason: 'asked' }

it.each([
  ['a memory', (acme: Workspace, id: string) => acme.memory.erase({ ids: [id] }, by)],
  ['an entity', (acme: Workspace, _: string, of: string) => acme.entities(Customer, { by: me }).erase(of)],
])('an increment across the erasure of %s is refused: it could not take it out of the whole one', async (_, erase) => {
  const acme = await company()
  const { id } = await acme.memory.remember({ text: 'Ada hides gold coins' }, { by: me })
  const { id: of } = await acme.entities(Customer, { by: me }).create({ name: 'Ada Augusta' })
  const end = JSON.parse((await linesOf(acme)).at(-1)!) as { entries: number }
  await acme.memory.remember({ text: 'Tea at four.' }, { by: me })
  expect(await linesOf(acme, { since: end })).not.toHaveLength(0)
  await erase(acme, id, of)
  await expect(linesOf(acme, { since: end })).rejects.toMatchObject({ code: 'BUNDLE_GAP', data: { from: end.entries } })
  const now = JSON.parse((await linesOf(acme)).at(-1)!) as { entries: number }
  await acme.memory.remember({ text: 'Tea at five.' }, { by: me })
  expect((await linesOf(acme, { since: now })).join('\n')).toContain('Tea at five.')
})

it('says that something was erased while it was exported, and not that the store is damaged', async () => {
  const acme = await company()
  const { id } = await acme.memory.remember({ text: 'Ada hides gold coins' }, { by: me })
  const cutShort = async (): Promise<void> => {
    let isErased = false
    for await (const line of acme.export()) {
      if (isErased || !line.includes('"type":"record"')) continue
      isErased = true
      await acme.memory.erase({ ids: [id] }, by)
    }
  }
  await expect(cutShort()).rejects.toMatchObject({ code: 'STORE_BUSY' })
  expect((await linesOf(acme)).join('\n')).not.toContain('gold coins')
})
