/** Runs the parts of the surface programs in a folder of its own; the driver of programs.test.ts. */
import { pathToFileURL } from 'node:url'
import type { Action, Agent, Playbook, PolicyGate } from '@keelson/core'
import { billing } from '@keelson/connectors/billing'
import { email } from '@keelson/connectors/email'
import { fake, testConductor } from '@keelson/testing'

const [, , file, part] = process.argv
interface Programs {
  readonly article: Playbook<{ slug: string; idea: string }, { url: string }>
  readonly collect: Playbook<{ invoiceId: string }, { paid: boolean }>
  readonly gate: PolicyGate
  readonly publish: Action<{ slug: string; body: string }, { url: string }>
  sendsOnce(): Promise<void>
  card(item: unknown): string
}

const programs = (await import(pathToFileURL(file!).href)) as Programs
if (part === 'unit test') {
  await programs.sendsOnce()
  console.log('sendsOnce ok')
  console.log(programs.card({ kind: 'question', question: 'Which colour?' }))
} else {
  console.log(JSON.stringify(await written()))
  console.log(JSON.stringify(await collected('failed')), JSON.stringify(await collected('paid')))
}
process.exit(0)

/** The article: what a person wants otherwise is drafted anew, and what is published is what was approved. */
async function written(): Promise<unknown> {
  // The program keeps it to itself; the harness goes by its name.
  const drafter = { name: 'drafter' } as Agent<{ feedback?: string; previous?: string }, { body: string }>
  const { publish } = programs
  const t = await testConductor({ playbooks: [programs.article], actions: [publish], policy: programs.gate })
  t.script(drafter, ({ feedback, previous }) => ({ body: feedback === undefined ? 'dry' : `${previous}, ${feedback}` }))
  const run = await t.start(programs.article, { slug: 'keels', idea: 'timber' })
  await t.respond(publish, 'warmer')
  await t.approve(publish)
  const result = await run.result()
  const asked = t.asked(drafter).map(({ input }) => input.feedback ?? 'nothing')
  await t.stop()
  return { ...result, asked }
}

/** The collection: three charges of one business intent each, reminders between them, and a question at the end. */
async function collected(status: 'paid' | 'failed'): Promise<unknown> {
  const amount = { amount: 4200, currency: 'EUR' }
  const answers = {
    [billing.invoice.name]: () => ({ open: true, amount, email: 'ada@example.org' }),
    [billing.charge.name]: () => (status === 'paid' ? { status } : { status, code: 'card_declined' }),
  }
  const connectors = [fake(billing, answers), fake(email)]
  const t = await testConductor({ playbooks: [programs.collect], connectors, policy: programs.gate })
  const run = await t.start(programs.collect, { invoiceId: 'i1' })
  for (let stage = 0; stage < (status === 'paid' ? 1 : 3); stage++) {
    await t.approve(billing.charge)
    if (status === 'paid') break
    await t.approve(email.send)
    await t.advance('7d')
  }
  if (status === 'failed') await t.answer({ next: 'write-off' })
  const result = await run.result()
  const happened = [t.world(billing.charge), t.world(email.send)].map((world) => world.length)
  await t.stop()
  return { ...result, happened }
}
