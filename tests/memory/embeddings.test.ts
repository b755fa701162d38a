/** Embeddings: they count for nothing until they are found to help, and no more than that. */
import { expect, it } from 'vitest'
import { me, open, store } from '../support/open.ts'

/** What each text means, on three axes that have no word in common. */
const MEANING: readonly (readonly [RegExp, readonly number[]])[] = [
  [/invoice|bill|payment/i, [1, 0, 0]],
  [/holiday|beach|vacation/i, [0, 1, 0]],
  [/server|computer|outage/i, [0, 0, 1]],
]

function embedder(vectorOf: (text: string) => readonly number[]) {
  const embedded: string[] = []
  return {
    embedded,
    model: {
      model: 'fake',
      embed: async (texts: readonly string[]) => {
        embedded.push(...texts)
        return texts.map(vectorOf)
      },
    },
  }
}

const meaning = (text: string): readonly number[] => MEANING.find(([words]) => words.test(text))?.[1] ?? [0.1, 0.1, 0.1]
const texts = [
  'The bill is due on Monday.',
  'We lay on the beach.',
  'A computer broke down.',
  ...Array.from({ length: 30 }, (_, i) => `Something else was said, number ${i}.`),
]

async function company(vectorOf: (text: string) => readonly number[], held = store()) {
  const fake = embedder(vectorOf)
  const keelson = await open(held, { playbooks: [], embeddings: fake.model })
  return { ...fake, keelson, memory: keelson.memory, held }
}

it('are weighed where they find what words do not', async () => {
  const { memory, embedded } = await company(meaning)
  const written = await memory.remember(
    texts.map((text) => ({ text })),
    { by: me },
  )
  expect(await memory.recall('vacation')).toEqual([])
  expect(embedded).toEqual([])
  const questions = ['payment', 'vacation', 'outage'].map((text, i) => ({ text, answers: [written[i]!.id] }))
  const found = await memory.calibrate(questions, { by: me })
  expect(found.weight).toBeGreaterThan(0)
  expect(found.recallAt10['0']).toBe(0)
  expect(found.recallAt10[String(found.weight)]).toBe(1)
  const [first] = await memory.recall({ text: 'vacation', limit: 1 })
  expect(first!.memory.text).toBe('We lay on the beach.')
  expect(first!.why.vector).toMatchObject({ model: 'fake', weight: found.weight, cosine: 1 })
})

it('weigh nothing where they do not help, and are not even asked', async () => {
  const { memory, embedded } = await company(() => [1, 1, 1])
  const written = await memory.remember(
    texts.map((text) => ({ text })),
    { by: me },
  )
  const before = JSON.stringify(await memory.recall('beach'))
  const { weight } = await memory.calibrate([{ text: 'beach', answers: [written[1]!.id] }], { by: me })
  expect(weight).toBe(0)
  embedded.length = 0
  expect(JSON.stringify(await memory.recall('beach'))).toBe(before)
  expect(embedded).toEqual([])
})

it('find nothing of another scope, nor what was erased', async () => {
  const { memory } = await company(meaning)
  const own = memory.scope('customer:acme')
  const [written] = await own.remember([{ text: 'We lay on the beach.' }], { by: me })
  await memory.scope('customer:beta').remember({ text: 'The beach of others.' }, { by: me })
  await own.remember(
    texts.slice(3).map((text) => ({ text })),
    { by: me },
  )
  await memory.calibrate([{ text: 'vacation', answers: [written!.id], scope: 'customer:acme' }], { by: me })
  const found = await own.recall({ text: 'vacation', limit: 200 })
  expect(found[0]!.memory.text).toBe('We lay on the beach.')
  expect(JSON.stringify(found)).not.toContain('of others')
  await own.erase({ ids: [written!.id] }, { by: me, reason: 'asked for' })
  expect(JSON.stringify(await own.recall({ text: 'vacation', limit: 200 }))).not.toContain('lay on')
})
