/** Company: what runs in the app for each company: a small playbook whose mail a person approves, and where all is kept. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { email, maildirLookup } from '@keelson/connectors/email'
import {
  createConductor,
  defineEntity,
  definePlaybook,
  policy,
  type Conductor,
  type Logger,
  type MayDecide,
} from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { z } from 'zod'

export const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ name: z.string(), email: z.email(), stage: z.enum(['new', 'welcomed']) }),
})

// #region playbook
export const onboarding = definePlaybook({
  name: 'onboarding',
  version: 1,
  input: z.strictObject({ name: z.string().min(1).max(200), email: z.email() }),
  output: z.object({ to: z.string(), subject: z.string() }),
  uses: [email],
  async run(ctx, client) {
    const customer = await ctx.entities(Customer).create({ ...client, stage: 'new' })
    const welcome = { to: client.email, subject: 'Welcome', text: `Hello ${client.name},\n\nwelcome aboard.\n` }
    const { input } = await ctx.effect(email.send, welcome, {
      because: [customer],
      revise: (mail, no) => (no.text === undefined ? undefined : { ...mail, text: `${mail.text}\n${no.text}\n` }),
    })
    await ctx.entities(Customer).update(customer.id, { stage: 'welcomed' })
    return { to: input.to, subject: input.subject }
  },
})
// #endregion

export interface Mail {
  readonly port: number
  readonly login: { readonly user: string; readonly pass: string }
  /** Where the mail server files what it takes. */
  readonly sent: string
}

export interface CompaniesOptions {
  readonly mayDecide: MayDecide
  readonly log?: Logger
}

// #region conductor
/** One conductor for all companies: a file, a sender and an inbox for each. */
export function openCompanies(folder: string, mail: Mail, options: CompaniesOptions): Promise<Conductor> {
  mkdirSync(join(folder, 'companies'), { recursive: true })
  return createConductor({
    store: sqlite((workspace) => join(folder, 'companies', `${workspace}.db`)),
    playbooks: [onboarding],
    policy: policy([
      policy.rule('mail to clients', { on: email.send }, () => policy.ask({ reason: 'a client will read it' })),
    ]),
    connectors: [
      email.connect(({ workspace }) => ({
        host: '127.0.0.1',
        port: mail.port,
        security: 'none',
        from: `hello@${workspace}.example`,
        lookup: maildirLookup(mail.sent),
        keepsSent: true,
      })),
    ],
    credentials: async () => mail.login,
    ...options,
  })
}
// #endregion
