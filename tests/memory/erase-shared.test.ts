/** What is erased of one stays what is known of another, where both are said in the same words. */
import { expect, it } from 'vitest'
import { memoryStore } from '@keelson/testing'
import { me, open } from '../support/open.ts'

const by = { by: me, reason: 'asked' }

it('a fact of one is erased, and a fact of another with the same value, or in the same words, stays whole', async () => {
  const keelson = await open(memoryStore(), { playbooks: [] })
  const { memory } = keelson
  const pays = (subject: string) =>
    memory.remember({ subject, predicate: 'pays_within', value: '30 days', functional: true }, { by: me })
  const prefers = (subject: string) => memory.remember({ subject, text: 'prefers the phone' }, { by: me })
  const [ada, bob] = [await pays('ada'), await pays('bob')]
  const [, bobs] = [await prefers('ada'), await prefers('bob')]
  const saying = async (text: string): Promise<number> => {
    let count = 0
    for await (const line of keelson.export()) if (line.includes(text)) count += 1
    return count
  }
  const before = [await saying('30 days'), await saying('prefers the phone')]
  const { left } = await memory.erase({ about: 'ada' }, by)
  expect([await saying('30 days'), await saying('prefers the phone')]).toEqual(before.map((count) => count / 2))
  expect(await memory.get(bob.id)).toMatchObject({ text: 'bob pays within 30 days', value: '30 days' })
  expect((await memory.get(bobs.id)).text).toBe('prefers the phone')
  expect(JSON.stringify(await memory.get(ada.id))).not.toContain('30 days')
  expect(left.map(({ why }) => why)).toContain(
    'what is known of somebody else says the same: it goes from its own record, and is not looked for there',
  )
  expect((await keelson.audit.verify()).faults).toEqual([])
  await memory.erase({ about: 'bob' }, by)
  expect([await saying('30 days'), await saying('prefers the phone')]).toEqual([0, 0])
})
