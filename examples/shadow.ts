/**
 * From shadow to automatic: a playbook shows what it would do, is compared with what Ann did, then earns its first rung.
 *
 * Expected output:
 *   charged for real: 0
 *   agreed 1, differed 1, missed 1
 *   INV-2: would charge 200, Ann charged 250
 *   crm.note stands on "shadow", 1 of 2 good, next "approve"
 *   crm.note stands on "approve", 3 of 3 good, next "batch"
 */
import { action, defineConnector, definePlaybook, defineTrust, policy } from '@keelson/core'
import { fake, testConductor } from '@keelson/testing'
import { z } from 'zod'

const Note = z.object({ invoice: z.string(), cents: z.int() })
const note = action({
  name: 'crm.note',
  effect: 'reversible',
  input: Note,
  output: z.object({ id: z.string() }),
  intent: ({ invoice }) => ['note', invoice],
  simulate: ({ invoice }) => ({ id: `would-${invoice}` }),
  run: ({ invoice }) => ({ output: { id: invoice } }),
})
const crm = defineConnector({ name: 'crm', actions: { note } })
const bill = definePlaybook({
  name: 'bill',
  version: 1,
  input: Note,
  output: z.string(),
  uses: [note],
  run: async (ctx, input) => (await ctx.act(note, input)).id,
})
const gate = policy([policy.rule('ask', { on: note }, () => policy.ask({ grantable: true }))])
const trust = [defineTrust(note, { segment: ({ cents }) => (cents < 500_00 ? 'all' : 'large') })]
const by = { kind: 'person', id: 'ann', name: 'Ann' } as const
const t = await testConductor({ playbooks: [bill], connectors: [fake(crm)], policy: gate, trust })
// #region shadow
await t.start(bill, { invoice: 'INV-1', cents: 100 }) // its rule begins in shadow: nothing leaves
await t.start(bill, { invoice: 'INV-2', cents: 200 }, { shadow: true }) // as of any run that is put in shadow
for (const [invoice, cents] of Object.entries({ 'INV-1': 100, 'INV-2': 250, 'INV-3': 300 }))
  await t.keelson.shadow.observe(note, { invoice, cents }, { id: `seen-${invoice}`, by })
await t.advance('8d') // the window in which a counterpart counts is over
const { agreed, differed, missed, pairs } = await t.keelson.shadow.report(bill)
// #endregion
console.log(`charged for real: ${t.world(note).length}\nagreed ${agreed}, differed ${differed}, missed ${missed}`)
const differing = pairs.flatMap(({ fields }) => fields).find((one) => !one.agrees)
console.log(`INV-2: would charge ${differing?.would as number}, Ann charged ${differing?.did as number}`)
await tell()
// #region trust
await t.keelson.trust.set(note, 'approve', { by }) // Ann has seen enough, and wants to be asked
for (const invoice of ['INV-4', 'INV-5', 'INV-6']) {
  await t.start(bill, { invoice, cents: 100 })
  const item = (await t.inbox.list()).items.find((one) => one.shadow !== true)!
  await t.inbox.opened(item.id, { by })
  await t.advance('10s') // Ann reads it
  await t.inbox.decide(item.id, { hash: item.hash, by, approve: true })
}
// #endregion
await tell()
await t.stop()

async function tell(): Promise<void> {
  const [{ rung, good, seen, next } = {}] = await t.keelson.trust.list()
  console.log(`crm.note stands on "${rung}", ${good} of ${seen} good, next "${next}"`)
}
