/**
 * Workspaces: one process, many companies. Each has its own settings, credentials and inbox; nothing crosses over.
 *
 * Expected output:
 *   open questions: sms.send (careful companies)
 *   acme: sent with the key acme/default
 *   globex: sent with the key globex/sales
 */
import { action, createConductor, defineConnector, definePlaybook, policy } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

const CompanySettings = z.object({ careful: z.boolean().default(false) })
const sms = defineConnector({
  name: 'sms',
  open: (_options, { credential }) => ({ apiKey: String(credential) }),
  actions: {
    send: action({
      name: 'sms.send',
      effect: 'irreversible',
      idempotency: { by: 'key' },
      input: z.object({ to: z.string() }),
      output: z.object({ with: z.string() }),
      run: (_input, { config }) => ({ output: { with: (config as { apiKey: string }).apiKey } }),
    }),
  },
})
const remind = definePlaybook({
  name: 'remind',
  version: 1,
  input: z.object({ to: z.string(), account: z.string() }),
  output: z.string(),
  uses: [sms],
  run: async (ctx, { to, account }) => `sent with the key ${(await ctx.act(sms.send.account(account), { to })).with}`,
})
// #region host
const keelson = await createConductor({
  store: memoryStore(),
  playbooks: [remind],
  connectors: [sms.connect()],
  credentials: async ({ workspace, account }) => `${workspace}/${account}`,
  settings: CompanySettings,
  policy: policy([
    policy.rule('careful companies', { on: sms.send }, ({ settings }) =>
      CompanySettings.parse(settings).careful ? policy.ask() : policy.allow(),
    ),
  ]),
})
const by = { kind: 'person', id: 'ann' } as const
const [acme, globex] = [keelson.workspace('acme'), keelson.workspace('globex')]
await acme.configure({ careful: true }, { by })
const one = await acme.start(remind, { to: '+1', account: 'default' }, { id: 'remind:1' })
const two = await globex.start(remind, { to: '+2', account: 'sales' }, { id: 'remind:2' })
// #endregion
await keelson.quiet()
const open = [...(await acme.inbox.list()).items, ...(await globex.inbox.list()).items]
console.log(`open questions: ${open.map(({ title }) => title).join()}`)
for (const { id, hash } of open) await acme.inbox.decide(id, { hash, by, approve: true })
console.log(`acme: ${await one.result()}\nglobex: ${await two.result()}`)
await keelson.stop()
