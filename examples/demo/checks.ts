/** Checks: what must hold at the end of the demo. One that does not says what was seen instead. */
import type { Findings } from './findings.ts'
import { folderNameOf } from './letter.ts'
import { MARA } from './operator.ts'
import type { World } from './world.ts'

export interface Check {
  readonly what: string
  readonly ok: boolean
  readonly seen: string
}

const CLIENT = 'Zoë Müller-Løhne'
const LIST = 'Seitenübersicht Kaffeerösterei Løhne.csv'
const KICKOFF = '2026-10-28T14:30:00+01:00'

/** All checks, in the order of what happens. */
export function checksOf(found: Findings): Check[] {
  return [...read(found), ...(found.sent ? onboarded(found) : declined(found)), ...kept(found), ...reverted(found)]
}

function is(what: string, seen: unknown, wanted: unknown): Check {
  const [is, should] = [JSON.stringify(seen), JSON.stringify(wanted)]
  return { what, ok: is === should, seen: is === should ? '' : `wanted ${should}, saw ${is}` }
}

function read({ before, customer, approval }: Findings): Check[] {
  return [
    is('the name in the mail was read as it was written', customer.data.name, CLIENT),
    is('the first free hour was found across both zones and the clock change', before.bookings, [
      new Date(KICKOFF).toISOString().replace('.000', '').replaceAll(/[-:]/g, ''),
    ]),
    is('attachment and contract lie in the folder of the client', fileNames(before), [LIST, 'contract.md']),
    is('a named person decided', [approval.decided?.by.kind, approval.decided?.by.name], [MARA.kind, MARA.name]),
  ]
}

interface Letter {
  readonly subject: string
  readonly text: string
}

function onboarded({ before, customer, approval, result, contract }: Findings): Check[] {
  const edited = (approval.decided?.decision as { edit?: Letter } | undefined)?.edit
  const approved = edited ?? (approval.input as unknown as Letter)
  const [mail] = before.mails
  return [
    is('the mail was accepted by the server exactly once', before.mails.length, 1),
    is('what was approved is what was sent', [mail?.subject, mail?.text], [approved.subject, approved.text]),
    is('it went to the customer and nobody else', mail?.to, [customer.data.email]),
    is('the contract was attached by its hash', mail?.attachments, [contract.sha256]),
    is('the run ended signed', result?.signed, true),
    is('the mail that the run knows of is that mail', result?.messageId, mail?.messageId),
    is('the customer is signed', customer.data.stage, 'signed'),
  ]
}

function declined({ before, customer }: Findings): Check[] {
  return [
    is('nothing was sent', before.mails.length, 0),
    is('the customer is where they were', customer.data.stage, 'enquired'),
  ]
}

function kept({ kills, verified, secretSeen, sent }: Findings): Check[] {
  return [
    is(`the worker died of SIGKILL ${sent ? 'twice' : 'once'}`, kills, sent ? 2 : 1),
    is('entries and records verify, before the revert and after', verified, [[], []]),
    is('the password for the mail server is in no file', secretSeen, false),
  ]
}

function reverted({ after, sent, reverted: { undone, failed, left }, calendar, fixture, edited }: Findings): Check[] {
  const actions = (lines: readonly string[]): string[] => lines.map((what) => what.split(' ')[0]!)
  const mail = left.filter(({ what, why }) => what.startsWith('email.send') && why === 'its action is irreversible')
  return [
    is('the revert took back the booking and the filed attachment', actions(undone), ['calendar.book', 'files.write']),
    is('the calendar is byte for byte as it was', calendar.equals(fixture), true),
    is('the contract that a person has edited since was left alone', actions(failed.map(({ what }) => what)), [
      'files.write',
    ]),
    is('it is still there, with the edit', [fileNames(after), edited], [['contract.md'], true]),
    ...(sent ? [is('the mail is listed as what cannot be taken back', mail.length, 1)] : []),
  ]
}

/** What lies in the folder of the client. */
function fileNames({ files }: World): string[] {
  const folder = `${folderNameOf(CLIENT)}/`
  return [...files.keys()].map((name) => (name.startsWith(folder) ? name.slice(folder.length) : name)).sort()
}
