/** Letter: the texts of the onboarding: pure functions of what is known, so that a replay writes them again alike. */
import type { Enquiry } from './mailbox.ts'

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June'],
  ...['July', 'August', 'September', 'October', 'November', 'December'],
]

/** '2026-10-28T14:30:00+01:00' as 'Wednesday 28 October 2026, 14:30': the clock face that it says, wherever this runs. */
export function inWords(iso: string): string {
  const face = new Date(`${iso.slice(0, 19)}Z`)
  const day = `${DAYS[face.getUTCDay()]} ${face.getUTCDate()} ${MONTHS[face.getUTCMonth()]} ${face.getUTCFullYear()}`
  return `${day}, ${iso.slice(11, 16)}`
}

/** A name as a folder: 'Zoë Müller-Løhne' is 'zoe-muller-lohne'. */
export function folderNameOf(name: string): string {
  const plain = name.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase()
  const ascii = plain.replaceAll('ø', 'o').replaceAll('ß', 'ss')
  return ascii.replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-+|-+$/g, '') || 'client'
}

/** `template` with its {{names}} replaced. Throws for a name that nobody gave, rather than send a hole. */
export function fill(template: string, values: Readonly<Record<string, string>>): string {
  if (template === '') throw new Error('there is no template of the contract')
  return template.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`the template asks for {{${name}}}, which is not known`)
    return value
  })
}

interface Written {
  readonly path: string
  readonly sha256: string
}

export function agreementMail(enquiry: Enquiry, kickoff: string, contract: Written) {
  const lists = enquiry.attachments.map(({ name }) => `"${name}"`).join(' and ')
  const text = [
    `Hello ${enquiry.name},`,
    'thank you for your mail; I would love to do this.',
    `Let us talk on ${kickoff} (Berlin time), for an hour.`,
    `The agreement is attached. ${lists === '' ? '' : `${lists} is part of it, exactly as you sent it. `}` +
      'If it says what you want, sign it, and we begin.',
    'Mara Lindqvist\nStudio Lindqvist',
  ].join('\n\n')
  return {
    to: enquiry.email,
    subject: `Re: ${enquiry.subject}`,
    text,
    ...(enquiry.messageId === null ? {} : { inReplyTo: enquiry.messageId, references: [enquiry.messageId] }),
    attachments: [{ filename: 'contract.md', contentType: 'text/markdown', sha256: contract.sha256 }],
  }
}

/** What the operator said becomes a P.S. A host with a model would let it write the mail anew. */
export function withPostscript<T extends { text: string }>(mail: T, said: string): T {
  return { ...mail, text: `${mail.text}\n\nP.S. ${said}` }
}
