/** An import that is called again under the same id goes on where it was, also where an earlier release had begun it. */
import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import type { Actor } from '@keelson/core'
import { me, open, store } from '../support/open.ts'

const host: Actor = { kind: 'system', id: 'host' }
const rule = { kind: 'rule' as const, text: 'Never ship on Fridays.' }
const note = { text: 'The office is in Berlin.' }

it('asks nobody a second time about what it has proposed', async () => {
  const { memory, inbox, quiet } = await open(store(), { playbooks: [] })
  for (const sum of [
    { imported: 1, known: 0, proposed: 1 },
    { imported: 0, known: 1, proposed: 1 },
  ])
    expect(await memory.import([rule, note], { by: host, id: 'one' })).toMatchObject(sum)
  await quiet()
  expect((await inbox.list()).items).toHaveLength(1)
})

it('asks nobody a second time about what it has proposed under the plain name that an earlier release gave it', async () => {
  const kept = store()
  const { memory, inbox, quiet } = await open(kept, { playbooks: [] })
  await memory.remember({ text: 'Something else.' }, { by: me })
  const hash = (text: string): string => createHash('sha256').update(text).digest('base64url').slice(0, 20)
  const ops = [rule, note].map(({ text, ...kind }) => ({ memory: { ...kind, text }, op: 'add' }))
  const id = `set_${hash(JSON.stringify([`set_${hash('import_one/1')}`, ops]))}-proposed`
  const data = { id, status: 'rejected', source: { by: host }, reason: 'imported', createdAt: 0, changes: [] }
  const session = kept.session()
  await session.open({ worker: 'earlier', now: () => 0 })
  await session.write('default', {
    records: [{ kind: 'change-set', id, version: 1, data: JSON.stringify(data), index: {}, sort: 0 }],
  })
  expect(await memory.import([rule, note], { by: host, id: 'one' })).toMatchObject({ imported: 1, proposed: 1 })
  await quiet()
  expect((await inbox.list()).items).toEqual([])
})
