/** Report: what the demo prints at its end: timeline, approval, effects and how often each happened, story, revert. */
import { basename } from 'node:path'
import type { RevertPlan, RevertResult } from '@keelson/core'
import type { Check } from './checks.ts'
import type { Findings } from './findings.ts'
import type { Folder } from './folder.ts'
import { cut, line, paint, section, table } from './screen.ts'

export function report(found: Findings, folder: Folder): void {
  timeline(found)
  approval(found)
  effects(found, folder)
  story(found)
  verification(found)
  revert(found)
}

function timeline({ customer, timeline }: Findings): void {
  section(`Timeline of the customer ${customer.data.name}`)
  const rows = timeline.map(({ at, what, step = '', by = '', changed }) => {
    const { stage = '' } = (changed ?? {}) as { stage?: string }
    return [clock(at), what, stage, step === '' ? by : step]
  })
  table(rows, ['at (UTC)', 'what', 'stage', 'step'])
}

function approval({ approval: item }: Findings): void {
  const { by, at = '' } = item.decided ?? {}
  section('Approval')
  table([
    ['who', `${by?.name ?? ''} (${by?.kind ?? ''} "${by?.id ?? ''}")`],
    ['what', `${item.verb}: ${item.title}`],
    ['hash', item.hash],
    ['shown', clock(item.seen[0]?.at ?? '')],
    ['decided', clock(at)],
  ])
}

/** One row for each effect: what the store knows of it, and what was counted outside. */
function effects(found: Findings, folder: Folder): void {
  section('Effects, and how often each happened in the world')
  const { plan, before, sent } = found
  const done = plan.lines.filter((each) => each.kind === 'effect').filter((each) => !isNothing(each))
  const rows = done.toReversed().map(({ action, what }, i) => {
    const { tries, reason } = sendings(found.story)[i] ?? { tries: 0, reason: '' }
    const [times, where] = inTheWorld(action, what, found, folder)
    return [action, subjectOf(what), `${tries}`, `${times}`, where, reason]
  })
  if (!sent) rows.push(['email.send', 'the agreement', '0', `${before.mails.length}`, 'mails accepted', 'declined'])
  table(rows, ['action', 'what', 'sent', 'times', 'counted', 'because of the rule'])
}

function inTheWorld(action: string, what: string, { before }: Findings, folder: Folder): [number, string] {
  if (action === 'calendar.book') return [before.bookings.length, `in ${basename(folder.calendar)}`]
  if (action === 'email.send') return [before.mails.length, 'mails accepted']
  const name = subjectOf(what).replace(/…$/, '')
  return [[...before.files.keys()].filter((path) => path.includes(name)).length, 'on the disk']
}

/** A proposal that came to nothing. */
function isNothing(each: RevertPlan['lines'][number]): boolean {
  return !each.can && each.why.startsWith('nothing to take back')
}

/** The field of a line of a plan that says most to a person. */
function subjectOf(what: string): string {
  const [, path] = /path: ([^,]+)/.exec(what) ?? []
  const [, title] = /(?:title|subject): ([^,]+)/.exec(what) ?? []
  return cut(path?.split('/').at(-1) ?? title ?? what, 34)
}

/** The tries of each effect, and the verdict under which it was sent, in the order of the story. */
function sendings(story: readonly string[]): { action: string; tries: number; reason: string }[] {
  const found: { action: string; tries: number; reason: string }[] = []
  for (const sentence of story) {
    const [, action = '', no, reason = ''] = /sends (\S+) \(try (\d+)\), (.*)$/.exec(sentence) ?? []
    const before = found.findLast((each) => each.action === action)
    if (no === '1') found.push({ action, tries: 1, reason })
    else if (no !== undefined && before !== undefined) before.tries++
  }
  return found
}

function story({ story, run }: Findings): void {
  section(`Story of ${run}`)
  for (const sentence of story) {
    const [, at = '', text = ''] = /^\S+T(\S+)Z {2}(.*)$/.exec(sentence) ?? []
    line(`${paint('dim', at)}  ${cut(text, 102)}`)
  }
}

function verification({ verification: { entries, streams, records, faults, ok } }: Findings): void {
  section('Verification')
  line(`${entries} entries in ${streams} chained streams, ${records} records: ${ok ? 'all as they were written' : ''}`)
  for (const fault of faults) line(paint('red', fault))
}

function revert({ plan, reverted }: Findings): void {
  section('Revert: what the plan said beforehand, and what came of it')
  for (const each of plan.lines) {
    const { word, why } = whatCameOf(each, reverted)
    line(`${paint(why === '' ? 'green' : 'yellow', word.padEnd(12))}  ${cut(each.what, 100)}`)
    if (why !== '')
      line(`${' '.repeat(14)}${paint('dim', cut(`${each.can ? 'planned, but' : 'planned so'}: ${why}`, 100))}`)
  }
}

function whatCameOf(each: RevertPlan['lines'][number], { failed }: RevertResult): { word: string; why: string } {
  if (!each.can) return { word: 'not possible', why: each.why }
  const failure = failed.find(({ what }) => what === each.what)
  return failure === undefined ? { word: 'taken back', why: '' } : { word: 'refused', why: failure.why }
}

/** Prints all checks, and where to look. True when all hold. */
export function reportChecks(checks: readonly Check[], folder: Folder): boolean {
  section('What must hold')
  for (const { what, ok, seen } of checks) {
    line(`${ok ? paint('green', '✓') : paint('red', '✗')} ${what}`)
    if (!ok) line(`  ${seen}`)
  }
  section('Look into it')
  line(`All is left in ${folder.path}: the mail, the calendar, the files, and the store, one SQLite file.`)
  line('The whole story again, from the store alone:')
  line(paint('bold', `  npx node --conditions=@keelson/source examples/demo/look.ts ${folder.store}`))
  line('Its tables, with any tool that reads SQLite:')
  line(paint('bold', `  sqlite3 ${folder.store} 'select position, kind, key from entries order by position'`))
  const held = checks.filter(({ ok }) => ok).length
  const all = held === checks.length
  console.log(`\n${paint(['bold', all ? 'green' : 'red'], `${held} of ${checks.length} checks hold`)}`)
  return all
}

function clock(iso: string): string {
  return iso.slice(11, 23)
}
