/** Several companies in one host: accounts, credentials, settings and personas, each its own. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  action,
  ActionError,
  defineConnector,
  definePersona,
  definePlaybook,
  policy,
  type Settings,
} from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { me, open, store } from './support/open.ts'

interface Sent {
  readonly config: unknown
  readonly to: string
}

function setUp(failing: () => boolean = () => false) {
  const sent: Sent[] = []
  const send = action({
    name: 'mail.send',
    effect: 'irreversible',
    idempotency: { by: 'key' },
    input: z.object({ to: z.string() }),
    output: z.object({}),
    async run({ to }, { config }) {
      if (failing()) throw new ActionError({ class: 'reauth' }, 'the token has expired')
      sent.push({ config, to })
      return { output: {} }
    },
  })
  const mail = defineConnector({
    name: 'mail',
    actions: { send },
    open: (_options: { host?: string } | undefined, use) => ({
      ...(use.credential as object),
      account: use.account,
      workspace: use.workspace,
    }),
  })
  const hello = definePlaybook({
    name: 'hello',
    version: 1,
    input: z.object({ to: z.string(), account: z.string().optional() }),
    output: z.object({}),
    uses: [mail],
    async run(ctx, { to, account }) {
      await ctx.act(account === undefined ? send : send.account(account), { to })
      return {}
    },
  })
  const gate = policy([policy.rule('free', { on: send }, () => policy.allow())])
  return { sent, send, mail, hello, gate }
}

describe('credentials', () => {
  it('are asked for per workspace, connector and account, once, and never stored', async () => {
    const { sent, mail, hello, gate } = setUp()
    const asked: string[] = []
    const data = store()
    const conductor = await open(data, {
      playbooks: [hello],
      connectors: [mail.connect()],
      policy: gate,
      credentials: async ({ workspace, connector, account }) => {
        asked.push(`${workspace}/${connector}/${account}`)
        return { token: `secret-of-${workspace}-${account}` }
      },
    })
    for (const workspace of ['a', 'b']) {
      for (const account of [undefined, 'billing']) {
        const input = { to: 'ada', ...(account === undefined ? {} : { account }) }
        await (await conductor.workspace(workspace).start(hello, input, { id: `r-${account}` })).result()
        await (await conductor.workspace(workspace).start(hello, input, { id: `s-${account}` })).result()
      }
    }
    expect(asked).toEqual(['a/mail/default', 'a/mail/billing', 'b/mail/default', 'b/mail/billing'])
    expect(sent).toHaveLength(8)
    expect(sent[0]).toMatchObject({ config: { token: 'secret-of-a-default', workspace: 'a' } })
    for (const workspace of ['a', 'b']) {
      const entries = await data
        .session()
        .entries(workspace, 'run:r-billing:0')
        .catch(() => [])
      expect(JSON.stringify(entries)).not.toContain('secret')
    }
    expect(JSON.stringify(await conductor.workspace('a').audit.story('r-billing'))).not.toContain('secret')
  })

  it('that changed are asked for again', async () => {
    const { sent, mail, hello, gate } = setUp()
    let token = 'old'
    const conductor = await open(store(), {
      playbooks: [hello],
      connectors: [mail.connect()],
      policy: gate,
      credentials: async () => ({ token }),
    })
    await (await conductor.start(hello, { to: 'a' }, { id: '1' })).result()
    token = 'new'
    await conductor.credentialsChanged('mail')
    await (await conductor.start(hello, { to: 'a' }, { id: '2' })).result()
    expect(sent.map((one) => (one.config as { token: string }).token)).toEqual(['old', 'new'])
  })

  it('that are rejected put the effect before a person, and it goes on with new ones', async () => {
    let expired = true
    const { sent, mail, hello, gate } = setUp(() => expired)
    const conductor = await open(store(), {
      playbooks: [hello],
      connectors: [mail.connect()],
      policy: gate,
      credentials: async () => ({ token: expired ? 'old' : 'new' }),
    })
    const run = await conductor.start(hello, { to: 'a' }, { id: '1' })
    await conductor.quiet()
    const item = (await conductor.inbox.list()).items[0]!
    expect(item).toMatchObject({ kind: 'attention', title: expect.stringContaining('needs new credentials') as string })
    expired = false
    await conductor.inbox.decide(item.id, { hash: item.hash, by: me, retry: true })
    await run.result()
    expect(sent.map((one) => (one.config as { token: string }).token)).toEqual(['new'])
  })

  it('whose callback fails name the connector, and leak nothing of the error', async () => {
    const { mail, hello, gate } = setUp()
    const credentials = async (): Promise<never> => {
      throw new Error('vault says: password hunter2 is wrong')
    }
    const conductor = await open(store(), {
      playbooks: [hello],
      connectors: [mail.connect()],
      policy: gate,
      credentials,
    })
    await conductor.start(hello, { to: 'a' }, { id: '1' })
    await conductor.quiet()
    const item = (await conductor.inbox.list()).items[0]!
    expect(item.title).toContain('no credentials for mail')
    expect(JSON.stringify(item)).not.toContain('hunter2')
  })
})

describe('settings', () => {
  it('differ per company, are checked, recorded, and seen by rules and runs', async () => {
    const { sent, send, mail } = setUp()
    const seen: Settings[] = []
    const look = definePlaybook({
      name: 'look',
      version: 1,
      input: z.object({}),
      output: z.object({}),
      async run(ctx) {
        seen.push(ctx.settings)
        await ctx.act(send, { to: 'ada' })
        return {}
      },
    })
    const gate = policy([
      policy.rule('limit', { on: send }, ({ settings }) =>
        (settings as { mayMail?: boolean }).mayMail === true ? policy.allow() : policy.deny('switched off'),
      ),
    ])
    const conductor = await open(store(), {
      playbooks: [look],
      connectors: [mail.connect()],
      policy: gate,
      settings: z.object({ mayMail: z.boolean() }),
    })
    const [a, b] = [conductor.workspace('a'), conductor.workspace('b')]
    await a.configure({ mayMail: true }, { by: me })
    await (await a.start(look, {}, { id: 'r' })).result()
    await expect((await b.start(look, {}, { id: 'r' })).result()).rejects.toMatchObject({ code: 'ACTION_DENIED' })
    expect(seen[0]).toEqual({ mayMail: true })
    expect(sent).toHaveLength(1)
    await expect(a.configure({ mayMail: 'yes' }, { by: me })).rejects.toMatchObject({
      code: 'SETTINGS_INVALID',
    })
    expect(await a.settings()).toEqual({ mayMail: true })
    expect(await a.audit.verify()).toMatchObject({ ok: true })
  })

  it('that change while a run waits are seen from then on, and the same on every replay', async () => {
    const seen: unknown[][] = []
    const wait = definePlaybook({
      name: 'wait',
      version: 1,
      input: z.object({}),
      output: z.object({}),
      async run(ctx) {
        const before = ctx.settings
        await ctx.sleep('1h')
        const after = ctx.settings
        await ctx.sleep('2h')
        seen.push([before, after])
        return {}
      },
    })
    const t = await testConductor({ playbooks: [wait] })
    await t.keelson.configure({ v: 1 }, { by: me })
    const run = await t.start(wait, {})
    await t.keelson.configure({ v: 2 }, { by: me })
    await t.advance('1h')
    await t.keelson.configure({ v: 3 }, { by: me })
    await t.crash()
    await t.advance('2h')
    await run.result()
    expect(seen).toEqual([[{ v: 1 }, { v: 2 }]])
    await t.stop()
  })
})

describe('a persona', () => {
  it('limits what a run and its children may do', async () => {
    const { sent, send, mail, gate } = setUp()
    const reader = definePersona({ name: 'reader', may: ['calendar.*'] })
    const child = definePlaybook({
      name: 'child',
      version: 1,
      input: z.object({}),
      output: z.object({}),
      async run(ctx) {
        await ctx.act(send, { to: 'x' })
        return {}
      },
    })
    const parent = definePlaybook({
      name: 'parent',
      version: 1,
      input: z.object({}),
      output: z.object({}),
      persona: reader,
      run: (ctx) => ctx.call(child, {}),
    })
    const conductor = await open(store(), { playbooks: [parent, child], connectors: [mail.connect()], policy: gate })
    await expect((await conductor.start(parent, {}, { id: 'p' })).result()).rejects.toMatchObject({
      code: 'ACTION_DENIED',
      message: expect.stringContaining('persona reader may not use mail.send') as string,
    })
    await (await conductor.start(child, {}, { id: 'c' })).result()
    expect(sent).toHaveLength(1)
  })

  it('given at the start narrows further, never wider', async () => {
    const { sent, send, mail, hello, gate } = setUp()
    const none = definePersona({ name: 'visitor', may: ['calendar.*'] })
    const conductor = await open(store(), { playbooks: [hello], connectors: [mail.connect()], policy: gate })
    const run = await conductor.start(hello, { to: 'a' }, { id: 'r', persona: none })
    await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_DENIED' })
    await (
      await conductor.start(hello, { to: 'a' }, { id: 's', persona: definePersona({ name: 'mailer', may: [send] }) })
    ).result()
    expect(sent).toHaveLength(1)
  })

  it('aside, an action outside uses is not declared', async () => {
    const { mail, gate } = setUp()
    const other = action({
      name: 'bank.pay',
      effect: 'irreversible',
      idempotency: { by: 'key' },
      input: z.object({}),
      output: z.object({}),
      run: async () => ({ output: {} }),
    })
    const sly = definePlaybook({
      name: 'sly',
      version: 1,
      input: z.object({}),
      output: z.object({}),
      uses: [mail],
      run: (ctx) => ctx.act(other, {}),
    })
    const conductor = await open(store(), { playbooks: [sly], connectors: [mail.connect()], policy: gate })
    await expect((await conductor.start(sly, {}, { id: 's' })).result()).rejects.toMatchObject({
      code: 'ACTION_NOT_DECLARED',
    })
  })
})
