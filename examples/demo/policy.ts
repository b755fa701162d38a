/** Policy: what may be done at once, what a person is asked about, and what is refused. */
import { calendar } from '@keelson/connectors/calendar'
import { email } from '@keelson/connectors/email'
import { files } from '@keelson/connectors/files'
import { policy } from '@keelson/core'
import { Customer } from './playbook.ts'

export const gate = policy([
  policy.rule('our own calendar', { on: calendar.book }, () => policy.allow()),
  policy.rule('client folders', { on: files.write }, ({ input }) =>
    input.path.startsWith('clients/') ? policy.allow() : policy.ask({ reason: 'outside of clients/' }),
  ),
  policy.rule(
    'mail leaves the house',
    {
      on: email.send,
      look: (input, look) => ({
        customer: look.one(Customer, { email: input.to }),
        today: look.count(email.send, { where: { to: input.to }, since: '24h' }),
      }),
    },
    ({ found }) => {
      if (found.customer === undefined) return policy.deny('the recipient is no customer of ours')
      if (found.today > 5) return policy.deny('five mails a day to one person are enough')
      return policy.ask({ onSilence: 'remind', reason: `to our customer ${found.customer.data.name}` })
    },
  ),
])
