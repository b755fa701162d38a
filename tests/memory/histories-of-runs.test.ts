/** Random histories: what a run did is taken back to the last bit, whatever it did and whoever writes after it elsewhere. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { z } from 'zod'
import {
  definePlaybook,
  type Actor,
  type ChangeOp,
  type Conductor,
  type Context,
  type WorkspaceMemory,
} from '@keelson/core'
import { manualClock } from '@keelson/testing'
import { me, open, store } from '../support/open.ts'
import { randomFact } from '../support/random-facts.ts'

const others: Actor = { kind: 'agent', id: 'others' }

const steps = fc.oneof(
  randomFact.map((memory) => ({ did: 'remember' as const, memory })),
  fc.constantFrom('Ada likes tea.', 'Where is Bob?', 'Gold ships left Rome.').map((text) => ({
    did: 'append' as const,
    event: { text, speaker: 'Ada', thread: 'one' },
  })),
  fc.record({
    did: fc.constant('change' as const),
    what: fc.constantFrom('pin' as const, 'date' as const, 'forget' as const, 'close' as const, 'correct' as const),
    pick: fc.nat({ max: 5 }),
  }),
)
type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never

function opOf(what: Extract<Step, { did: 'change' }>['what'], id: string): ChangeOp {
  if (what === 'pin') return { op: 'amend', id, set: { pinned: true } }
  if (what === 'date') return { op: 'amend', id, set: { expiresAt: '2030-01-01', confidence: 0.5 } }
  if (what === 'correct') return { op: 'add', memory: { text: 'Put right.' }, replaces: [id] }
  return { op: what, id }
}

const given = z.object({ scope: z.string(), steps: z.array(z.any()) })
const worker = definePlaybook({
  name: 'worker',
  version: 1,
  input: given,
  output: z.object({}),
  async run(ctx: Context, { scope, steps: all }) {
    const memory = ctx.memory.scope(scope)
    for (const step of all as Step[]) {
      if (step.did === 'remember') await memory.remember(step.memory)
      else if (step.did === 'append') await memory.append(step.event)
      else {
        const facts = await memory.facts()
        const one = facts[step.pick % Math.max(facts.length, 1)]
        if (one !== undefined)
          await memory.propose([opOf(step.what, one.id)], { reason: step.what }).catch(() => undefined)
      }
    }
    return {}
  },
})

/** The same by the hand of a person. */
async function perform(memory: WorkspaceMemory, all: readonly Step[], by: Actor): Promise<void> {
  for (const step of all) {
    if (step.did === 'remember') await memory.remember(step.memory, { by })
    else if (step.did === 'append') await memory.append(step.event, { by })
    else {
      const facts = await memory.facts()
      const one = facts[step.pick % Math.max(facts.length, 1)]
      if (one === undefined) continue
      if (step.what === 'pin') await memory.pin(one.id, { by: me })
      else if (step.what === 'date') await memory.expire(one.id, { by: me, at: '2030-01-01' })
      else if (step.what === 'correct') await memory.correct(one.id, { text: 'Put right.' }, { by: me })
      else await memory.forget(one.id, { by: me })
    }
  }
}

async function approveAll({ inbox, quiet }: Conductor): Promise<void> {
  for (;;) {
    await quiet()
    const { items } = await inbox.list()
    if (items.length === 0) return
    for (const { id, hash } of items) await inbox.decide(id, { hash, by: me, approve: true })
  }
}

async function seen(memory: WorkspaceMemory): Promise<string> {
  const found = []
  for (const text of ['where does ada live', 'tea rome', 'gold ships of bob']) found.push(await memory.recall(text))
  return JSON.stringify([found, await memory.facts(), await memory.history()])
}

it('of a run are taken back to the last bit: facts, corrections, pins, dates, what went into the bin', async () => {
  const clock = manualClock(Date.UTC(2026, 0, 1))
  const keelson = await open(store(), { playbooks: [worker], clock })
  let worlds = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(steps, { maxLength: 8 }),
      fc.array(steps, { minLength: 1, maxLength: 8 }),
      fc.array(steps, { maxLength: 5 }),
      async (before, own, elsewhere) => {
        const scope = `world:${++worlds}`
        const memory = keelson.memory.scope(scope)
        await perform(memory, before, others)
        await memory.import([{ text: 'Imported tea.' }, { type: 'event', text: 'Heard of Rome.' }], { by: others })
        await approveAll(keelson)
        clock.to(clock.now() + 1000)
        const stood = await seen(memory)
        const run = await keelson.start(worker, { scope, steps: own }, { id: scope })
        await approveAll(keelson)
        await run.result()
        // Others write on, where it does not touch what the run built on.
        const beside = keelson.memory.scope(`beside:${worlds}`)
        await perform(beside, elsewhere, others)
        const besides = await seen(beside)
        clock.to(clock.now() + 1000)
        const { blocked } = await keelson.memory.revert({ run: scope }, { by: me })
        expect(blocked).toEqual([])
        expect(await seen(memory)).toBe(stood)
        expect(await seen(beside)).toBe(besides)
      },
    ),
    { numRuns: 30 },
  )
})
