/** Company: the options of every conductor of the demo: one store, the same playbook, policy and connectors. */
import { calendar } from '@keelson/connectors/calendar'
import { calendarFile } from '@keelson/connectors/calendar-file'
import { email, maildirLookup } from '@keelson/connectors/email'
import { blobsOf, files } from '@keelson/connectors/files'
import type { ConductorOptions, Logger } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import type { Folder } from './folder.ts'
import { mailbox } from './mailbox.ts'
import { onboarding } from './playbook.ts'
import { gate } from './policy.ts'

export interface Login {
  readonly user: string
  readonly pass: string
}

/** Quiet but for what has gone wrong: the demo prints its own progress. */
const log: Logger = {
  info: () => undefined,
  warn: (_, message) => console.error(`keelson: ${message}`),
  error: (_, message) => console.error(`keelson: ${message}`),
}

/** `mail` is where the mail server is; the desk, which sends nothing, has none. */
export function company(folder: Folder, mail?: { port: number; login: Login }): ConductorOptions {
  const blobs = blobsOf(folder.files)
  return {
    store: sqlite(folder.store),
    playbooks: [onboarding],
    policy: gate,
    log,
    mayDecide: (actor) => actor.kind === 'person',
    credentials: async ({ connector }) => (connector === 'email' ? mail?.login : undefined),
    connectors: [
      mailbox.connect({ root: folder.files }),
      files.connect({ root: folder.files }),
      calendar.connect({ driver: calendarFile({ path: folder.calendar, zone: 'Europe/Berlin' }) }),
      email.connect({
        host: '127.0.0.1',
        port: mail?.port ?? 0,
        security: 'none',
        from: 'Mara Lindqvist <mara@studio-lindqvist.example>',
        // This server files what it takes, so a mail that is not there was not taken.
        lookup: maildirLookup(folder.sent),
        keepsSent: true,
        attachment: async ({ sha256 }) => (await blobs.get(sha256)) ?? new Uint8Array(),
      }),
    ],
  }
}
