/**
 * PlanAgain: an open plan under rules that have come since.
 *
 * G1. Each line shows what the rules of now say: that they deny it, how long they hold it, and why they ask where those of then did not.
 *     One that is asked about no more stays as it is, and a yes answers for those who had asked.
 * G2. What is shown otherwise has another hash: who saw it before is refused, as of a plan that has changed.
 * G3. What was said stands in the entry that opens the question anew, so that an approval covers what its plan showed, and nothing else.
 */
import type { Json } from '../../base/value.ts'
import type { PreviewRow } from '../../connector/preview.ts'
import { dataOf, type Entry } from '../../journal/entry.ts'
import type { EntryData } from '../../journal/kinds.ts'
import { whyOf, type Judgement } from '../../policy/verdict.ts'
import { itemHash, itemPut, readItem, type ItemRecord, type PlanLine } from '../item.ts'
import type { Pass } from '../pass.ts'
import { readable } from '../shown.ts'
import { obligedBy, planText, type Judged } from './plan-item.ts'

/** What other rules say of a line. */
type Again = Pick<Judged, 'verdict' | 'denied' | 'holdMs' | 'asked'>

/** The lines of a plan as the question under `key` shows them by now. */
export function judgedSince(pass: Pass, key: string, lines: readonly Judged[]): readonly Judged[] {
  const judged = openedAs(pass, key)?.judged as unknown as { [line: string]: Again } | undefined
  return judged === undefined ? lines : lines.map((line) => ({ ...asProposed(line), ...judged[line.id]! }))
}

function openedAs(pass: Pass, key: string): EntryData['ask.opened'] | undefined {
  const opened = pass.history.ops.get(key)?.opened
  return opened?.kind === 'ask.opened' ? dataOf(opened as Entry & { kind: 'ask.opened' }) : undefined
}

/** Without what policy said of it. */
function asProposed({ denied: _denied, holdMs: _holdMs, asked: _asked, ...line }: Judged): Judged {
  return line
}

interface Proposed {
  readonly title: string
  /** As they were judged when the plan was made. */
  readonly lines: readonly Judged[]
  /** Judges a line, by its place, by the rules of now. */
  readonly judge: (line: number) => Promise<Judgement>
}

/** Shows on the open item what the rules of now say; nothing where they are those that it was judged by last. */
export async function judgePlanAgain(
  pass: Pass,
  key: string,
  item: string,
  { title, lines, judge }: Proposed,
): Promise<void> {
  const { env, claimed } = pass.task
  const isKnown = (): boolean =>
    judgedSince(pass, key, lines).every(({ verdict }) => verdict.policy === env.policy.version)
  if (isKnown()) return
  await pass.writer.submit(async () => {
    const found = await readItem(env.store, claimed.row.workspace, item)
    const opened = openedAs(pass, key)
    const isOver = found?.item.state !== 'open' || pass.history.ops.get(key)?.outcome !== undefined
    if (isOver || opened === undefined || isKnown()) return undefined
    const judged: { [line: string]: Again } = {}
    for (const [i, line] of lines.entries()) judged[line.id] = againOf(line, await judge(i))
    const now = lines.map((line) => ({ ...asProposed(line), ...judged[line.id]! }))
    const other = itemUnder(found.item, title, lines, now)
    const puts = other.hash === found.item.hash ? [] : [itemPut(other, found.version + 1)]
    const { puts: _puts, ...before } = opened
    const data = { ...before, judged: judged as unknown as Json, again: 'judged' as const, puts }
    return { drafts: [{ kind: 'ask.opened', key, data }] }
  })
}

/** G1. Without what was looked up: it is said again with each reminder, and the line is judged once more before it is sent. */
function againOf({ verdict: before }: Judged, { looked: _looked, ...verdict }: Judgement): Again {
  const known = new Set(before.asks.map(({ rule }) => rule))
  const more = verdict.asks.filter(({ rule }) => !known.has(rule))
  const asked = more.map((one) => whyOf(one)).join('; ')
  const all = { ...verdict, found: {}, asks: [...before.asks, ...more] }
  return { verdict: all, ...obligedBy(verdict), ...(asked === '' ? {} : { asked }) }
}

/** G2. Nobody has seen it as it is now. */
function itemUnder(
  { flags: _flags, changed: _changed, seen: _seen, ...item }: ItemRecord,
  title: string,
  before: readonly Judged[],
  now: readonly Judged[],
): ItemRecord {
  const changed = before.flatMap((line, i) => changeOf(line, now[i]!))
  const text = planText(changed.length === 0 ? title : `Changed: ${title}`, now)
  const bare = readable({ ...item, ...text, ...(changed.length === 0 ? {} : { changed }) })
  const hash = itemHash(bare)
  return { ...bare, hash, was: [...(item.was ?? []), item.hash].slice(-20) }
}

function changeOf(before: PlanLine, now: PlanLine): PreviewRow[] {
  const [was, is] = [obligationText(before), obligationText(now)]
  return was === is ? [] : [{ label: `${now.id}. ${now.title}`, before: was, after: is }]
}

function obligationText({ denied, holdMs, asked }: PlanLine): string {
  if (denied !== undefined) return `will not execute (${denied})`
  const held =
    holdMs === undefined ? 'executes once it is approved' : `is held for ${holdMs / 60_000} min once it is approved`
  return asked === undefined ? held : `${held}; now asked about (${asked})`
}
