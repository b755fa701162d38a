/** The playbook and the policy of the demo themselves, in fakes of its connectors: the main job, cut everywhere. */
import { calendar } from '@keelson/connectors/calendar'
import { email } from '@keelson/connectors/email'
import { files } from '@keelson/connectors/files'
import { fake } from '@keelson/testing'
import { mailbox } from '../examples/demo/mailbox.ts'
import { contractSigned, Customer, onboarding } from '../examples/demo/playbook.ts'
import { gate } from '../examples/demo/policy.ts'
import type { Program } from './crash-programs.ts'

const sha256 = 'c'.repeat(64)
const enquiry = {
  messageId: '<1@example.org>',
  name: 'Zoë Müller-Løhne',
  email: 'zoe@example.org',
  subject: 'A site',
  text: 'Would you?',
  receivedAt: '2026-10-20T08:00:00Z',
  attachments: ['brief.pdf', 'Skizze.png'].map((name, i) => ({ no: i + 1, name, sha256: `${i}`.repeat(64), size: 9 })),
}
const slot = { start: '2026-10-28T14:30:00+01:00', end: '2026-10-28T15:30:00+01:00' }
const template = 'No {{number}} for {{client}} <{{email}}>: {{subject}}, with {{attachments}}, {{kickoff}}, {{date}}'

const kept = (path: string, own = sha256) => ({ path, sha256: own, size: 9 })

export const demoProgram: Program = {
  name: 'demo',
  harness: () => ({
    playbooks: [onboarding],
    policy: gate,
    now: '2026-10-20T09:00:00Z',
    connectors: [
      fake(mailbox, { read: () => enquiry }),
      fake(calendar, { findTime: () => slot }),
      fake(files, {
        read: ({ path }) => ({ ...kept(path), content: template }),
        write: (input) => kept(input.path, 'sha256' in input ? input.sha256 : undefined),
      }),
      fake(email),
    ],
  }),
  async test(t) {
    t.fault(email.send, 'timeout-after-effect')
    const run = await t.start(onboarding, { enquiry: 'enquiry.eml' })
    await t.respond(email.send, 'and greet your sister')
    await t.approve(email.send)
    await t.advance('10m')
    const [customer] = (await t.keelson.entities(Customer).list()).entities
    await t.send(contractSigned, { customerId: customer!.id, sha256 }, { times: 2 })
    return run
  },
}
