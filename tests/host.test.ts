/** The example host without a browser: its one function, asked as a server would ask it. */
import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { action, ActionError, createConductor, definePlaybook, type InboxItem, type Json } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { entered, fields } from '../examples/host-express/fields.ts'
import { onboarding } from '../examples/host-express/company.ts'
import { hostOf } from '../examples/host-express/host.ts'
import { serveExpress } from '../examples/host-express/express.ts'
import { serveHono } from '../examples/host-express/hono.ts'
import { withHooks } from '../examples/host-express/hooks.ts'
import { page } from '../examples/host-express/markup.ts'
import { PASSWORD, USERS } from './support/host.ts'

const EVIL = '<script>alert("1")</script>'
const sent: unknown[] = []
let trouble: 'unknown' | 'reauth' | undefined

const send = action({
  name: 'post.send',
  effect: 'irreversible',
  idempotency: { by: 'none' },
  input: z.object({ to: z.string(), copies: z.int(), note: z.string().optional() }),
  output: z.object({ id: z.string() }),
  preview: ({ to }) => ({ kind: 'text', before: EVIL, after: `to ${to}\u202Egnp` }),
  run(input) {
    const now = trouble
    trouble = undefined
    if (now !== undefined) throw new ActionError({ class: now }, `the post is closed ${EVIL}`)
    sent.push(input)
    return { output: { id: 'P1' } }
  },
})
const letter = definePlaybook({
  name: 'letter',
  version: 1,
  input: z.object({}),
  output: z.object({ id: z.string() }),
  uses: [send],
  run: (ctx) => ctx.act(send, { to: EVIL, copies: 1 }),
})
const asks = definePlaybook({
  name: 'asks',
  version: 1,
  input: z.object({}),
  output: z.object({ next: z.string(), days: z.int(), sure: z.boolean(), why: z.string().optional() }),
  run: (ctx) =>
    ctx.ask(`What now? ${EVIL}`, {
      answer: z.object({ next: z.enum(['wait', EVIL]), days: z.int(), sure: z.boolean(), why: z.string().optional() }),
    }),
})
const plans = definePlaybook({
  name: 'plans',
  version: 1,
  input: z.object({}),
  output: z.json(),
  uses: [send],
  run: async (ctx) => {
    const intents = ['ada', 'bob', EVIL].map((to) => ctx.intend(send, { to, copies: 1 }))
    const { lines } = await ctx.propose(`Send three ${EVIL}`, intents)
    return lines.map(({ state, edited }) => [state, edited])
  },
})

async function opened() {
  sent.length = 0
  trouble = undefined
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const keelson = await createConductor({ store: memoryStore(), playbooks: [letter, asks, plans, onboarding], log })
  onTestFinished(() => keelson.stop())
  const handle = hostOf(keelson, USERS)
  const acme = keelson.workspace('acme')
  let cookie = ''
  const ask = async (path: string, form?: Record<string, string>, headers: Record<string, string> = {}) => {
    const response = await handle(
      new Request(`http://host.example${path}`, {
        headers: { cookie, ...(form && { 'sec-fetch-site': 'same-origin' }), ...headers },
        ...(form && { method: 'POST', body: new URLSearchParams(form) }),
      }),
    )
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  const enter = async (user: string): Promise<void> => {
    const { headers } = await ask('/login', { user, password: PASSWORD })
    cookie = headers.get('set-cookie')?.split(';')[0] ?? ''
  }
  const waiting = async (): Promise<InboxItem> => {
    await keelson.quiet()
    const { items } = await acme.inbox.list()
    expect(items).toHaveLength(1)
    return items[0]!
  }
  await enter('ann')
  return { keelson, acme, ask, enter, waiting }
}

describe('the card of the host', () => {
  const decidable = ['approve', 'approve as edited', 'reject', 'respond', 'put off for a day']
  it.each([
    ['approval', letter, decidable],
    ['question', asks, ['answer', 'put off for a day']],
    ['plan', plans, decidable],
    ['outcome-unknown', letter, ['that is what became of it']],
    ['attention', letter, ['retry']],
  ])('shows an item of kind %s, all of it as text', async (kind, playbook, buttons) => {
    const { acme, ask, waiting } = await opened()
    await acme.start(playbook as typeof letter, {}, { id: 'one' })
    if (kind === 'outcome-unknown' || kind === 'attention') {
      trouble = kind === 'attention' ? 'reauth' : 'unknown'
      const { id, hash } = await waiting()
      await ask(`/approvals/${id}`, { verb: 'approve', hash })
    }
    const item = await waiting()
    expect(item.kind).toBe(kind)
    const { status, text } = await ask(`/approvals/${item.id}`)
    expect(status).toBe(200)
    expect(text).toContain('&lt;script&gt;')
    expect(text).not.toContain('<script')
    expect([...text.matchAll(/<button name="verb" value="[a-z-]+">([^<]+)/g)].map(([, label]) => label)).toEqual(
      buttons,
    )
    expect((await acme.inbox.get(item.id)).seen).toMatchObject([{ by: { id: 'ann' } }])
  })

  it('row 8: shows what hides in a text, as a warning', async () => {
    const { acme, ask, waiting } = await opened()
    await acme.start(letter, {}, { id: 'one' })
    const { text } = await ask(`/approvals/${(await waiting()).id}`)
    expect(text).toMatch(/role="alert">[^<]*reading direction/)
    expect(text).not.toContain('\u202E')
  })

  it('takes the answer to a question from its fields', async () => {
    const { acme, ask, waiting } = await opened()
    const run = await acme.start(asks, {}, { id: 'one' })
    const { id, hash } = await waiting()
    const said = { verb: 'answer', hash, 'answer/next': JSON.stringify(EVIL), 'answer/sure': 'false', 'answer/why': '' }
    const wrong = await ask(`/approvals/${id}`, { ...said, 'answer/days': 'three' })
    expect(wrong.status).toBe(409)
    expect(wrong.text).toContain('That does not fit')
    expect((await ask(`/approvals/${id}`, { ...said, 'answer/days': '3' })).status).toBe(303)
    expect(await run.result()).toEqual({ next: EVIL, days: 3, sure: false })
  })

  it('takes edits of a plan, line by line, and leaves out what is to be left out', async () => {
    const { acme, ask, waiting } = await opened()
    const run = await acme.start(plans, {}, { id: 'one' })
    const { id, hash } = await waiting()
    const edits = { 'line/1/copies': '7', 'skip/2': '"yes"' }
    expect((await ask(`/approvals/${id}`, { verb: 'edit', hash, ...edits })).status).toBe(303)
    expect(await run.result()).toEqual([
      ['done', true],
      ['skipped', false],
      ['done', false],
    ])
    expect(sent).toEqual([
      { to: 'ada', copies: 7 },
      { to: EVIL, copies: 1 },
    ])
  })

  it('takes what became of an effect, and tries again when told to', async () => {
    const { acme, ask, waiting } = await opened()
    const run = await acme.start(letter, {}, { id: 'one' })
    trouble = 'unknown'
    const { id, hash } = await waiting()
    await ask(`/approvals/${id}`, { verb: 'approve', hash })
    const unknown = await waiting()
    const happened = { verb: 'outcome', hash: unknown.hash, outcome: 'happened', 'output/id': 'P9' }
    expect((await ask(`/approvals/${unknown.id}`, happened)).status).toBe(303)
    expect(await run.result()).toEqual({ id: 'P9' })

    const other = await acme.start(letter, {}, { id: 'other' })
    trouble = 'reauth'
    const again = await waiting()
    await ask(`/approvals/${again.id}`, { verb: 'approve', hash: again.hash })
    const attention = await waiting()
    await ask(`/approvals/${attention.id}`, { verb: 'retry', hash: attention.hash })
    expect(await other.result()).toEqual({ id: 'P1' })
  })

  it('answers a form that is sent again as the first time, and tells one that says something else who was first', async () => {
    const { keelson, acme, ask, waiting } = await opened()
    await acme.start(letter, {}, { id: 'one' })
    const { id, hash } = await waiting()
    const statuses: number[] = []
    for (const verb of ['approve', 'approve', 'reject'])
      statuses.push((await ask(`/approvals/${id}`, { verb, hash, reject: 'too dear' })).status)
    expect(statuses).toEqual([303, 303, 409])
    expect((await ask(`/approvals/${id}`, { verb: 'reject', hash, reject: 'too dear' })).text).toContain(
      'Already decided',
    )
    await keelson.quiet()
    expect(sent).toHaveLength(1)
  })

  it('decides nothing without a verb that the item allows', async () => {
    const { acme, ask, waiting } = await opened()
    await acme.start(letter, {}, { id: 'one' })
    const { id, hash } = await waiting()
    for (const form of [{ hash }, { hash, verb: 'dismiss' }, { hash, verb: 'constructor' }, { hash, verb: '' }])
      expect((await ask(`/approvals/${id}`, form)).status).toBe(400)
    expect((await ask(`/approvals/${id}`, { verb: 'approve' })).text).toContain('It has changed')
    expect((await waiting()).state).toBe('open')
    expect((await ask(`/approvals/${id}`, { hash, verb: 'snooze' })).status).toBe(303)
    expect((await acme.inbox.list()).items).toEqual([])
    expect(sent).toEqual([])
  })
})

describe('the login of the host', () => {
  it('lets nobody in without a session, and none but those who know a password', async () => {
    const { ask, enter } = await opened()
    for (const path of ['/', '/approvals', '/runs/one', '/approvals/one', '/nothing'])
      expect((await ask(path, undefined, { cookie: 'session=; session=x' })).headers.get('location')).toBe('/login')
    expect((await ask('/login', { user: 'ann', password: 'x' })).status).toBe(401)
    expect((await ask('/login', { user: 'nobody', password: PASSWORD })).status).toBe(401)
    const { headers } = await ask('/login', { user: 'ann', password: PASSWORD })
    expect(headers.get('set-cookie')).toMatch(/^session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/)
    const cookie = headers.get('set-cookie')!.split(';')[0]!
    expect((await ask('/', undefined, { cookie })).status).toBe(200)
    await ask('/logout', {}, { cookie })
    expect((await ask('/', undefined, { cookie })).status).toBe(303)
    await enter('gil')
    expect((await ask('/')).text).toContain('globex')
  })

  it.each([
    ['cross-site', { 'sec-fetch-site': 'cross-site' }],
    ['a sibling domain', { 'sec-fetch-site': 'same-site' }],
    ['an address that was typed', { 'sec-fetch-site': 'none' }],
    ['another origin, from an older browser', { 'sec-fetch-site': '', origin: 'https://evil.example' }],
    ['an origin without a name', { 'sec-fetch-site': '', origin: 'null' }],
    ['nowhere', { 'sec-fetch-site': '' }],
  ])('takes no form from %s', async (_where, given) => {
    const { acme, ask, waiting } = await opened()
    await acme.start(letter, {}, { id: 'one' })
    const { id, hash } = await waiting()
    expect((await ask(`/approvals/${id}`, { verb: 'approve', hash }, given)).status).toBe(403)
    expect((await ask('/login', { user: 'gil', password: PASSWORD }, given)).status).toBe(403)
    expect((await waiting()).state).toBe('open')
  })

  it('finds nothing of another company, whatever is known of it (P10)', async () => {
    const { acme, ask, enter, waiting } = await opened()
    await acme.start(letter, {}, { id: 'one' })
    const { id, hash } = await waiting()
    await enter('gil')
    expect((await ask('/')).text).not.toContain('/runs/')
    expect((await ask('/approvals')).text).not.toContain(id)
    for (const path of ['/runs/one', `/approvals/${id}`]) expect((await ask(path)).status).toBe(404)
    expect((await ask(`/approvals/${id}`, { verb: 'approve', hash })).status).toBe(404)
    expect(await waiting()).toMatchObject({ state: 'open', seen: [] })
  })

  it('says what is wrong with a form, and that a page is not there', async () => {
    const { ask } = await opened()
    const wrong = await ask('/onboardings', { name: 'Ada "A"', email: 'x@' })
    expect([wrong.status, wrong.text]).toEqual([422, expect.stringContaining('value="Ada &quot;A&quot;"')])
    expect((await ask('/runs/%E0%A4%A')).status).toBe(404)
    expect((await ask('/nothing')).status).toBe(404)
  })
})

describe('the fields of the host', () => {
  const value = fc.record(
    {
      text: fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '')),
      number: fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
      yes: fc.boolean(),
      choice: fc.constantFrom('a', 'b<"', 3),
      list: fc.array(fc.string()),
      inner: fc.record({ text: fc.string(), other: fc.string() }, { requiredKeys: ['text'] }),
      beyond: fc.jsonValue(),
    },
    { requiredKeys: ['text', 'yes'] },
  )
  const text = { type: 'string' }
  const schema: Json = {
    type: 'object',
    required: ['text', 'yes'],
    properties: {
      ...{ text, number: { type: 'number' }, yes: { type: 'boolean' }, choice: { enum: ['a', 'b<"', 3] } },
      list: { type: 'array', items: text },
      inner: { type: 'object', properties: { text, other: text }, required: ['text'] },
    },
  }

  it('give back what nobody touched as it was', async () => {
    await fc.assert(
      fc.asyncProperty(value, async (given) => {
        const before = JSON.parse(JSON.stringify(given)) as Json
        const shown = await page({ title: '', body: fields(schema, before, 'edit') }).text()
        expect(entered(schema, posted(shown), 'edit', before)).toEqual(before)
      }),
      { numRuns: 200 },
    )
  })
})

describe('the program of the host', () => {
  it.each([[[]], [['--hono']]])('serves with %j until it is told to stop, and says who may log in', async (args) => {
    const dir = mkdtempSync(join(tmpdir(), 'keelson-host-main-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    const file = resolve(import.meta.dirname, '../examples/host-express/main.ts')
    const child = spawn(process.execPath, ['--conditions=@keelson/source', file, '--dir', dir, ...args])
    onTestFinished(() => void child.kill('SIGKILL'))
    const ended = once(child, 'close')
    const said: string[] = []
    for await (const line of createInterface(child.stdout)) if (said.push(line) === 7) break
    const url = /^open (http:\/\/127\.0\.0\.1:\d+\/) /.exec(said[0]!)![1]!
    const [, user = '', password = ''] = /^ {2}(\w+) {2}(\S+) {2}of acme$/.exec(said[1]!)!
    expect(said[6]).toContain(dir)
    const form = { method: 'POST', body: new URLSearchParams({ user, password }), redirect: 'manual' } as const
    const entered = await fetch(`${url}login`, { ...form, headers: { origin: new URL(url).origin } })
    const [cookie = ''] = entered.headers.getSetCookie()
    const home = await fetch(url, { headers: { cookie: cookie.split(';')[0]! } })
    expect([home.status, await home.text()]).toEqual([200, expect.stringContaining('acme')])
    const large = { method: 'POST', body: 'a'.repeat(3_000_000), headers: { 'sec-fetch-site': 'same-origin' } }
    expect((await fetch(`${url}login`, large)).status).toBe(413)
    child.kill('SIGTERM')
    expect((await ended)[0]).toBe(0)
  })
})

describe('the door for deliveries', () => {
  it.each([
    ['Express', serveExpress],
    ['Hono', serveHono],
  ])('under %s gets the bytes as they came, and is another one for each company', async (_name, serve) => {
    const log = { info: () => {}, warn: () => {}, error: () => {} }
    const keelson = await createConductor({ store: memoryStore(), playbooks: [], log })
    const secrets = new Map([
      ['acme', 'whsec_YSBzZWNyZXQgb2YgYWNtZSBhbG9uZQ=='],
      ['globex', 'whsec_YSBzZWNyZXQgb2YgZ2xvYmV4IGFsb25l'],
    ])
    const server = serve(withHooks(keelson, secrets, hostOf(keelson, USERS)), 0)
    await once(server, 'listening')
    onTestFinished(async () => {
      server.close()
      server.closeAllConnections()
      await keelson.stop()
    })
    const body = Buffer.from('{"invoice":"Grün 7", "cents":100 }\r\n')
    const seconds = Math.floor(Date.now() / 1000)
    const key = Buffer.from(secrets.get('acme')!.slice(6), 'base64')
    const mac = createHmac('sha256', key).update(`msg_1.${seconds}.`).update(body).digest('base64')
    const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': `${seconds}`, 'webhook-signature': `v1,${mac}` }
    const { port } = server.address() as AddressInfo
    const deliver = async (path: string, more: RequestInit = {}) => {
      const url = `http://127.0.0.1:${port}${path}`
      const response = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', ...more })
      return [response.status, response.headers.get('content-type') === null ? '' : await response.text()]
    }
    expect(await deliver('/hooks/acme')).toEqual([200, '{"code":"taken"}'])
    expect(await deliver('/hooks/acme')).toEqual([200, '{"code":"taken"}'])
    expect(await deliver('/hooks/globex')).toEqual([401, '{"code":"signature-wrong"}'])
    expect(await deliver('/hooks/nobody')).toEqual([404, ''])
    expect(await deliver('/hooks/acme', { headers: {} })).toEqual([401, '{"code":"signature-missing"}'])
    const events = await keelson.workspace('acme').runs.list({ playbook: 'keelson.event', builtIn: true })
    expect(events.runs).toHaveLength(1)
  })
})

/** What a browser would post of a page that nobody touched. */
function posted(shown: string): URLSearchParams {
  const form = new URLSearchParams()
  const plain = (text: string): string =>
    text.replaceAll(
      /&(amp|lt|gt|quot|#39);/g,
      (_, name: string) => ({ amp: '&', lt: '<', gt: '>', quot: '"' })[name] ?? "'",
    )
  for (const [, name = '', text = ''] of shown.matchAll(/<textarea [^>]*name="([^"]+)">([^<]*)</g))
    form.set(
      plain(name),
      plain(text)
        .replace('\n', '')
        .replaceAll(/\r\n?|\n/g, '\r\n'),
    )
  for (const [, name = '', options = ''] of shown.matchAll(/<select [^>]*name="([^"]+)">(.*?)<\/select>/gs))
    form.set(plain(name), plain(/<option selected>([^<]*)</.exec(options)?.[1] ?? ''))
  return form
}
