/**
 * Imap: a look-up in the mailboxes of a server, over a client such as imapflow's, which the host brings and opens.
 *
 * Any failure is 'unknown': a mailbox that could not be searched never counts as "not sent".
 */
import type { MailLookup } from './connection.ts'
import { OPERATION_HEADER } from './message.ts'

/** What is used of an IMAP client. `new ImapFlow({ … })` of imapflow is one. */
export interface ImapClient {
  connect(): Promise<void>
  list(): Promise<readonly { readonly path: string; readonly specialUse?: string | undefined }[]>
  getMailboxLock(path: string, options: { readOnly: boolean }): Promise<{ release(): void }>
  search(
    query: { header: Record<string, string> },
    options: { uid: boolean },
  ): Promise<readonly number[] | false | undefined>
  close(): void
  on(event: 'error', listener: (error: unknown) => void): unknown
}

export interface ImapLookupOptions {
  /** Makes a client that is not connected yet; called for each look-up. */
  readonly open: () => ImapClient | Promise<ImapClient>
  /** Where to look. The mailboxes that the server marks as Sent and as All, and INBOX, if left out. */
  readonly mailboxes?: readonly string[]
}

export function imapLookup(options: ImapLookupOptions): MailLookup {
  return async (messageId, operation, { signal }) => {
    let client: ImapClient | undefined
    const hangUp = (): void => client?.close()
    signal.addEventListener('abort', hangUp, { once: true })
    try {
      client = await options.open()
      // A client without a listener would end the process when its connection fails.
      client.on('error', () => undefined)
      signal.throwIfAborted()
      await client.connect()
      return await search(client, options.mailboxes, { messageId, operation })
    } catch {
      return 'unknown'
    } finally {
      signal.removeEventListener('abort', hangUp)
      hangUp()
    }
  }
}

async function search(
  client: ImapClient,
  wanted: readonly string[] | undefined,
  sought: { messageId: string; operation: string },
): Promise<'found' | 'not-found' | 'unknown'> {
  const mailboxes = wanted ?? (await usual(client))
  for (const path of mailboxes) {
    const lock = await client.getMailboxLock(path, { readOnly: true })
    try {
      for (const header of [
        { 'message-id': sought.messageId },
        { [OPERATION_HEADER.toLowerCase()]: sought.operation },
      ]) {
        const hits = await client.search({ header }, { uid: true })
        if (!hits) return 'unknown'
        if (hits.length > 0) return 'found'
      }
    } finally {
      lock.release()
    }
  }
  return mailboxes.length === 0 ? 'unknown' : 'not-found'
}

async function usual(client: ImapClient): Promise<string[]> {
  const list = await client.list()
  const marked = list
    .filter(({ specialUse }) => specialUse === '\\Sent' || specialUse === '\\All')
    .map(({ path }) => path)
  return [...marked, 'INBOX']
}
