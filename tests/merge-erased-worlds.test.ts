/** Whatever two companies do with their records and bundles: what was erased in one of them stays away from it. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, KeelsonError, type Workspace } from '@keelson/core'
import { manualClock, memoryStore } from '@keelson/testing'
import { me, open } from './support/open.ts'

const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ name: z.string(), town: z.string().optional() }),
})
const on = (workspace: Workspace) => workspace.entities(Customer, { by: me })

const VERBS = [
  ...(['create', 'update', 'identify', 'drop', 'merge', 'merge and take', 'merge and take one', 'unmerge'] as const),
  ...(['bundle', 'older bundle', 'bundle back', 'erase', 'erase the name', 'restore'] as const),
] as const
interface Step {
  readonly verb: (typeof VERBS)[number]
  readonly isHere: boolean
  readonly pick: number
  readonly other: number
}
interface Stored {
  readonly id: string
  readonly mergedInto?: string
}

async function linesOf(workspace: Workspace): Promise<string[]> {
  const lines: string[] = []
  for await (const line of workspace.export()) lines.push(line)
  return lines
}

/** Each value is written once, so that it is known wherever it stands. */
function valuesIn(lines: readonly string[]): Set<string> {
  return new Set(lines.join('').match(/value\d+\b/g))
}

function recordsIn(lines: readonly string[]): Stored[] {
  const all = lines.map((line) => JSON.parse(line) as { type: string; kind?: string; data: Stored })
  return all.flatMap(({ type, kind, data }) => (type === 'record' && kind === 'entity' ? [data] : []))
}

class Companies {
  readonly from: Workspace
  readonly there: Workspace
  readonly erased = new Set<string>()
  readonly #bundles: string[][] = []
  #values = 0

  constructor(from: Workspace, there: Workspace) {
    this.from = from
    this.there = there
  }

  async act({ verb, isHere, pick, other }: Step): Promise<unknown> {
    const w = isHere ? this.there : this.from
    const records = recordsIn(await linesOf(w))
    const of = (list: readonly Stored[], at: number): string => {
      if (list.length === 0) throw new KeelsonError('INPUT_INVALID', 'there is none')
      return list[at % list.length]!.id
    }
    const one = (at: number): string =>
      of(
        records.filter(({ mergedInto }) => mergedInto === undefined),
        at,
      )
    const take = { by: me, onConflict: 'take' } as const
    switch (verb) {
      case 'create': {
        const refs = other % 2 === 0 ? {} : { refs: { stripe: `cus_${pick % 3}` } }
        return on(w).create({ name: this.#value(), town: this.#value() }, refs)
      }
      case 'update':
        return on(w).update(one(pick), { town: this.#value() })
      case 'identify':
        return on(w).identify(one(pick), { refs: { stripe: `cus_${other % 3}` } })
      case 'drop':
        return on(w).identify(one(pick), { refs: { stripe: null } })
      case 'merge':
        return on(w).merge(one(pick), one(other))
      case 'merge and take':
        return on(w).merge(one(pick), one(other), { take: ['name', 'town'] })
      case 'merge and take one':
        return on(w).merge(one(pick), one(other), { take: ['town'] })
      case 'unmerge':
        return on(w).restore(
          of(
            records.filter(({ mergedInto }) => mergedInto !== undefined),
            pick,
          ),
        )
      case 'restore':
        return on(w).restore(one(pick))
      case 'bundle':
        this.#bundles.push(await linesOf(this.from))
        return this.there.merge(this.#bundles.at(-1)!, take)
      case 'older bundle':
        return this.there.merge(this.#bundles[pick % this.#bundles.length] ?? [], take)
      case 'bundle back':
        return this.from.merge(await linesOf(this.there), take)
      case 'erase':
        return isHere ? this.#erase(one(pick), undefined) : undefined
      case 'erase the name':
        return isHere ? this.#erase(one(pick), ['name']) : undefined
      default:
        return verb satisfies never
    }
  }

  #value(): string {
    return `value${this.#values++}`
  }

  async #erase(id: string, fields: ['name'] | undefined): Promise<void> {
    const before = valuesIn(await linesOf(this.there))
    await on(this.there).erase(id, fields === undefined ? {} : { fields })
    const after = valuesIn(await linesOf(this.there))
    for (const value of before) if (!after.has(value)) this.erased.add(value)
  }
}

it('brings back nothing that was erased, by whatever merges, separations, identities and bundles', async () => {
  const pick = fc.nat({ max: 7 })
  const step = fc.record({ verb: fc.constantFrom(...VERBS), isHere: fc.boolean(), pick, other: pick })
  let erased = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
      const clock = manualClock(Date.UTC(2026, 0, 1))
      const keelson = await open(memoryStore(), { playbooks: [], entities: [Customer], clock })
      const companies = new Companies(keelson.workspace('from'), keelson.workspace('there'))
      for (const one of steps) {
        clock.to(clock.now() + 1000)
        try {
          await companies.act(one)
        } catch (thrown) {
          // What stands against a verb here is for other tests.
          if (!KeelsonError.is(thrown)) throw thrown
        }
        const now = valuesIn(await linesOf(companies.there))
        expect([...companies.erased].filter((value) => now.has(value))).toEqual([])
      }
      erased += companies.erased.size
      expect(await companies.there.audit.verify()).toMatchObject({ ok: true, faults: [] })
      await keelson.stop()
    }),
    { numRuns: 150 },
  )
  // Something was there to come back.
  expect(erased).toBeGreaterThan(50)
})
