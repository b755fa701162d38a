/**
 * Operate: a run fails; the operator sets the outcome that cannot be had, and the rest goes on. Nothing is done twice.
 *
 * Expected output:
 *   counted 3 items
 *   stock failed: STEP_FAILED, the scale is broken
 *   attention: Retry a step, set its outcome by hand, run again from a checkpoint, or dismiss this.
 *   reported 3 items, 42 kg
 *   Ann took it back to entry 3: the outcome of weigh was set by hand
 */
import { createConductor, definePlaybook, type KeelsonError } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

// #region playbook
const stock = definePlaybook({
  name: 'stock',
  version: 1,
  input: z.object({ shelf: z.string() }),
  output: z.string(),
  async run(ctx) {
    const items = await ctx.step('count', () => (console.log('counted 3 items'), 3))
    await ctx.checkpoint('counted')
    const kilos = await ctx.step('weigh', () => weigh(), { retry: { attempts: 1 } })
    return `${items} items, ${kilos} kg`
  },
})
// #endregion
function weigh(): number {
  throw new Error('the scale is broken')
}

const keelson = await createConductor({ store: memoryStore(), playbooks: [stock] })
const run = await keelson.start(stock, { shelf: 'A' }, { id: 'stock:A' })
await run.result().catch((error: KeelsonError) => console.log(`stock failed: ${error.code}, ${error.message}`))
const [item] = (await keelson.inbox.list({ run: 'stock:A' })).items
if (item?.kind === 'attention') console.log(`attention: ${item.hint}`)

// #region verbs
const by = { kind: 'person', id: 'ann', name: 'Ann' } as const
await keelson.runs.setOutcome('stock:A', { step: 'weigh', outcome: 42, by })
console.log(`reported ${await run.result()}`)
// #endregion
const story = await keelson.audit.story('stock:A')
console.log(story.find((line) => line.includes('by hand'))?.slice(26))
await keelson.stop()
