/** parseMail: whatever strangers send, the result can be stored or is refused. */
import { stored } from '@keelson/core/ports'
import { describe, expect, it } from 'vitest'
import { parseMail } from '../src/email/index.ts'

const crlf = (text: string): Buffer => Buffer.from(text.replaceAll('\n', '\r\n'), 'utf8')

describe('parseMail', () => {
  it('reads encoded headers, threads and addresses', async () => {
    const { mail } = await parseMail(
      crlf(`From: =?utf-8?Q?J=C3=BCrgen?= <j@x.test>
To: "A, B" <a@x.test>, Team: b@x.test, c@x.test;
Subject: =?iso-8859-1?Q?Gr=FC=DFe?=
Date: Sun, 25 Oct 2026 02:30:00 +0200
Message-ID: <1@x.test>
In-Reply-To: <0@x.test>
References: <a@x.test>
 <0@x.test>

Hello
`),
    )
    expect(mail).toMatchObject({
      from: { name: 'Jürgen', address: 'j@x.test' },
      to: [{ name: 'A, B', address: 'a@x.test' }, { address: 'b@x.test' }, { address: 'c@x.test' }],
      subject: 'Grüße',
      date: '2026-10-25T00:30:00.000Z',
      messageId: '<1@x.test>',
      inReplyTo: '<0@x.test>',
      references: ['<a@x.test>', '<0@x.test>'],
      text: 'Hello\n',
      html: null,
      attachments: [],
    })
  })

  it('gives attachments by hash, and their bytes beside the value', async () => {
    const { mail, blobs } = await parseMail(
      crlf(`From: a@x.test
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain

plain
--inner
Content-Type: text/html

<p>html</p>
--inner--
--outer
Content-Type: application/pdf; name="../../x.pdf"
Content-Transfer-Encoding: base64

AAEC
--outer--
`),
    )
    expect([mail.text?.trim(), mail.html?.trim()]).toEqual(['plain', '<p>html</p>'])
    const [attachment] = mail.attachments
    expect(attachment).toMatchObject({ contentType: 'application/pdf', size: 3 })
    expect([...blobs.get(attachment!.sha256)!]).toEqual([0, 1, 2])
  })

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['no headers', crlf('\nbody')],
    ['a boundary that is missing', crlf('Content-Type: multipart/mixed\n\n--x\n\nbody\n')],
    [
      'a boundary that never ends',
      crlf('Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n\nbody'),
    ],
    [
      'raw bytes in headers',
      Buffer.concat([Buffer.from('Subject: '), Buffer.from([0xff, 0xfe, 0x80, 0xc3, 0x28]), crlf('\n\nx')]),
    ],
    [
      'half of a surrogate pair',
      crlf(
        'Subject: =?utf-16be?B?2AA=?=\nContent-Type: text/plain; charset=utf-16be\nContent-Transfer-Encoding: base64\n\n2AA=\n',
      ),
    ],
    ['an unknown charset', crlf('Content-Type: text/plain; charset=x-none\n\nbody')],
    ['broken base64', crlf('Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n!!!!\n')],
    ['NULs', Buffer.from('Subject: a\0b\r\n\r\nc\0d')],
    ['a date that is none', crlf('Date: yesterday\n\nx')],
    ['prototype names', crlf('__proto__: x\nconstructor: y\nSubject: s\n\nx')],
    ['a mail in a mail', crlf('Content-Type: message/rfc822\n\nSubject: inner\n\nx')],
  ])('gives a value that can be stored for %s', async (_what, bytes) => {
    const { mail } = await parseMail(bytes)
    expect(stored(mail)).toEqual(mail)
  })

  it('stays within bounds for long headers and bodies', async () => {
    const { mail } = await parseMail(crlf(`Subject: ${'s'.repeat(100_000)}\n\n${'x'.repeat(2_000_000)}`))
    expect(mail.subject.length).toBeLessThanOrEqual(2000)
    expect(mail.shortened).toBe(true)
    expect(() => stored(mail)).not.toThrow()
    for (const start of ['', 'x']) {
      const cut = await parseMail(crlf(`Subject: ${start}${'😀'.repeat(1500)}\n\n${start}${'😀'.repeat(200_000)}`))
      expect(() => stored(cut.mail)).not.toThrow()
    }
  })

  it('refuses what is too large or nested beyond reason', async () => {
    await expect(parseMail(Buffer.alloc(100), { maxBytes: 99 })).rejects.toMatchObject({ failure: { class: 'final' } })
    let nested = 'x'
    for (let i = 0; i < 200; i++)
      nested = `Content-Type: multipart/mixed; boundary=b${i}\n\n--b${i}\n${nested}\n--b${i}--\n`
    await expect(parseMail(crlf(nested))).rejects.toMatchObject({ failure: { class: 'final' } })
  })
})
