/** Random histories: taking back what one did leaves what the others did, and a value never touches another's place. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Actor, NewMemory, WorkspaceMemory } from '@keelson/core'
import { open, store } from '../support/open.ts'
import { randomFact } from '../support/random-facts.ts'

const others: Actor = { kind: 'agent', id: 'others' }
const one: Actor = { kind: 'agent', id: 'one' }
const person: Actor = { kind: 'person', id: 'me' }

const write = fc.oneof(
  randomFact.map((memory) => ({ did: 'remember' as const, memory })),
  fc.record({
    did: fc.constant('append' as const),
    event: fc.record({
      text: fc.constantFrom('Ada likes tea.', 'Where is Bob?', 'Gold ships left Rome.', 'Tea in Rome?'),
      speaker: fc.constantFrom('Ada', 'Bob'),
      thread: fc.constantFrom('one', 'two'),
    }),
  }),
)
type Write = typeof write extends fc.Arbitrary<infer T> ? T : never

async function perform(memory: WorkspaceMemory, writes: readonly Write[], by: Actor): Promise<void> {
  for (const done of writes)
    if (done.did === 'append') await memory.append(done.event, { by })
    else await memory.remember(done.memory, { by })
}

async function seen(memory: WorkspaceMemory): Promise<string> {
  const found = []
  for (const text of ['where does ada live', 'tea rome', 'gold ships of bob']) found.push(await memory.recall(text))
  return JSON.stringify([found, await memory.facts(), await memory.history()])
}

it('are restored bit for bit when all that one did since is taken back', async () => {
  const { memory: all } = await open(store(), { playbooks: [] })
  let worlds = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(write, { maxLength: 12 }),
      fc.array(write, { minLength: 1, maxLength: 12 }),
      async (before, since) => {
        const memory = all.scope(`world:${++worlds}`)
        const own: Actor = { ...one, id: `one-${worlds}` }
        await perform(memory, before, others)
        const stood = await seen(memory)
        await perform(memory, since, own)
        const { blocked } = await memory.revert({ actor: own.id, since: '2000-01-01' }, { by: person })
        expect(blocked).toEqual([])
        expect(await seen(memory)).toBe(stood)
      },
    ),
    { numRuns: 60 },
  )
})

it('hold one value of each functional fact, and close no other', async () => {
  const { memory: all } = await open(store(), { playbooks: [] })
  let worlds = 0
  await fc.assert(
    fc.asyncProperty(fc.array(randomFact, { maxLength: 15 }), async (facts) => {
      const memory = all.scope(`world:${++worlds}`)
      const expected = new Map<string, unknown>()
      for (const given of facts as NewMemory[]) {
        await memory.remember(given, { by: others })
        const { subject, predicate, value, functional } = given
        expected.set(JSON.stringify([subject, predicate, functional === true ? null : value]), value)
      }
      const found = (await memory.facts()).map(({ subject, predicate, value, functional }) => [
        JSON.stringify([subject, predicate, functional ? null : value]),
        value,
      ])
      expect(new Map(found as [string, unknown][])).toEqual(expected)
      expect(found).toHaveLength(expected.size)
    }),
    { numRuns: 60 },
  )
})
