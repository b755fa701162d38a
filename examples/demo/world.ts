/** World: what really happened outside, counted where it happened: in the calendar, on the disk, at the mail server. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseMail } from '@keelson/connectors/email'
import type { Folder } from './folder.ts'
import type { PostOffice } from './post-office.ts'

export interface World {
  /** Kick-offs in the calendar, and the start of each in UTC as the file has it. */
  readonly bookings: readonly string[]
  /** Everything below clients/, by name, with the sha-256 of its bytes. */
  readonly files: ReadonlyMap<string, string>
  readonly mails: readonly {
    readonly messageId: string
    readonly to: readonly string[]
    readonly subject: string
    readonly text: string
    readonly attachments: readonly string[]
  }[]
}

export async function lookAround(folder: Folder, office: PostOffice): Promise<World> {
  const events = readFileSync(folder.calendar, 'utf8').split('BEGIN:VEVENT').slice(1)
  const kickoffs = events.filter((event) => /^SUMMARY:Kick-off/m.test(event))
  const mails = await Promise.all(
    office.accepted.map(async ({ raw, to, messageId }) => {
      const { mail } = await parseMail(raw)
      return {
        messageId,
        to,
        subject: mail.subject,
        text: mail.text?.trimEnd() ?? '',
        attachments: mail.attachments.map(({ sha256 }) => sha256),
      }
    }),
  )
  return {
    bookings: kickoffs.map((event) => /^DTSTART:(\S+)/m.exec(event)?.[1] ?? ''),
    files: filesBelow(join(folder.files, 'clients')),
    mails,
  }
}

/** True where `text` stands in any file of the folder, whatever kind it is. */
export function isAnywhere(folder: Folder, text: string): boolean {
  return filePaths(folder.path).some((path) => readFileSync(path).includes(text))
}

function filesBelow(folder: string): Map<string, string> {
  const hashed = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')
  return new Map(
    filePaths(folder).map((path) => [path.slice(folder.length + 1).replaceAll('\\', '/'), hashed(path)] as const),
  )
}

function filePaths(folder: string): string[] {
  if (!existsSync(folder)) return []
  const found = readdirSync(folder, { withFileTypes: true, recursive: true })
  return found
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.lock'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}
