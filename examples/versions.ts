/**
 * Versions: a run meets code that no longer fits its journal. It is set aside with a readable difference, and goes on
 * in a version that says what it renamed.
 *
 * Expected output:
 *   recorded, but not asked for: "measure", "parcel.packed"; asked for, but not recorded: "weigh"
 *   box, 1200 g
 */
import { createConductor, defineEvent, definePlaybook, type Context } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

const packed = defineEvent({ name: 'parcel.packed', schema: z.object({ parcel: z.string() }) })
const shape = { name: 'parcel', input: z.object({ parcel: z.string() }), output: z.string() }

const first = definePlaybook({ ...shape, version: 1, run: (ctx, { parcel }) => ship(ctx, 'measure', parcel) })
const careless = definePlaybook({ ...shape, version: 1, run: (ctx, { parcel }) => ship(ctx, 'weigh', parcel) })
// #region changes
const second = definePlaybook({
  ...shape,
  version: 2,
  changes: { renamed: { measure: 'weigh' } },
  run: (ctx, { parcel }) => ship(ctx, 'weigh', parcel),
})
// #endregion

async function ship(ctx: Context, step: string, parcel: string): Promise<string> {
  const grams = await ctx.step(step, () => 1200)
  await ctx.waitFor(packed, { match: { parcel } })
  return `${parcel}, ${grams} g`
}

const data = memoryStore()
const monday = await createConductor({ store: data, playbooks: [first] })
await monday.start(first, { parcel: 'box' }, { id: 'parcel:box' })
await monday.quiet()
await monday.stop()

const tuesday = await createConductor({ store: data.session(), playbooks: [careless] })
await tuesday.send(packed, { parcel: 'box' }, { id: 'scan-1' })
await tuesday.quiet()
const status = await tuesday.runs.get('parcel:box').status()
if (status.state === 'waiting') console.log(status.for[0]?.what.replace('JOURNAL_DIVERGED: ', ''))
await tuesday.stop()

// #region move
const wednesday = await createConductor({ store: data.session(), playbooks: [first, second] })
await wednesday.runs.move('parcel:box', { to: 2, by: { kind: 'person', id: 'ann' } })
console.log(await wednesday.runs.get('parcel:box').result({ timeout: '10s' }))
// #endregion
await wednesday.stop()
