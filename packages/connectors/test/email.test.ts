/** Email: what each fault of a server means, that a mail goes out once, and that nothing secret comes back. */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { definitionOf } from '@keelson/core/ports'
import { describe, expect, it } from 'vitest'
import { email, maildirLookup, parseMail, type EmailOptions } from '../src/email/index.ts'
import { mailerOf } from '../src/email/connection.ts'
import { compose, messageIdOf, MailInput } from '../src/email/message.ts'
import { configOf, failureOf, folder, reconcile, run } from './call.ts'
import { mailServer, type Faults } from './mail-server.ts'

const mail = { to: 'bob@example.test', subject: 'Grüße', text: 'Hello Bob\n' }
const login = { user: 'ann@example.test', pass: 'pw-ann-42' }

const configFor = (port: number, more: Partial<EmailOptions> = {}, credential?: unknown): unknown =>
  configOf(email.connect({ host: '127.0.0.1', port, security: 'none', from: 'Ann <ann@example.test>', ...more }), {
    credential,
  })

async function setUp(faults: Faults = {}, more: Partial<EmailOptions> = {}, credential?: unknown) {
  const server = await mailServer(faults)
  return {
    server,
    config: configFor(server.port, { lookup: maildirLookup(server.box), keepsSent: true, ...more }, credential),
  }
}

const header = (raw: string, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)$`, 'im').exec(raw)?.[1]?.trim()

describe('email.send', () => {
  it('sends a mail under a Message-ID that follows from the key', async () => {
    const { server, config } = await setUp()
    const { output } = await run(email.send, mail, { config, key: 'effect-1' })
    expect(server.taken).toHaveLength(1)
    const { raw, to } = server.taken[0]!
    expect(to).toEqual(['bob@example.test'])
    expect(header(raw, 'message-id')).toBe(output.messageId)
    expect(output.messageId).toMatch(/^<[\w-]{32}@example\.test>$/)
    expect(header(raw, 'x-keelson-operation')).toBe('effect-1')
    expect(output.accepted).toEqual(['bob@example.test'])
    const { mail: read } = await parseMail(Buffer.from(raw))
    expect(read).toMatchObject({
      subject: 'Grüße',
      from: { name: 'Ann', address: 'ann@example.test' },
      operation: 'effect-1',
    })
  })

  it('reports whom the server refused while it took others', async () => {
    const { server, config } = await setUp({
      recipient: (address) => (address.startsWith('gone') ? { code: 550, text: 'no such user' } : undefined),
    })
    const { output } = await run(email.send, { ...mail, cc: ['gone@example.test'] }, { config })
    expect(output.accepted).toEqual(['bob@example.test'])
    expect(output.rejected).toEqual([{ address: 'gone@example.test', answer: expect.stringContaining('no such user') }])
    expect(server.taken[0]!.to).toEqual(['bob@example.test'])
  })

  it('logs in with the credential of the account', async () => {
    const { server, config } = await setUp({ requireLogin: true }, {}, login)
    await run(email.send, mail, { config })
    expect(server.heard).toEqual(['ann@example.test:pw-ann-42'])
  })

  it('carries attachments by reference, and only with the bytes that were meant', async () => {
    const bytes = Buffer.from([0, 1, 2, 255])
    const hash = createHash('sha256').update(bytes)
    const attachments = [
      { filename: 'a.bin', contentType: 'application/octet-stream', sha256: hash.copy().digest('hex') },
      { filename: 'b.bin', contentType: 'application/octet-stream', sha256: hash.digest('base64url') },
    ]
    const { server, config } = await setUp({}, { attachment: async () => bytes })
    await run(email.send, { ...mail, html: '<p>Hello</p>', attachments }, { config })
    const { mail: read, blobs } = await parseMail(Buffer.from(server.taken[0]!.raw))
    expect(read.attachments.map(({ filename, size }) => [filename, size])).toEqual([['a.bin', 4], ['b.bin', 4]]) // prettier-ignore
    expect(Buffer.from(blobs.get(attachments[0]!.sha256)!)).toEqual(bytes)

    const other = configFor(server.port, { attachment: async () => Buffer.from('other') })
    expect((await failureOf(email.send, run(email.send, { ...mail, attachments }, { config: other }))).class).toBe(
      'final',
    )
    const lost = configFor(server.port, { attachment: () => Promise.reject(new Error('disk')) })
    expect((await failureOf(email.send, run(email.send, { ...mail, attachments }, { config: lost }))).class).toBe(
      'retry',
    )
    const none = configFor(server.port)
    expect((await failureOf(email.send, run(email.send, { ...mail, attachments }, { config: none }))).class).toBe(
      'final',
    )
    expect(server.taken).toHaveLength(1)
  })
})

describe('a fault of the server', () => {
  const refusal = (code: number, text: string): Faults => ({ recipient: () => ({ code, text }) })

  it.each([
    ['drop before the dot', { data: 'drop-before-dot' }, 'unknown', 'not-found'],
    ['drop after the dot', { data: 'drop-after-dot' }, 'unknown', 'done'],
    ['greylisting', refusal(451, 'come back later'), 'retry', 'not-found'],
    ['a recipient that is refused', refusal(550, 'no such user'), 'final', 'not-found'],
    ['a message that is refused for now', { data: { code: 452, text: 'disk full' } }, 'retry', 'not-found'],
    ['a message that is refused', { data: { code: 554, text: 'spam' } }, 'final', 'not-found'],
    ['a wrong password', { requireLogin: true, login: () => ({ code: 535, text: 'bad' }) }, 'reauth', 'not-found'],
    [
      'a login that is refused in another way',
      { requireLogin: true, login: () => ({ code: 550, text: 'bad' }) },
      'reauth',
      'not-found',
    ],
    [
      'a login that is refused for now',
      { requireLogin: true, login: () => ({ code: 454, text: 'later' }) },
      'retry',
      'not-found',
    ],
  ] as [string, Faults, string, string][])('%s', async (_name, faults, wanted, found) => {
    const { config } = await setUp(faults, {}, login)
    expect((await failureOf(email.send, run(email.send, mail, { config }))).class).toBe(wanted)
    expect((await reconcile(email.send, mail, { config })).state).toBe(found)
  })

  it('is worth a retry when nobody listens', async () => {
    const { server, config } = await setUp()
    await server.close()
    expect((await failureOf(email.send, run(email.send, mail, { config }))).class).toBe('retry')
    expect((await reconcile(email.send, mail, { config })).state).toBe('not-found')
  })

  it('is unknown when the server falls silent after the mail', async () => {
    const { config } = await setUp({ data: 'silent' }, { socketTimeoutMs: 1500 })
    expect((await failureOf(email.send, run(email.send, mail, { config }))).class).toBe('unknown')
  })

  it('is unknown when the try is given up while the mail is under way, and a retry when it had not begun', async () => {
    const { server, config } = await setUp({ data: 'silent' })
    const abort = new AbortController()
    const sending = failureOf(email.send, run(email.send, mail, { config, signal: abort.signal }))
    await server.dataArrived
    abort.abort()
    expect((await sending).class).toBe('unknown')
    expect((await failureOf(email.send, run(email.send, mail, { config, signal: abort.signal }))).class).toBe('retry')
  })

  it('asks for a login where the server wants one and there is none', async () => {
    const { config } = await setUp({ requireLogin: true })
    expect((await failureOf(email.send, run(email.send, mail, { config }))).class).toBe('reauth')
    const odd = configFor(1, {}, { token: 'x' })
    expect((await failureOf(email.send, run(email.send, mail, { config: odd }))).class).toBe('reauth')
  })

  it('never says anything over a connection that is not encrypted, unless told to', async () => {
    const { server } = await setUp({}, {}, login)
    const config = configOf(email.connect({ host: '127.0.0.1', port: server.port, from: 'ann@example.test' }), {
      credential: login,
    })
    expect((await failureOf(email.send, run(email.send, mail, { config }))).class).toBe('final')
    expect([server.heard, server.taken]).toEqual([[], []])
  })

  it('delivers once after greylisting', async () => {
    const { server, config } = await setUp({
      recipient: (_address, attempt) => (attempt === 1 ? { code: 451, text: 'later' } : undefined),
    })
    expect((await failureOf(email.send, run(email.send, mail, { config }))).class).toBe('retry')
    await run(email.send, mail, { config, attempt: 2 })
    expect(server.taken).toHaveLength(1)
  })
})

describe('a secret', () => {
  const { user } = login
  // Its base64 has the letters that differ between the two alphabets, and padding.
  const pass = 'Pw>>??~~42'
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const forms = [
    pass,
    base64(pass),
    Buffer.from(pass).toString('base64url'),
    Buffer.from(pass).toString('hex'),
    encodeURIComponent(pass),
    base64(`\0${user}\0${pass}`),
  ]

  it.each([...forms, pass.toUpperCase(), `${pass} ${pass} ${pass}`])(
    'that a server echoes is not in the error: %s',
    async (echoed) => {
      const faults = { requireLogin: true, login: () => ({ code: 535, text: `no <${echoed}> here` }) }
      const { config } = await setUp(faults, {}, { user, pass })
      const error: Error & { data?: unknown } = await run(email.send, mail, { config }).then(
        () => Promise.reject(new Error('expected a failure')),
        (reason: unknown) => reason as Error,
      )
      const all = `${error.message} ${JSON.stringify(error.data)} ${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`
      expect(all).toContain('[redacted]')
      for (const form of forms) expect(all.toLowerCase()).not.toContain(form.toLowerCase().replace(/=+$/, ''))
    },
  )

  it('is not in what a look-up fails with', async () => {
    const lookup = () => Promise.reject(new Error(`login as ${user} with ${pass} failed`))
    const { config } = await setUp({}, { lookup }, login)
    const found = await reconcile(email.send, mail, { config })
    expect(found.state).toBe('unknown')
    expect(JSON.stringify(found)).not.toContain(pass)
  })
})

describe('a copy to oneself', () => {
  const selfCopy = 'ann+sent@example.test'

  it('goes along in the envelope and is named nowhere', async () => {
    const { server, config } = await setUp({}, { selfCopy, keepsSent: false })
    const { output } = await run(email.send, mail, { config })
    expect(server.taken[0]!.to).toEqual(['bob@example.test', selfCopy])
    expect(server.taken[0]!.raw).not.toContain(selfCopy)
    expect(output.accepted).toEqual(['bob@example.test'])
  })

  it.each([
    [550, 'final'],
    [451, 'retry'],
  ])('is not sent when every real recipient was refused with %i, as it would prove a lie', async (code, wanted) => {
    const { server, config } = await setUp(
      { recipient: (address) => (address === selfCopy ? undefined : { code, text: 'no' }) },
      { selfCopy, keepsSent: false },
    )
    expect((await failureOf(email.send, run(email.send, mail, { config }))).class).toBe(wanted)
    expect((await reconcile(email.send, mail, { config })).state).toBe('not-found')
    expect(server.taken).toEqual([])
  })
})

describe('the input of email.send', () => {
  const { input } = definitionOf(email.send)

  it.each([
    ['a line break in the subject', { ...mail, subject: 'a\r\nBcc: eve@example.test' }],
    ['a line feed in the subject', { ...mail, subject: 'a\nb' }],
    ['a line separator in the subject', { ...mail, subject: 'a\u2028b' }],
    ['a line break in the address', { ...mail, to: 'bob@example.test\r\nBcc: eve@example.test' }],
    ['two addresses', { ...mail, to: 'bob@example.test, eve@example.test' }],
    ['a name with the address', { ...mail, to: 'Bob <bob@example.test>' }],
    ['a line break in a reference', { ...mail, references: ['<a@b>\r\nBcc: <c@d>'] }],
    ['a bare Message-ID', { ...mail, inReplyTo: 'a@b' }],
    ['a NUL in the text', { ...mail, text: 'a\0b' }],
    ['an unknown field', { ...mail, bcc: 'eve@example.test' }],
    [
      'a path as a file name',
      { ...mail, attachments: [{ filename: '../x', contentType: 'text/plain', sha256: '0'.repeat(64) }] },
    ],
    [
      'a header in a media type',
      { ...mail, attachments: [{ filename: 'x', contentType: 'text/plain\r\nX: y', sha256: '0'.repeat(64) }] },
    ],
  ])('refuses %s', (_what, value) => {
    expect(input.safeParse(value).success).toBe(false)
  })

  it('takes what the programs of the surface send', () => {
    expect(input.safeParse({ to: 'ada@x.org', subject: 'Invoice 1', text: 'first' }).success).toBe(true)
  })

  it('is shown to people field by field', () => {
    const { preview } = definitionOf(email.send)
    const shown = preview!(input.parse({ ...mail, cc: ['c@example.test'] }), {
      config: undefined,
      signal: new AbortController().signal,
    })
    expect(shown).toEqual({
      kind: 'fields',
      rows: [
        { label: 'To', after: 'bob@example.test' },
        { label: 'Cc', after: 'c@example.test' },
        { label: 'Subject', after: 'Grüße' },
        { label: 'Text', after: 'Hello Bob\n' },
      ],
    })
  })
})

describe('the bytes of a mail', () => {
  const use = { workspace: 'default', account: 'default', credential: undefined }
  const bytes = Buffer.from('attached')
  const mailer = mailerOf({ host: 'h', from: 'Ann <ann@example.test>', attachment: async () => bytes }, use)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const input = MailInput.parse({
    ...mail,
    html: '<p>ü</p>',
    attachments: [{ filename: 'ü.txt', contentType: 'text/plain', sha256 }],
  })
  const composed = (key: string, at = 0) => compose(input, { mailer, key, at, signal: new AbortController().signal })

  it('are the same for the same input, key and instant', async () => {
    const [a, b] = [await composed('k'), await composed('k')]
    expect(a.raw.equals(b.raw)).toBe(true)
    expect(a.raw.toString()).toContain('multipart/alternative')
    expect(header(a.raw.toString(), 'date')).toBe('Thu, 01 Jan 1970 00:00:00 +0000')
    expect((await composed('other')).raw.equals(a.raw)).toBe(false)
  })

  it('have another Message-ID under another key', () => {
    expect(messageIdOf('a', mailer)).not.toBe(messageIdOf('b', mailer))
  })

  it('have lines that end in CR LF only', async () => {
    expect((await composed('k')).raw.toString('latin1').replaceAll('\r\n', '')).not.toMatch(/[\r\n]/)
  })
})

describe('email.connect', () => {
  it('does not lend one sender to many workspaces', async () => {
    const { server } = await setUp()
    const options: EmailOptions = { host: '127.0.0.1', port: server.port, security: 'none', from: 'ann@example.test' }
    const shared = configOf(email.connect(options), { workspace: 'acme' })
    expect((await failureOf(email.send, run(email.send, mail, { config: shared }))).class).toBe('final')
    const own = configOf(
      email.connect(({ workspace }) => ({ ...options, from: `${workspace}@example.test` })),
      { workspace: 'acme' },
    )
    await run(email.send, mail, { config: own })
    expect(header(server.taken[0]!.raw, 'from')).toBe('acme@example.test')
  })

  it.each(['', 'nobody', 'a@b, c@d', 'a@b\r\nBcc: c@d', 'a@127.0.0.1'])('refuses the sender %j', async (from) => {
    const failure = await failureOf(email.send, run(email.send, mail, { config: configFor(1, { from }) }))
    expect(failure.class).toBe('final')
  })

  it('does not take what is not found for not sent where sent mail is not kept', async () => {
    const lookup = async () => 'not-found' as const
    const at = async (more: Partial<EmailOptions>) =>
      (await reconcile(email.send, mail, { config: configFor(1, { lookup, ...more }) })).state
    expect(await at({})).toBe('unknown')
    expect(await at({ keepsSent: true })).toBe('not-found')
    expect(await at({ selfCopy: 'ann@example.test' })).toBe('not-found')
    expect(await at({ keepsSent: true, lookup: maildirLookup(join(folder(), 'gone')) })).toBe('unknown')
    const thrower = (): never => {
      throw new Error('no')
    }
    expect(await at({ keepsSent: true, lookup: thrower })).toBe('unknown')
  })

  it('says for how long what is not found may still be in a queue', async () => {
    const lookup = async () => 'not-found' as const
    const at = (more: Partial<EmailOptions>) =>
      reconcile(email.send, mail, { config: configFor(1, { lookup, keepsSent: true, ...more }) })
    expect(await at({ settleMs: 600_000 })).toEqual({ state: 'not-found', settleMs: 600_000 })
    expect(await at({})).toEqual({ state: 'not-found' })
    expect(await at({ settleMs: 600_000, lookup: async () => 'found' as const })).toMatchObject({ state: 'done' })
  })

  it('asks the operator when there is nothing to look at', async () => {
    const config = configFor(1)
    expect((await reconcile(email.send, mail, { config })).state).toBe('unknown')
  })
})

describe('maildirLookup', () => {
  const signal = new AbortController().signal
  const look = (path: string) => maildirLookup(path)('<id@example.test>', 'op-1', { signal })

  it('finds a mail by its Message-ID or by its operation, at any depth, over folded headers', async () => {
    const [one, two] = [folder(), folder()]
    mkdirSync(join(one, '.Sent', 'cur'), { recursive: true })
    writeFileSync(join(one, '.Sent', 'cur', '1'), 'Subject: x\r\nMESSAGE-ID:\r\n <id@example.test>\r\n\r\nbody')
    writeFileSync(join(two, 'a.eml'), 'Message-ID: <changed@relay>\nX-Keelson-Operation: op-1\n\nbody')
    expect([await look(one), await look(two)]).toEqual(['found', 'found'])
  })

  it('does not take the text of a mail for its headers', async () => {
    const path = folder()
    writeFileSync(
      join(path, 'reply.eml'),
      'Message-ID: <other@x>\nReferences: <id@example.test>\n\nMessage-ID: <id@example.test>\nX-Keelson-Operation: op-1\n',
    )
    expect(await look(path)).toBe('not-found')
  })

  it('cannot tell when the folder is not there', async () => {
    expect(await look(join(folder(), 'gone'))).toBe('unknown')
  })
})
