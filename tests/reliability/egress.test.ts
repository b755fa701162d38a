/** Reliability 27: an address that a stranger writes is text. Nothing here opens it: no package has a client for addresses. */
import dns from 'node:dns'
import net from 'node:net'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { z } from 'zod'
import { defineEvent, definePlaybook, policy } from '@keelson/core'
import { parseMail } from '@keelson/connectors/email'
import { files } from '@keelson/connectors/files'
import { open, store } from '../support/open.ts'

const ADDRESSES = [
  'http://169.254.169.254/latest/meta-data/',
  'http://[::ffff:127.0.0.1]/',
  'http://0x7f.1/',
  'http://2130706433/',
  'http://first-public-then-127-0-0-1.rebind.test/',
  'https://redirects.test/?to=http://localhost/',
  'file:///etc/passwd',
]

const note = defineEvent({ name: 'note', schema: z.object({ url: z.string() }) })
const reads = definePlaybook({
  name: 'reads',
  version: 1,
  input: z.object({ url: z.string() }),
  output: z.object({ url: z.string() }),
  async run(ctx, { url }) {
    const event = await ctx.waitFor(note, { match: { url } })
    const again = await ctx.step('again', () => event.url)
    await ctx.memory.append({ text: `look at ${again}` })
    ctx.log.info({ again }, `the customer wrote ${again}`)
    return { url: again }
  },
})

/** What was asked of the network. */
let asked: unknown[][]

beforeEach(() => {
  asked = []
  const refuse = (...args: unknown[]): never => {
    asked.push(args)
    throw new Error('the network was asked')
  }
  vi.stubGlobal('fetch', refuse)
  vi.spyOn(net.Socket.prototype, 'connect').mockImplementation(refuse)
  vi.spyOn(dns, 'lookup').mockImplementation(refuse)
  onTestFinished(() => {
    vi.unstubAllGlobals()
    vi.restoreAllMocks()
  })
})

describe('#27 an address that a stranger wrote', () => {
  it.each(ADDRESSES)('is kept as text, and never opened: %s', async (url) => {
    const conductor = await open(store(), { playbooks: [reads] })
    const run = await conductor.start(reads, { url }, { id: 'r' })
    await conductor.send(note, { url }, { id: 'e' })
    expect(await run.result()).toEqual({ url })
    const raw = `From: a@x.test\r\nSubject: ${url}\r\nContent-Type: text/html\r\n\r\n<img src="${url}"><a href="${url}">x</a>`
    expect((await parseMail(Buffer.from(raw))).mail.subject).toBe(url)
    expect(asked).toEqual([])
  })

  it.each(ADDRESSES)('is a name below its root for files, or refused: %s', async (url) => {
    const root = mkdtempSync(join(tmpdir(), 'keelson-egress-'))
    onTestFinished(() => rmSync(root, { recursive: true, force: true }))
    const write = definePlaybook({
      name: 'write',
      version: 1,
      input: z.object({}),
      output: z.string(),
      uses: [files],
      run: async (ctx) =>
        ctx.act(files.write, { path: url, text: 'x' }).then(
          () => 'written',
          (error: unknown) => (error as { code: string }).code,
        ),
    })
    const free = policy([policy.rule('free', { on: [files.write] }, () => policy.allow())])
    const options = { playbooks: [write], connectors: [files.connect({ root })], policy: free }
    const conductor = await open(store(), options)
    const end = await (await conductor.start(write, {}, { id: 'r' })).result()
    if (end === 'written') expect(readFileSync(join(root, url), 'utf8')).toBe('x')
    else expect(end).toMatch(/INVALID|FAILED/)
    expect(asked).toEqual([])
  })
})
