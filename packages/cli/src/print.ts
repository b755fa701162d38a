/** Print: items, runs and plans as lines for a terminal, or a screen reader. */
import { styleText } from 'node:util'
import type { Held, InboxItem, RunStatus, RunSummary } from '@keelson/core'
import { moneyText } from '@keelson/core/ports'
import { answering, answers } from './commands.ts'
import { safe } from './safe.ts'
import type { Asked } from './usage.ts'

export interface Out {
  line(text?: string): void
  strong(text: string): string
  warn(text: string): string
}

export function out(plain: boolean): Out {
  return {
    line: (text = '') => void process.stdout.write(`${text}\n`),
    strong: (text) => (plain ? text : styleText('bold', text)),
    warn: (text) => (plain ? text : styleText('yellow', text)),
  }
}

/** `off`: how many more were put off. */
export function printItems(o: Out, items: readonly InboxItem[], off = 0): void {
  if (items.length === 0) o.line('nothing waits for you')
  if (off > 0) o.line(`${off} ${off === 1 ? 'is' : 'are'} put off until later`)
  for (const item of items) {
    const risk = 'risk' in item ? ` [${item.risk}]` : ''
    const outside = isOutside(item) ? ` ${o.warn('[outside]')}` : ''
    o.line(`${o.strong(item.id)}  ${item.kind}${risk}${outside}  ${safe(item.title)}  (${item.openedAt})`)
    o.line(`  ${item.run === undefined ? '' : `${safe(item.run)}: `}${inOneLine(item)}`)
    for (const flag of item.flags) o.line(`  ${o.warn(`! ${safe(flag.text)}`)}`)
  }
}

/** An outsider may have written some of what it rests on. */
function isOutside({ why }: InboxItem): boolean {
  return why.some(({ trust }) => trust === 'outside')
}

/** What tells an item from others of the same title. */
function inOneLine({ preview }: InboxItem): string {
  const text =
    preview.kind === 'text' ? preview.after : preview.rows.map(({ label, after }) => `${label}: ${after}`).join(', ')
  const line = safe(text).replaceAll(/\s+/g, ' ').trim()
  return line.length > 100 ? `${line.slice(0, 99).toWellFormed()}…` : line
}

/** `asked`: for the command that answers it, where that takes JSON. */
export function printItem(o: Out, item: InboxItem, asked?: Asked): void {
  o.line(o.strong(safe(item.title)))
  o.line(`item ${item.id}, ${item.kind}, ${item.state}, hash ${item.hash}`)
  if (item.playbook !== undefined)
    o.line(
      `asked by: ${item.playbook.name}@${item.playbook.version}${item.run === undefined ? '' : `, run ${safe(item.run)}`}`,
    )
  for (const flag of item.flags) o.line(o.warn(`! ${safe(flag.text)}`))
  o.line()
  printPreview(o, item)
  if ('changed' in item)
    for (const row of item.changed ?? []) o.line(`changed: ${safe(`${row.label}: ${row.before} -> ${row.after}`)}`)
  if (item.kind === 'approval') {
    if (item.cost !== undefined)
      o.line(`cost: ${moneyText(item.cost) ?? `${item.cost.amount} ${item.cost.currency} (minor units)`}`)
    o.line(`risk: ${item.risk}. ${safe(item.consequence)}`)
    if (item.rung !== undefined)
      o.line(`trust: ${item.rung}${item.segment === undefined ? '' : `, for ${safe(item.segment)}`}`)
    for (const reason of item.rejectReasons) o.line(`a no may say: ${safe(reason.fill ?? reason.label)}`)
  }
  printWhy(o, item)
  if ('revises' in item && item.revises !== undefined) o.line(`a new proposal: item ${item.revises} was sent back`)
  printAssignee(o, item)
  if (item.snoozedUntil !== undefined) o.line(`put off until: ${item.snoozedUntil}`)
  if (item.kind === 'approval' && item.dueAt !== undefined) o.line(`by itself: ${dueText(item.dueAt, item.frozen)}`)
  else if (item.expiresAt !== undefined) o.line(`ends at: ${item.expiresAt}`)
  if (item.state === 'open' && item.onSilence !== undefined && item.onSilence !== 'wait')
    o.line(`when nobody answers: ${SILENCE[item.onSilence]}`)
  if (item.kind === 'attention' && !textIn(item).includes(item.hint)) o.line(safe(item.hint))
  o.line(`can be answered by: ${answers(item).join(', ')}`)
  if (asked !== undefined && item.state === 'open') printForm(o, item, asked)
}

const SILENCE = { remind: 'you are reminded', escalate: 'others are told, one after the other', reject: 'it is a no' }

/** Whose it is by now, and of the last who handed it on what they said. */
function printAssignee(o: Out, { assignee, handings }: InboxItem): void {
  if (assignee === undefined) return
  const last = handings.at(-1)
  const from =
    last?.to.id === assignee.id
      ? `, from ${last.by.name ?? last.by.id}${last.note === undefined ? '' : `: ${last.note}`}`
      : ''
  o.line(safe(`it is for: ${assignee.name ?? assignee.id}${from}`))
}

/** Whom it rests on, and what they say. */
function printWhy(o: Out, item: InboxItem): void {
  const { why } = item
  const lines = item.kind === 'plan' ? item.lines.flatMap((line) => line.why) : []
  if (why.length > 0) o.line(`rests on: ${why.map((one) => `${safe(one.label)} (${one.trust})`).join('; ')}`)
  const quoted = [...why, ...lines].filter((one) => one.quote !== undefined && !one.label.includes(one.quote))
  const said = quoted.map(({ label, trust, quote }) => `  ${safe(label)} (${trust}): ${safe(quote!)}`)
  for (const line of new Set(said)) o.line(line)
}

function textIn({ preview }: InboxItem): string {
  return preview.kind === 'text' ? preview.after : ''
}

/** What an answer in JSON, or what came back, is to look like. */
function printForm(o: Out, item: InboxItem, asked: Asked): void {
  const verbs: readonly string[] = item.allows
  if (!verbs.includes('answer') && item.kind !== 'outcome-unknown') return
  const { line, form } = answering(item, asked)
  if (item.kind === 'outcome-unknown') {
    if (form.length > 0) o.line('what came back, with outcome -m happened --file:')
  } else o.line(`such as: ${line}`)
  for (const field of form) o.line(`  ${field}`)
}

function printPreview(o: Out, { preview }: InboxItem): void {
  if (preview.kind === 'text') {
    if (preview.before !== undefined) o.line(`before: ${safe(preview.before)}`)
    o.line(safe(preview.after))
  } else
    for (const { label, before, after } of preview.rows)
      o.line(`${safe(label)}: ${before === undefined ? '' : `${safe(before)} -> `}${safe(after)}`)
  o.line()
}

export function printRuns(o: Out, runs: readonly RunSummary[]): void {
  if (runs.length === 0) o.line('no runs')
  for (const run of runs)
    o.line(
      `${o.strong(safe(run.id))}  ${run.playbook}@${run.version}  ${safe(statusText(run.status))}  (${run.createdAt})`,
    )
}

function statusText(status: RunStatus): string {
  return status.state === 'waiting' ? `waits: ${status.for.map((one) => one.what).join('; ')}` : status.state
}

/** `stop` is the command that stops one. */
export function printHolds(o: Out, holds: readonly Held[], stop: (id: string) => string): void {
  if (holds.length === 0) o.line('nothing is held')
  for (const held of holds) {
    o.line(`${o.strong(held.id)}  ${dueText(held.dueAt, held.frozen)}  ${safe(held.title)}`)
    o.line(`  stop it: ${stop(held.id)}`)
  }
}

/** What became due while no app worked goes out with the first that does. */
function dueText(dueAt: string, frozen = false): string {
  if (Date.parse(dueAt) > Date.now()) return `goes out at ${dueAt}`
  return `was due at ${dueAt}: goes out once ${frozen ? 'the freeze ends' : 'an app works'}`
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}
