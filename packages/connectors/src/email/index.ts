/** The public names of @keelson/connectors/email. */
import { defineConnector, type ConnectorDefinition, type ConnectorUse } from '@keelson/core'
import { forUse, opened, type PerWorkspace } from '../connect/option.ts'
import { mailerOf, type EmailOptions } from './connection.ts'
import { send } from './send.ts'

/** Mail by SMTP: `email.connect({ host, from })`, or a function of the workspace that returns such options. */
export const email: ConnectorDefinition<{ send: typeof send }, PerWorkspace<EmailOptions>> = defineConnector({
  name: 'email',
  actions: { send },
  open: (options: PerWorkspace<EmailOptions> | undefined, use: ConnectorUse) =>
    opened(() => mailerOf(forUse(options, use, 'options (host, from)'), use)),
})

export type { EmailOptions, MailLookup } from './connection.ts'
export { imapLookup, type ImapClient, type ImapLookupOptions } from './imap.ts'
export { maildirLookup } from './maildir.ts'
export { parseMail, type Mail, type MailAddress, type MailAttachment, type ParsedMail } from './parse.ts'
export type { PerWorkspace } from '../connect/option.ts'
