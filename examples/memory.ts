/**
 * Memory: what runs learn, what contradicts it, what it was before, and how it is taken back.
 *
 * Expected output:
 *   acme pays within 30 days
 *   applied, in place of the fact before
 *   now: acme pays within 45 days; in May: acme pays within 30 days
 *   found: Ada (Acme): we can only pay at the end of the month (matched: end, month)
 *   after the revert: acme pays within 30 days
 */
import { createConductor, definePlaybook } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

// #region run
const listen = definePlaybook({
  name: 'listen',
  version: 1,
  input: z.object({ days: z.int(), since: z.string() }),
  output: z.string(),
  async run(ctx, { days, since }) {
    await ctx.memory.append({
      text: 'Ada (Acme): we can only pay at the end of the month',
      role: 'external',
      thread: 'mail:acme',
    })
    const terms = { subject: 'acme', predicate: 'pays_within', functional: true, validFrom: since }
    const { status, superseded } = await ctx.memory.remember({ ...terms, value: `${days} days` })
    return `${status}${superseded === undefined ? '' : ', in place of the fact before'}`
  },
})
// #endregion
const keelson = await createConductor({ store: memoryStore(), playbooks: [listen] })
const by = { kind: 'person', id: 'ann', name: 'Ann' } as const
// #region facts
const { memory } = keelson
await memory.remember(
  { subject: 'acme', predicate: 'pays_within', value: '30 days', functional: true, validFrom: '2024-01-01' },
  { by: { kind: 'agent', id: 'reader' } },
)
const said = async (asOf?: { valid: string }): Promise<string | undefined> =>
  (await memory.facts({ about: 'acme', ...(asOf === undefined ? {} : { asOf }) }))[0]?.text
console.log(await said())
// #endregion
const run = await keelson.start(listen, { days: 45, since: '2025-06-01' }, { id: 'listen:1' })
console.log(await run.result())
console.log(`now: ${await said()}; in May: ${await said({ valid: '2025-05-01' })}`)
// #region recall
const [best] = await memory.recall('When in the month, at its end, do they pay?')
console.log(`found: ${best?.memory.text} (matched: ${[...(best?.why.matched ?? [])].sort().slice(0, 2).join(', ')})`)
// #endregion
// #region revert
await memory.revert({ run: 'listen:1' }, { by })
// #endregion
console.log(`after the revert: ${await said()}`)
await keelson.stop()
