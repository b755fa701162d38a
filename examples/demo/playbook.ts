/** Playbook: a new client is onboarded, from the enquiry to the signed contract. */
import { calendar } from '@keelson/connectors/calendar'
import { email } from '@keelson/connectors/email'
import { files } from '@keelson/connectors/files'
import { defineEntity, defineEvent, definePersona, definePlaybook, KeelsonError } from '@keelson/core'
import type { Context, Decline, Entity } from '@keelson/core'
import { z } from 'zod'
import { agreementMail, fill, folderNameOf, inWords, withPostscript } from './letter.ts'
import { mailbox, type Enquiry } from './mailbox.ts'

const CustomerData = z.object({
  name: z.string(),
  email: z.email(),
  wish: z.string(),
  stage: z.enum(['enquired', 'offered', 'signed']),
})
type CustomerData = z.output<typeof CustomerData>

/** The canonical customer. Looked up by mail address, which is indexed as a keyed hash. */
export const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: CustomerData,
  index: ['email'],
  private: ['email'],
})

/** Somebody signed: exactly this contract. */
export const contractSigned = defineEvent({
  name: 'contract.signed',
  schema: z.object({ customerId: z.string(), sha256: z.string() }),
})

const office = definePersona({
  name: 'office',
  may: [mailbox.read, calendar.findTime, calendar.book, files.read, files.write, email.send],
})

const Slot = z.object({ start: z.iso.datetime({ offset: true }), end: z.iso.datetime({ offset: true }) })

export const onboarding = definePlaybook({
  name: 'client-onboarding',
  version: 1,
  input: z.object({ enquiry: z.string() }),
  output: z.object({
    customerId: z.string(),
    kickoff: Slot,
    contract: z.string(),
    messageId: z.string(),
    signed: z.boolean(),
  }),
  persona: office,
  uses: [mailbox, calendar, files, email],
  baseline: '45m',
  async run(ctx, { enquiry: file }) {
    const enquiry = await ctx.act(mailbox.read, { file })
    const customer = await customerOf(ctx, enquiry)
    const folder = `clients/${folderNameOf(customer.data.name)}`
    const because = [customer, enquiry]
    await ctx.all(
      enquiry.attachments,
      ({ no }) => String(no),
      (branch, { name, sha256 }) => branch.act(files.write, { path: `${folder}/${name}`, sha256 }, { because }),
    )
    await ctx.checkpoint('enquiry-filed')

    const slot =
      (await ctx.act(calendar.findTime, { minutes: 60, within: '9d', from: enquiry.receivedAt })) ??
      (await ctx.ask('No hour is free within nine days. When shall we meet?', { answer: Slot }))
    const title = `Kick-off: ${customer.data.name}`
    await ctx.act(calendar.book, { ...slot, title, attendees: [enquiry.email] }, { because: [...because, slot] })
    await ctx.checkpoint('kickoff-booked')

    const template = await ctx.act(files.read, { path: 'templates/contract.md' })
    const contract = await ctx.act(
      files.write,
      { path: `${folder}/contract.md`, text: fill(template?.content ?? '', placeholders(enquiry, customer, slot)) },
      { because: [...because, slot, template] },
    )
    await ctx.checkpoint('contract-written')

    const { output: sent } = await ctx.effect(email.send, agreementMail(enquiry, inWords(slot.start), contract), {
      because: [...because, slot, contract],
      revise: (mail, no) => withPostscript(mail, wordsOf(no)),
    })
    await ctx.entities(Customer).update(customer.id, { stage: 'offered' })

    const match = { customerId: customer.id, sha256: contract.sha256 }
    const signed = await ctx.waitFor(contractSigned, { match, timeout: '14d' })
    if (signed) await ctx.entities(Customer).update(customer.id, { stage: 'signed' })
    return {
      customerId: customer.id,
      kickoff: slot,
      contract: contract.sha256,
      messageId: sent.messageId,
      signed: signed !== undefined,
    }
  },
})

/** The customer with this address, made if there is none: one person is one record, however often they write. */
async function customerOf(ctx: Context, { name, email, subject }: Enquiry): Promise<Entity<CustomerData>> {
  const known = await ctx.entities(Customer).find({ email })
  return known ?? ctx.entities(Customer).create({ name, email, wish: subject, stage: 'enquired' })
}

/** What a person asked for instead. A plain no is taken as one: the run ends as declined. */
function wordsOf({ text, reason, by }: Decline): string {
  if (text !== undefined) return text
  throw new KeelsonError('ACTION_DECLINED', `the mail was declined by ${by.name ?? by.id}: ${reason}`)
}

function placeholders(enquiry: Enquiry, customer: Entity<CustomerData>, slot: { start: string }) {
  const attached = enquiry.attachments.map(({ name, sha256 }) => `"${name}" (sha-256 ${sha256})`)
  return {
    number: `${enquiry.receivedAt.slice(0, 4)}-${customer.id.slice(-4)}`,
    client: customer.data.name,
    email: customer.data.email,
    subject: enquiry.subject,
    attachments: attached.join(' and ') || 'none',
    kickoff: inWords(slot.start),
    date: inWords(enquiry.receivedAt).split(',')[0]!,
  }
}
