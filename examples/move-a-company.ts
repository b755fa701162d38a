/**
 * Moving a company: everything in one bundle, into another store, and on from there.
 *
 * Expected output:
 *   exported 15 lines
 *   would write 5 entries, 1 runs
 *   imported, frozen: true
 *   signed after the move: true
 *   ~ run ada: onboarding@1 completed
 */
import { createConductor, defineEvent, definePlaybook, diffBundles } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

const signed = defineEvent({ name: 'signed', schema: z.object({ who: z.string() }) })
const onboarding = definePlaybook({
  name: 'onboarding',
  version: 1,
  input: z.object({ who: z.string() }),
  output: z.object({ signed: z.boolean() }),
  async run(ctx, { who }) {
    await ctx.step('prepare', () => `contract for ${who}`)
    const event = await ctx.waitFor(signed, { match: { who }, timeout: '14d' })
    return { signed: event !== undefined }
  },
})
const by = { kind: 'person', id: 'ann' } as const
const log = { info() {}, warn() {}, error() {} }
const here = await createConductor({ store: memoryStore(), playbooks: [onboarding], log })
const acme = here.workspace('acme')
await acme.start(onboarding, { who: 'ada' }, { id: 'ada' })
await here.quiet()
// #region export
await acme.suspend({ by, reason: 'moving to the new server' })
await here.quiet()
const bundle: string[] = []
for await (const line of acme.export()) bundle.push(line) // or: write it to a file, line by line
// #endregion
console.log(`exported ${bundle.length} lines`)
// #region import
const there = await createConductor({ store: memoryStore(), playbooks: [onboarding], log })
const moved = there.workspace('acme')
const plan = await moved.import(bundle, { by, dryRun: true })
console.log(`would write ${plan.entries} entries, ${plan.runs} runs`)
const report = await moved.import(bundle, { by })
console.log(`imported, frozen: ${report.frozen}`)
await moved.adopt({ by }) // the old server must not act any more
await moved.resume({ by })
// #endregion
await moved.send(signed, { who: 'ada' }, { id: 'signed:ada' })
const { signed: done } = (await moved.runs.get('ada').result()) as { signed: boolean }
console.log(`signed after the move: ${done}`)
const after: string[] = []
for await (const line of moved.export()) after.push(line)
const diff = await diffBundles(bundle, after)
console.log(diff.report.split('\n').find((line) => line.includes('run ada')))
await Promise.all([here.stop(), there.stop()])
