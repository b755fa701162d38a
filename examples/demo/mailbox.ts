/** Mailbox: a connector of the demo's own: reads a received mail, and keeps its attachments by reference. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { blobsOf } from '@keelson/connectors/files'
import { parseMail, type MailAttachment } from '@keelson/connectors/email'
import { action, defineConnector } from '@keelson/core'
import { z } from 'zod'

const Enquiry = z.object({
  messageId: z.string().nullable(),
  name: z.string(),
  email: z.email(),
  subject: z.string(),
  text: z.string(),
  /** ISO text in UTC. */
  receivedAt: z.string(),
  /** What came along. The bytes are kept beside the files under their sha-256; here they are only named. */
  attachments: z.array(z.object({ no: z.number(), name: z.string(), sha256: z.string(), size: z.number() })),
})
export type Enquiry = z.output<typeof Enquiry>

const read = action({
  name: 'mailbox.read',
  title: 'Read a mail',
  effect: 'read',
  input: z.object({ file: z.string().regex(/^[\w-]+\.eml$/) }),
  output: Enquiry,
  async run({ file }, { config }) {
    const root = config as string
    const { mail, blobs } = await parseMail(await readFile(join(root, 'inbox', file)))
    for (const bytes of blobs.values()) await blobsOf(root).put(bytes)
    const attachments = mail.attachments.map(({ sha256, size, ...one }, i) => {
      const name = nameOf(one)
      const taken = mail.attachments.slice(0, i).some((before) => nameOf(before) === name)
      return { no: i + 1, name: taken ? `${i + 1}-${name}` : name, sha256, size }
    })
    const { messageId, subject, from } = mail
    const sender = { name: from?.name || (from?.address ?? ''), email: from?.address ?? '' }
    return {
      output: { messageId, ...sender, subject, text: mail.text ?? '', receivedAt: mail.date ?? '', attachments },
    }
  },
})

export const mailbox = defineConnector({
  name: 'mailbox',
  actions: { read },
  open: (options: { root: string } | undefined) => options?.root,
})

/** A sender's file name is data, never a path: what could lead elsewhere or hide something goes, umlauts stay. */
function nameOf({ filename }: Pick<MailAttachment, 'filename'>): string {
  const safe = (filename ?? '')
    .normalize('NFC')
    .replaceAll(/[^\p{L}\p{N}. _-]/gu, '-')
    .slice(-80)
    .replaceAll(/^[. ]+|[. ]+$/g, '')
  return safe === '' ? 'attachment' : safe
}
