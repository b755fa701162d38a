/** Reliability 20 and threat 16: what a provider delivers is one event; what is forged, altered or of yesterday is none. */
import { createHmac, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { webhook, type Delivery, type WebhookOptions } from '@keelson/connectors/webhook'
import { defineEvent, definePlaybook } from '@keelson/core'
import { exploreCrashes, testConductor, type Harness } from '@keelson/testing'
import { open, store } from '../support/open.ts'

const paid = defineEvent({ name: 'paid', schema: z.object({ invoice: z.string(), cents: z.int() }) })
const book = definePlaybook({
  name: 'book',
  version: 1,
  input: z.object({}),
  output: z.array(z.string()),
  async run(ctx) {
    const all: string[] = []
    for (;;) {
      const next = await ctx.waitFor(paid, { timeout: '1d' })
      if (next === undefined) return all
      all.push(`${next.invoice} ${next.cents}`)
    }
  },
})

const secret = () => `whsec_${randomBytes(24).toString('base64')}`
const SECRETS: Record<string, unknown> = { default: secret(), acme: secret(), globex: [secret(), secret()] }
const of = (company: string): string => [SECRETS[company]].flat().at(-1) as string
const BODY = JSON.stringify({ invoice: '42', cents: 100 })

function door(t: Harness, more: Partial<WebhookOptions<{ invoice: string; cents: number }>> = {}) {
  const credentials = async ({ workspace }: { workspace: string }) => SECRETS[workspace]
  return webhook({ name: 'payments', event: paid, credentials, now: () => t.clock.now(), ...more })
}

interface Signing {
  readonly id?: string
  readonly at: number
  readonly secret?: string
}

/** As a provider of Standard Webhooks signs. */
function signed(body: string | Uint8Array, { id = 'msg_1', at, secret: by = of('default') }: Signing): Delivery {
  const seconds = Math.floor(at / 1000)
  const mac = createHmac('sha256', Buffer.from(by.slice(6), 'base64'))
    .update(`${id}.${seconds}.`)
    .update(body)
  const headers = { 'Webhook-Id': id, 'webhook-timestamp': `${seconds}` }
  return { headers: { ...headers, 'webhook-signature': `v1a,x v1,${mac.digest('base64')}` }, body }
}

/** As Stripe signs. */
function stripe(body: string, { at, secret: by = of('default') }: Signing): Delivery {
  const seconds = Math.floor(at / 1000)
  const mac = createHmac('sha256', by).update(`${seconds}.${body}`).digest('hex')
  return { headers: { 'stripe-signature': `t=${seconds},v1=${'0'.repeat(64)},v1=${mac},v0=1` }, body }
}

async function events(t: Harness, company = 'default'): Promise<string[]> {
  const { runs } = await t.keelson.workspace(company).runs.list({ playbook: 'keelson.event', builtIn: true })
  return runs.map((run) => run.id)
}

describe('a delivery', () => {
  it('#20 three times, at once and late, is one event', async () => {
    const t = await testConductor({ playbooks: [book] })
    const run = await t.start(book, {})
    const receive = door(t)
    const deliver = () => receive(t.keelson.workspace('default'), signed(BODY, { at: t.clock.now() }))
    const taken = { status: 200, code: 'taken', id: 'payments:msg_1' }
    expect(await Promise.all([deliver(), deliver()])).toEqual([taken, taken])
    await t.advance('3h') // signed anew, under the same id
    expect(await deliver()).toEqual(taken)
    const other = signed('{"invoice":"43","cents":1}', { at: t.clock.now(), id: 'msg_2' })
    expect(await receive(t.keelson.workspace('default'), other)).toMatchObject({ code: 'taken' })
    const contrary = signed('{"invoice":"99","cents":9}', { at: t.clock.now() })
    expect(await receive(t.keelson.workspace('default'), contrary)).toMatchObject({ status: 200, code: 'differs' })
    await t.advance('2d')
    expect(await run.result()).toEqual(['42 100', '43 1'])
  })

  it('#20 row 16: forged, altered, of yesterday, of tomorrow, or of another company, is none', async () => {
    const t = await testConductor({ playbooks: [book] })
    const receive = door(t)
    const [at, company] = [t.clock.now(), t.keelson.workspace('default')]
    const right = signed(BODY, { at }) as { headers: Record<string, string>; body: string }
    const headed = (headers: Record<string, string>): Delivery => ({
      ...right,
      headers: { ...right.headers, ...headers },
    })
    const wrong: readonly (readonly [string, Delivery, string])[] = [
      ['another secret', signed(BODY, { at, secret: secret() }), 'signature-wrong'],
      ['the secret of another company', signed(BODY, { at, secret: of('acme') }), 'signature-wrong'],
      ['another body', { ...right, body: BODY.replace('100', '999') }, 'signature-wrong'],
      ['parsed and written anew', { ...right, body: JSON.stringify(JSON.parse(BODY), null, 1) }, 'signature-wrong'],
      ['another id', headed({ 'Webhook-Id': 'msg_9' }), 'signature-wrong'],
      ['another time', headed({ 'webhook-timestamp': `${Math.floor(at / 1000) + 1}` }), 'signature-wrong'],
      ['an id that moves the border', headed({ 'Webhook-Id': `msg.1` }), 'signature-missing'],
      ['no signature', headed({ 'webhook-signature': '' }), 'signature-missing'],
      ['an empty one', headed({ 'webhook-signature': 'v1,' }), 'signature-missing'],
      [
        'the beginning of one',
        headed({ 'webhook-signature': right.headers['webhook-signature']!.slice(0, 20) }),
        'signature-missing',
      ],
      ['no time', headed({ 'webhook-timestamp': 'now' }), 'signature-missing'],
      ['six minutes old', signed(BODY, { at: at - 360_000 }), 'timestamp-off'],
      ['six minutes early', signed(BODY, { at: at + 360_000 }), 'timestamp-off'],
      ['nothing of it all', { headers: {}, body: BODY }, 'signature-missing'],
    ]
    for (const [what, delivery, code] of wrong)
      expect(await receive(company, delivery), what).toMatchObject({ status: 401, code })
    expect(await events(t)).toEqual([])
    expect(await receive(company, right)).toMatchObject({ code: 'taken' })
  })

  it.each([
    ['more bytes than are read', 'x'.repeat(300_000), 413, 'body-too-large'],
    ['no JSON', 'invoice=42', 400, 'body-not-json'],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]), 400, 'body-not-json'],
    ['another payload', '{"invoice":42}', 400, 'payload-invalid'],
    ['a lone surrogate', '{"invoice":"\\ud800","cents":1}', 400, 'payload-invalid'],
  ])('of %s is refused, though it is signed', async (_what, body, status, code) => {
    const t = await testConductor({ playbooks: [book] })
    const answer = await door(t)(t.keelson.workspace('default'), signed(body, { at: t.clock.now() }))
    expect(answer).toMatchObject({ status, code })
    expect(await events(t)).toEqual([])
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined()
  })

  it('is read no further than it may be long', async () => {
    const t = await testConductor({ playbooks: [book] })
    let pulled = 0
    const body = new ReadableStream<Uint8Array>({ pull: (to) => (pulled++, to.enqueue(new Uint8Array(65_536))) })
    const endless = new Request('http://host.example/hooks', { method: 'POST', body, duplex: 'half' })
    expect(await door(t)(t.keelson.workspace('default'), endless)).toMatchObject({ status: 413 })
    expect(pulled).toBeLessThan(10)
  })

  it('#20 is verified by each secret of its company while one takes the place of another, and by no other', async () => {
    const t = await testConductor({ playbooks: [book] })
    const [receive, at] = [door(t), t.clock.now()]
    const [globex, nobody] = [t.keelson.workspace('globex'), t.keelson.workspace('nobody')]
    for (const [n, one] of (SECRETS['globex'] as string[]).entries())
      expect(await receive(globex, signed(BODY, { at, id: `msg_${n}`, secret: one }))).toMatchObject({ code: 'taken' })
    expect(await events(t, 'globex')).toHaveLength(2)
    expect(await receive(globex, signed(BODY, { at }))).toMatchObject({ code: 'signature-wrong' })
    expect(await receive(nobody, signed(BODY, { at }))).toMatchObject({ status: 401, code: 'secret-missing' })
  })

  it.each(['', 'whsec_', 'whsec_c2hvcnQ=', 42])('is not verified by a key that can be guessed (%s)', async (weak) => {
    const t = await testConductor({ playbooks: [book] })
    const receive = door(t, { credentials: async () => weak })
    const asked = receive(t.keelson.workspace('default'), signed(BODY, { at: t.clock.now(), secret: 'whsec_' }))
    await expect(asked).rejects.toMatchObject({ code: 'CREDENTIALS_MISSING' })
  })

  it('names no secret in what is thrown', async () => {
    const t = await testConductor({ playbooks: [book] })
    const receive = door(t, { credentials: () => Promise.reject(new Error(`the vault said ${of('default')}`)) })
    const thrown = await receive(t.keelson.workspace('default'), signed(BODY, { at: t.clock.now() })).catch(
      (e: unknown) => e,
    )
    expect(thrown).toMatchObject({ code: 'CREDENTIALS_MISSING' })
    expect(JSON.stringify([String(thrown), (thrown as Error).cause ?? null])).not.toContain(of('default').slice(6))
  })

  it('in the shape of Stripe has its id in the body, and may be passed over', async () => {
    const t = await testConductor({ playbooks: [book] })
    type Body = { type: string; data: { object: { id: string; amount: number } } }
    const payload = (body: unknown) => {
      const { type, data } = body as Body
      return type === 'invoice.paid' ? { invoice: data.object.id, cents: data.object.amount } : undefined
    }
    const receive = door(t, { scheme: 'stripe', payload })
    const [company, at] = [t.keelson.workspace('default'), t.clock.now()]
    const body = (more: object) =>
      JSON.stringify({ data: { object: { id: 'in_1', amount: 5 } }, type: 'invoice.paid', ...more })
    for (const pending of [2, 1, 0])
      // what a provider counts changes; what happened does not
      expect(await receive(company, stripe(body({ id: 'evt_1', pending }), { at }))).toMatchObject({ code: 'taken' })
    expect(await receive(company, stripe(body({ id: 'evt_2', type: 'ping' }), { at }))).toMatchObject({
      code: 'passed-over',
    })
    expect(await receive(company, stripe(body({}), { at }))).toMatchObject({ status: 400, code: 'id-missing' })
    expect(await receive(company, signed(body({ id: 'evt_1' }), { at }))).toMatchObject({ code: 'signature-missing' })
    expect(await receive(company, stripe(body({ id: 'evt_1' }), { at, secret: of('acme') }))).toMatchObject({
      status: 401,
    })
    expect(await events(t)).toHaveLength(1)
  })

  it('is answered with success only once it is durable, however it is cut short', async () => {
    const explored = await exploreCrashes(
      async (t) => {
        const run = await t.start(book, {})
        for (const id of ['msg_1', 'msg_1'])
          await t.host((keelson) => door(t)(keelson.workspace('default'), signed(BODY, { at: t.clock.now(), id })))
        await t.advance('2d')
        return run.result()
      },
      { harness: () => ({ playbooks: [book] }) },
    )
    expect(explored.points).toBeGreaterThan(10)
  })
})

describe('a delivery that is refused', () => {
  const MINUTE = 60_000
  /** A door of a conductor with a log, and a clock that a test moves. */
  async function heard() {
    const lines: { fields: Record<string, unknown>; line: string }[] = []
    const warn = (fields: object, line = '') => void lines.push({ fields: { ...fields }, line })
    const log = { info: () => {}, warn, error: () => {} }
    const keelson = await open(store(), { playbooks: [book], log })
    const clock = { now: Date.parse('2026-01-05T09:00:00Z') }
    const credentials = async ({ workspace }: { workspace: string }) => SECRETS[workspace]
    const receive = webhook({ name: 'payments', event: paid, credentials, now: () => clock.now })
    const forge = (company = 'acme', more: Partial<Signing> = {}) =>
      receive(keelson.workspace(company), signed(BODY, { at: clock.now, secret: secret(), ...more }))
    const counts = () => lines.map(({ fields }) => [fields['workspace'], fields['reason'], fields['count']])
    return { lines, keelson, clock, receive, forge, counts }
  }

  it('#20 is told in the log of the conductor: to whom, where and why, and nothing that came or is secret', async () => {
    const { lines, keelson, clock, receive, forge } = await heard()
    const forged = signed(BODY, { at: clock.now, secret: secret() }) as {
      headers: Record<string, string>
      body: string
    }
    const request = new Request('https://host.example/hooks/acme?token=hidden', { method: 'POST', ...forged })
    expect(await receive(keelson.workspace('acme'), request)).toMatchObject({ status: 401 })
    expect(lines).toEqual([
      {
        line: 'webhook payments refused a delivery to acme: signature-wrong',
        fields: {
          ...{ workspace: 'acme', connector: 'payments', account: 'default', path: '/hooks/acme' },
          ...{ reason: 'signature-wrong', count: 1, hint: expect.stringContaining('the secret is another') as string },
        },
      },
    ])
    await forge('globex', { at: clock.now - 6 * MINUTE, secret: of('globex') })
    await receive(keelson.workspace('acme'), { headers: {}, body: BODY })
    await forge('nobody')
    expect(lines.slice(1).map(({ fields }) => fields['reason'])).toEqual([
      'timestamp-off',
      'signature-missing',
      'secret-missing',
    ])
    const all = JSON.stringify(lines)
    const signature = forged.headers['webhook-signature']!.slice(8)
    for (const hidden of ['hidden', 'invoice', 'msg_1', signature, of('acme').slice(6), of('globex').slice(6)])
      expect(all).not.toContain(hidden)
    await keelson.stop()
  })

  it('a thousand times is told once, and then how often, once a minute', async () => {
    const { lines, keelson, clock, receive, forge, counts } = await heard()
    for (let n = 0; n < 1000; n++) await forge()
    expect(counts()).toEqual([['acme', 'signature-wrong', 1]])
    clock.now += MINUTE
    const good = signed(BODY, { at: clock.now, secret: of('default') })
    expect(await receive(keelson.workspace('default'), good)).toMatchObject({ code: 'taken' })
    expect(counts().at(-1)).toEqual(['acme', 'signature-wrong', 999])
    expect(lines.at(-1)!.line).toBe('webhook payments refused 999 more deliveries to acme: signature-wrong')
    clock.now += MINUTE - 1
    await forge()
    expect(lines).toHaveLength(2)
    clock.now += 1
    await forge()
    expect(counts().slice(2)).toEqual([['acme', 'signature-wrong', 1]])
    clock.now += 10 * MINUTE
    await receive(keelson.workspace('default'), signed(BODY, { at: clock.now, secret: of('default') }))
    expect(counts().slice(3)).toEqual([['acme', 'signature-wrong', 1]])
    clock.now += MINUTE
    await forge()
    expect(lines.at(-1)!.line).toContain('refused a delivery')
    await keelson.stop()
  })

  it('to a thousand companies is told of twenty in a minute, and then how many others', async () => {
    const { lines, keelson, clock, forge, counts } = await heard()
    for (let n = 0; n < 1000; n++) await forge(`company-${n}`)
    expect(lines).toHaveLength(20)
    clock.now += MINUTE
    await forge('company-0')
    expect(lines).toHaveLength(22)
    expect(counts().slice(20)).toEqual([
      [undefined, undefined, 980],
      ['company-0', 'secret-missing', 1],
    ])
    await keelson.stop()
  })

  it('goes to the log that the door was given, where the company is no conductor’s', async () => {
    const told: string[] = []
    const log = { info: () => {}, warn: (_: object, line = '') => void told.push(line), error: () => {} }
    const receive = webhook({ name: 'payments', event: paid, credentials: async () => secret(), log })
    const company = { id: 'acme', send: () => Promise.reject(new Error('nothing is sent')) }
    expect(await receive(company, { headers: {}, body: BODY })).toMatchObject({ status: 401 })
    expect(told).toEqual(['webhook payments refused a delivery to acme: signature-missing'])
  })
})
