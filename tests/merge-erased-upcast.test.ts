/** What was erased under an older schema is known as erased under a newer one, whatever that calls it. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, type EntityType, type Workspace } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { me, open } from './support/open.ts'

const First = defineEntity({
  ...{ name: 'customer', version: 1 },
  schema: z.object({ name: z.string(), town: z.string().optional(), debts: z.number() }),
})
type Old = { name: string; town?: string; debts: number }
const Second = defineEntity({
  ...{ name: 'customer', version: 2 },
  schema: z.object({ called: z.string(), town: z.string().optional(), greeting: z.string(), owes: z.number() }),
  upcast: {
    2: (old) => {
      const { name, debts, ...rest } = old as Old
      return { ...rest, called: name, greeting: `Dear ${name}`, owes: debts }
    },
  },
})
const first = First as EntityType<object>
const second = Second as EntityType<object>
const ada = { name: 'Ada Augusta Lovelace', town: 'Marylebone', debts: 12 }
const present = {
  called: 'Ada Augusta Lovelace',
  town: 'Marylebone',
  greeting: 'Dear Ada Augusta Lovelace',
  owes: 12,
}
const blank = { called: '[erased]', town: 'Marylebone', greeting: 'Dear [erased]', owes: 0 }
const take = { by: me, onConflict: 'take' } as const

async function linesOf(workspace: Workspace): Promise<string[]> {
  const lines: string[] = []
  for await (const line of workspace.export()) lines.push(line)
  return lines
}

/** A store in which name and debts of a record of the first schema were erased, and bundles of before and after. */
async function erasedUnderFirst() {
  const kept = memoryStore()
  const old = await open(kept, { playbooks: [], entities: [first] })
  const { id } = await old.entities(First, { by: me }).create(ada)
  const alive = await linesOf(old.workspace('default'))
  await old.entities(First, { by: me }).erase(id, { fields: ['name', 'debts'] })
  const erased = await linesOf(old.workspace('default'))
  await old.stop()
  return { kept, id, alive, erased }
}

describe('a record of which something was erased under an older schema', () => {
  it('says by the names of today what was erased, before it is stored anew and after', async () => {
    const { kept, id } = await erasedUnderFirst()
    const now = await open(kept, { playbooks: [], entities: [second] })
    const fields = ['called', 'greeting', 'owes']
    const on = now.entities(Second, { by: me })
    expect(await on.get(id)).toMatchObject({ data: blank, erased: [{ fields }] })
    await on.migrate()
    expect(await on.get(id)).toMatchObject({ data: blank, erased: [{ fields }] })
    await on.update(id, { town: 'Ealing' })
    expect(await on.get(id)).toMatchObject({ erased: [{ fields }] })
  })

  it('writes no blanks over what is alive elsewhere once it was migrated', async () => {
    const { kept, id, alive } = await erasedUnderFirst()
    const now = await open(kept, { playbooks: [], entities: [second] })
    await now.entities(Second, { by: me }).migrate()
    const third = now.workspace('third')
    await third.merge(alive, take)
    expect(await third.merge(await linesOf(now.workspace('default')), take)).toMatchObject({
      entities: [{ what: 'same' }],
    })
    expect((await third.entities(Second, { by: me }).get(id)).data).toEqual(present)
  })

  it('writes no blanks over what is alive elsewhere once it was taken over by a newer schema', async () => {
    const { id, alive, erased } = await erasedUnderFirst()
    const now = await open(memoryStore(), { playbooks: [], entities: [second] })
    const [there, third] = [now.workspace('there'), now.workspace('third')]
    expect(await there.merge(erased, take)).toMatchObject({ entities: [{ what: 'created' }] })
    const fields = ['called', 'greeting', 'owes']
    expect(await there.entities(Second, { by: me }).get(id)).toMatchObject({ data: blank, erased: [{ fields }] })
    await third.merge(alive, take)
    expect(await third.merge(await linesOf(there), take)).toMatchObject({ entities: [{ what: 'same' }] })
    expect((await third.entities(Second, { by: me }).get(id)).data).toEqual(present)
    // Nor does the older bundle bring the values to where they came as erased.
    expect(await there.merge(alive, take)).toMatchObject({ entities: [{ what: 'same' }] })
    expect((await there.entities(Second, { by: me }).get(id)).data).toEqual(blank)
  })

  it('is taken whole by an erasure under the newer schema', async () => {
    const { kept, id } = await erasedUnderFirst()
    const now = await open(kept, { playbooks: [], entities: [second] })
    const on = now.entities(Second, { by: me })
    await on.migrate()
    await on.update(id, { greeting: 'Dear Countess' })
    await on.erase(id, { fields: ['greeting'] })
    expect((await on.get(id)).data).toEqual({ ...blank, greeting: '[erased]' })
    expect((await linesOf(now.workspace('default'))).join('')).not.toContain('Countess')
  })
})
