/** What is asked of somebody by name alone is answered with what they said and what is about them; and contexts are filled. */
import { describe, expect, it } from 'vitest'
import { defineEntity } from '@keelson/core'
import { z } from 'zod'
import { me, open, store } from '../support/open.ts'

const by = me

async function talk() {
  const keelson = await open(store(), { playbooks: [], work: false })
  const memory = keelson.memory.scope('talk')
  const said = (speaker: string, text: string, n: number) => ({
    speaker,
    text,
    role: 'external' as const,
    at: `2026-01-0${n}T09:00:00Z`,
  })
  await memory.append(
    [
      said('Jon', 'I like sailing', 1),
      said('Gina Mayer', 'My shop opens on Monday', 2),
      said('Gina Mayer', 'Jon will call the bank', 3),
      said('Ann', 'It rains', 4),
    ],
    { by },
  )
  return {
    keelson,
    memory,
    found: async (text: string) => (await memory.recall({ text })).map((one) => one.memory.text),
  }
}

describe('a question that names somebody', () => {
  it('and says nothing else finds what mentions them first, and then what they said, the newest before', async () => {
    const { found } = await talk()
    expect(await found('Jon')).toEqual(['Jon will call the bank', 'I like sailing'])
    expect(await found('Gina')).toEqual(['Jon will call the bank', 'My shop opens on Monday'])
    expect(await found('gina mayer?')).toEqual(['Jon will call the bank', 'My shop opens on Monday'])
  })

  it('finds what they said where nothing says what is asked, with no score and a reason', async () => {
    const { memory, found } = await talk()
    const [first, ...more] = await memory.recall({ text: 'What do Jon and Gina have in common?' })
    expect([first, ...more].map((one) => one?.memory.text)).toEqual([
      'Jon will call the bank',
      'My shop opens on Monday',
      'I like sailing',
    ])
    expect(first).toMatchObject({ score: 0, why: { lexical: 0, context: 0, thread: 0, matched: [] } })
    expect(await found('What does nobody have in common?')).toEqual([])
    expect(await memory.recall({ text: 'Jon', limit: 1 })).toHaveLength(1)
  })

  it('finds only what is asked where something says it', async () => {
    const { found } = await talk()
    expect(await found('When does the shop of Gina open?')).toEqual(['My shop opens on Monday'])
  })

  it('finds what is about an entity that is called so, within the scope and what may be read', async () => {
    const Firm = defineEntity({ name: 'firm', version: 1, schema: z.object({ name: z.string() }), index: ['name'] })
    const keelson = await open(store(), { playbooks: [], entities: [Firm], work: false })
    const firm = await keelson.entities(Firm, { by }).create({ name: 'Acme' })
    await keelson.memory.scope('sales').remember(
      [
        { text: 'pays late', subject: firm },
        { text: 'haggles', subject: firm, sensitivity: 3 },
      ],
      { by },
    )
    await keelson.memory.scope('other').remember([{ text: 'elsewhere', subject: firm }], { by })
    const texts = (await keelson.memory.scope('sales', { maxSensitivity: 1 }).recall({ text: 'Acme' })).map(
      (one) => one.memory.text,
    )
    expect(texts).toEqual(['pays late'])
  })
})

describe('a context', () => {
  it('is filled in the order of what counts most, and what is left over goes to what is short enough', async () => {
    const keelson = await open(store(), { playbooks: [], work: false })
    const memory = keelson.memory.scope('notes')
    const long = 'harbour '.repeat(60)
    await memory.remember(
      [{ text: 'harbour harbour harbour' }, { text: `the harbour ${long}` }, { text: 'a harbour far away from here' }],
      { by },
    )
    const { items, tokens, left } = await memory.context({ task: 'harbour', budgetTokens: 40 })
    expect(items).toHaveLength(2)
    expect(tokens).toBeLessThanOrEqual(40)
    expect(left).toMatchObject([{ reason: 'budget' }])
  })

  it('leaves out nothing that its budget has room for', async () => {
    const keelson = await open(store(), { playbooks: [], work: false })
    const memory = keelson.memory.scope('notes')
    await memory.remember(
      Array.from({ length: 40 }, (_, n) => ({ text: `harbour no. ${n} (of 40), as it is.` })),
      { by },
    )
    for (const budgetTokens of [60, 100, 175, 300]) {
      const { items, left, text, tokens } = await memory.context({ task: 'harbour', budgetTokens })
      expect(items.length + left.length).toBe(40)
      const [, line] = text.split('\n')
      const one = await memory.context({ task: 'harbour', budgetTokens: 30 })
      expect(line).toContain('harbour')
      // Another line of the same make would not have fitted.
      expect(tokens + (one.tokens - 3) / one.items.length).toBeGreaterThan(budgetTokens - 1)
    }
  })
})
