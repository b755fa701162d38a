/** imapLookup: what a client's answers mean. Against a server it was tried by hand, with imapflow and dovecot. */
import { describe, expect, it } from 'vitest'
import { imapLookup, type ImapClient } from '../src/email/index.ts'

interface Fake {
  /** Values of headers by mailbox; undefined for a mailbox that cannot be searched. */
  readonly mailboxes: Record<string, readonly string[] | undefined>
  readonly sent?: string
  readonly connect?: () => Promise<void>
}

function clientOf({ mailboxes, sent, connect }: Fake) {
  const said: string[] = []
  let open = ''
  const client: ImapClient = {
    connect: connect ?? (async () => void said.push('connect')),
    list: async () =>
      Object.keys(mailboxes).map((path) => ({ path, specialUse: path === sent ? '\\Sent' : undefined })),
    getMailboxLock: async (path) => {
      if (!(path in mailboxes)) throw new Error('no such mailbox')
      open = path
      said.push(path)
      return { release: () => said.push('release') }
    },
    search: async ({ header }) =>
      mailboxes[open] && Object.values(header).flatMap((value) => (mailboxes[open]!.includes(value) ? [1] : [])),
    close: () => void said.push('close'),
    on: () => said.push('on'),
  }
  return { client, said }
}

const look = (client: ImapClient, mailboxes?: string[], signal = new AbortController().signal) =>
  imapLookup({ open: () => client, ...(mailboxes ? { mailboxes } : {}) })('<id@x>', 'op-1', { signal })

describe('imapLookup', () => {
  it('finds a mail by its Message-ID or its operation, in Sent or in INBOX', async () => {
    for (const value of ['<id@x>', 'op-1']) {
      expect(await look(clientOf({ mailboxes: { INBOX: [], Gesendet: [value] }, sent: 'Gesendet' }).client)).toBe(
        'found',
      )
      expect(await look(clientOf({ mailboxes: { INBOX: [value] } }).client)).toBe('found')
    }
  })

  it('has not found it only when every mailbox was searched', async () => {
    expect(await look(clientOf({ mailboxes: { INBOX: ['other'], Sent: [] }, sent: 'Sent' }).client)).toBe('not-found')
    expect(await look(clientOf({ mailboxes: { INBOX: [], Sent: undefined }, sent: 'Sent' }).client)).toBe('unknown')
    expect(await look(clientOf({ mailboxes: { INBOX: [] } }).client, ['Sent'])).toBe('unknown')
    expect(await look(clientOf({ mailboxes: { INBOX: [] } }).client, [])).toBe('unknown')
  })

  it('cannot tell when it does not get in, and always hangs up', async () => {
    const { client, said } = clientOf({ mailboxes: {}, connect: () => Promise.reject(new Error('no')) })
    expect(await look(client)).toBe('unknown')
    expect(said).toEqual(['on', 'close'])
    const fine = clientOf({ mailboxes: { INBOX: [] } })
    await look(fine.client)
    expect(fine.said).toEqual(['on', 'connect', 'INBOX', 'release', 'close'])
    expect(await look(fine.client, undefined, AbortSignal.abort())).toBe('unknown')
  })
})
