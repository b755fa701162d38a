/** A process that books into a calendar file: `booker.ts PATH NAME COUNT [START]`. With START, all at that one time. */
import { calendar } from '@keelson/connectors/calendar'
import { calendarFile } from '@keelson/connectors/calendar-file'
import { ActionError } from '@keelson/core'
import { definitionOf } from '@keelson/core/ports'

const [path = '', name = '', count = '0', start] = process.argv.slice(2)
const connector = calendar.connect({ driver: calendarFile({ path, zone: 'UTC' }) })
const config = connector.config!({ workspace: 'default', account: 'default', credential: undefined })
const hour = 3_600_000

for (let i = 0; i < Number(count); i++) {
  const at = start === undefined ? Date.UTC(2026, 0, 1) + i * hour : Date.parse(start)
  const input = {
    start: new Date(at).toISOString(),
    end: new Date(at + hour).toISOString(),
    title: `${name} ${i}`,
    evenIfBusy: start === undefined,
  }
  const use = { key: `${name}-${i}`, signal: new AbortController().signal, attempt: 1, since: 0, config }
  const outcome = await definitionOf(calendar.book)
    .run(input, use)
    .then(
      () => 'booked',
      (error: unknown) => (ActionError.is(error) ? error.failure.class : String(error)),
    )
  console.log(outcome)
}
