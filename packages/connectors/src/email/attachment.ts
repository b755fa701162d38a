/** Attachment: a file of a mail by reference. Its bytes are looked up when the mail is sent, and must have this sha-256. */
import { z } from 'zod'
import { oneLine } from '../connect/text.ts'

export const Attachment = z.strictObject({
  filename: oneLine(200).regex(/^[^/\\]+$/, 'has a path separator'),
  contentType: oneLine(100).regex(/^[\w.+-]+\/[\w.+-]+$/, 'is a media type'),
  /** 64 hex digits, or 43 characters of base64url. */
  sha256: z.string().regex(/^([0-9a-f]{64}|[\w-]{43})$/),
})
export type Attachment = z.output<typeof Attachment>
