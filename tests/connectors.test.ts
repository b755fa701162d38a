/** The connectors that come along, held against the conformance suite for connectors of anyone. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { calendar } from '@keelson/connectors/calendar'
import { calendarFile } from '@keelson/connectors/calendar-file'
import { email, maildirLookup } from '@keelson/connectors/email'
import { files } from '@keelson/connectors/files'
import { definePlaybook, policy } from '@keelson/core'
import { fake, testConductor } from '@keelson/testing'
import { connectorConformance } from '@keelson/testing/vitest'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { mailServer } from '../packages/connectors/test/mail-server.ts'

function folder() {
  const path = mkdtempSync(join(tmpdir(), 'keelson-connectors-'))
  return { path, close: () => rmSync(path, { recursive: true, force: true }) }
}

connectorConformance({
  name: 'files',
  async open() {
    const { path: root, close } = folder()
    writeFileSync(join(root, 'old.txt'), 'as it was')
    const seen = (): [string, string][] =>
      readdirSync(root)
        .filter((name) => name !== '.keelson')
        .map((name) => [name, readFileSync(join(root, name), 'utf8')])
    return { connector: files.connect({ root }), state: seen, close }
  },
  cases: [
    { action: files.read, input: { path: 'old.txt' }, refused: [{ path: '../out' }, {}] },
    { action: files.list, input: {}, refused: [{ folder: '..' }, { limit: 0 }] },
    { action: files.write, input: { path: 'old.txt', text: 'new' }, refused: [{ path: '/etc/passwd', text: '' }] },
    { action: files.write, input: { path: 'new.txt', text: 'new' }, refused: [{ path: 'a', text: 1 }] },
    { action: files.move, input: { from: 'old.txt', to: 'new.txt' }, refused: [{ from: 'a', to: 'a' }] },
    { action: files.remove, input: { path: 'old.txt' }, refused: [{ path: '' }] },
  ],
})

const EMPTY = ['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//test//EN', 'END:VCALENDAR', ''].join('\r\n')
const slot = { start: '2026-06-01T10:00:00+02:00', end: '2026-06-01T10:30:00+02:00', title: 'Kickoff' }

connectorConformance({
  name: 'calendar, on a file',
  async open() {
    const { path, close } = folder()
    const file = join(path, 'work.ics')
    writeFileSync(file, EMPTY)
    const driver = calendarFile({ path: file, zone: 'Europe/Berlin' })
    const connector = calendar.connect({ driver, now: () => Date.parse('2026-06-01T00:00Z') })
    return { connector, state: () => readFileSync(file, 'utf8'), close }
  },
  cases: [
    { action: calendar.findTime, input: { minutes: 30, within: '5d' }, refused: [{ minutes: 0, within: '5d' }] },
    { action: calendar.book, input: slot, refused: [{ ...slot, end: slot.start }, { title: 'no time' }] },
  ],
})

it('a calendar without a clock of its own goes by that of the conductor', async () => {
  const { path, close } = folder()
  const file = join(path, 'work.ics')
  writeFileSync(file, EMPTY)
  const finds = definePlaybook({
    ...{ name: 'finds', version: 1, input: z.object({}), output: z.string() },
    uses: [calendar],
    run: async (ctx) => (await ctx.act(calendar.findTime, { minutes: 30, within: '5d' }))?.start ?? 'none',
  })
  const connectors = [calendar.connect({ driver: calendarFile({ path: file, zone: 'Europe/Berlin' }) })]
  const t = await testConductor({ playbooks: [finds], connectors, now: '2031-06-02T12:07:00Z' })
  expect(await (await t.start(finds, {})).result()).toBe('2031-06-02T14:15:00+02:00')
  await t.stop()
  close()
})

const mail = { to: 'bob@example.test', subject: 'Grüße', text: 'Hello Bob' }

connectorConformance({
  name: 'email, at a server of SMTP',
  async open() {
    const { port, box, taken } = await mailServer()
    const at = { host: '127.0.0.1', port, security: 'none' as const, from: 'Ann <ann@example.test>' }
    const connector = email.connect({ ...at, lookup: maildirLookup(box), keepsSent: true })
    return { connector, state: () => taken.map(({ raw }) => raw) }
  },
  cases: [{ action: email.send, input: mail, refused: [{ ...mail, to: 'nobody' }, { to: mail.to }] }],
})

it('a faked mail has a Message-ID that another mail can answer', async () => {
  const follow = definePlaybook({
    name: 'follow',
    version: 1,
    input: z.object({}),
    output: z.object({}),
    uses: [email],
    async run(ctx) {
      const { messageId } = await ctx.act(email.send, mail)
      await ctx.act(email.send, { ...mail, subject: 'Re: Grüße', inReplyTo: messageId, references: [messageId] })
      return {}
    },
  })
  const free = policy([policy.rule('free', { on: email.send }, () => policy.allow())])
  const t = await testConductor({ playbooks: [follow], connectors: [fake(email)], policy: free })
  await (await t.start(follow, {})).result()
  expect(t.world(email.send)).toHaveLength(2)
  await t.stop()
})
