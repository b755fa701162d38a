/**
 * Silence: what it does to an open question whose time has come: a reminder, the next rung, or its end.
 *
 * N1. A hold whose time comes in a freeze stays as it is, to be stopped, changed or put off, until the freeze ends. That nobody
 *     froze or thawed the workspace meanwhile is expected by the unit that records either.
 */
import { SYSTEM, type Actor } from '../base/actor.ts'
import { canonical, canonicalAround } from '../base/json.ts'
import type { Draft } from '../journal/entry.ts'
import type { Op } from '../journal/op.ts'
import type { EntryData } from '../journal/kinds.ts'
import type { Expect, MemoryStore } from '../journal/store.ts'
import type { Rung } from '../policy/verdict.ts'
import { frozenIn, type Frozen } from './company.ts'
import { closing, itemPut, itemsWhere, readItem, type ItemRecord } from './item.ts'
import type { Opened } from './opened.ts'

const DAILY_MS = 86_400_000

export interface Climbed {
  readonly item: string
  /** From 1. */
  readonly rung: number
  readonly to: Actor
  readonly via: string
}

/** What of a digest silence bears on. */
interface Passing {
  readonly open: Opened
  readonly climbed: Climbed[]
  readonly expect: Expect[]
}

export async function expireAsk(
  op: Op,
  data: EntryData['ask.opened'],
  { open, climbed, expect }: Passing,
  now: number,
  at: { store: MemoryStore; workspace: string },
): Promise<Draft[]> {
  const found = await readItem(at.store, at.workspace, data.item)
  if (found?.item.state === 'decided' || (found?.item.dueAt ?? 0) > data.until!) return [] // its mail is on the way
  const stays = found?.item.dueAt === undefined || found.item.undo === true ? undefined : await frozenNow(at)
  if (stays?.frozen === true && found !== undefined) {
    expect.push(stays.expect)
    open.delete(op.key)
    return data.frozen?.epoch === stays.epoch ? [] : [stay(op.key, data, found, stays.epoch)]
  }
  if (data.onSilence === 'remind' || data.onSilence === 'escalate') {
    const again = reminded(data, found?.item, now)
    const { item, ...more } = again
    const puts = found === undefined || item === undefined ? [] : [itemPut(item, found.version + 1)]
    const rung = data.ladder?.[(again.rung ?? 0) - 1]
    if (again.again === 'escalated' && rung?.via !== undefined)
      climbed.push({ item: data.item, rung: again.rung!, to: rung.to, via: rung.via })
    return [{ kind: 'ask.opened', key: op.key, data: { ...data, ...more, puts } }]
  }
  if (stays !== undefined) expect.push(stays.expect)
  open.delete(op.key)
  const puts = await closing(at.store, at.workspace, [data.item], 'expired')
  return [{ kind: 'ask.completed', key: op.key, data: { error: silence(), puts } }]
}

/**
 * An open question under another ladder: whoever was told stays told, and is not told again; what follows is the other ladder, its times
 * counted from the asking. Undefined where that changes nothing.
 */
export function underLadder(
  { puts: _puts, ...opened }: EntryData['ask.opened'],
  ladder: readonly Rung[],
  { openedAt }: Pick<ItemRecord, 'openedAt'>,
  now: number,
): EntryData['ask.opened'] | undefined {
  const { ladder: before = [], rung = 0, until = now, everyMs = DAILY_MS } = opened
  const told = before.slice(0, rung)
  const after = [...told, ...withoutTold(ladder, told)]
  if (canonicalAround(after) === canonicalAround(before)) return undefined
  const next = after[rung]
  const late = before[rung] === undefined ? until : now + everyMs
  return { ...opened, ladder: after, until: next === undefined ? late : openedAt + next.afterMs, again: 'judged' }
}

/** Each telling stands for one rung: a ladder may name somebody twice. */
function withoutTold(ladder: readonly Rung[], told: readonly Rung[]): Rung[] {
  const marks = told.map(markOf)
  return ladder.filter((rung) => {
    const at = marks.indexOf(markOf(rung))
    if (at >= 0) marks.splice(at, 1)
    return at < 0
  })
}

/** Who is told by a rung, and how. */
function markOf({ to, via = '' }: Rung): string {
  return canonical([to.kind, to.id, via])
}

type Again = Pick<EntryData['ask.opened'], 'until' | 'rung' | 'again'> & { item?: ItemRecord }

/** What silence does to what stays open: nothing while it is snoozed, else the next rung, else a reminder. */
function reminded(data: EntryData['ask.opened'], item: ItemRecord | undefined, now: number): Again {
  const { ladder = [], rung = 0 } = data
  if (item?.snoozedUntil !== undefined && item.snoozedUntil > now) return { until: item.snoozedUntil, again: 'snoozed' }
  const every = data.everyMs ?? DAILY_MS
  const late = data.until! + every * (Math.floor((now - data.until!) / every) + 1)
  const here = ladder[rung]
  if (here === undefined) {
    return {
      until: late,
      again: 'reminded',
      ...(item === undefined ? {} : { item: { ...item, reminders: item.reminders + 1 } }),
    }
  }
  const next = ladder[rung + 1]
  const openedAt = item?.openedAt ?? data.until! - here.afterMs
  return {
    until: next === undefined ? late : openedAt + next.afterMs,
    rung: rung + 1,
    again: 'escalated',
    ...(item === undefined ? {} : { item: climbing(item, here.to, now) }),
  }
}

/** It is theirs now; who had it before may still decide. */
function climbing(item: ItemRecord, to: Actor, at: number): ItemRecord {
  const handings = [...(item.handings ?? []), { by: SYSTEM, to, at, note: 'nobody had answered' }]
  return { ...item, reminders: item.reminders + 1, assignee: to, handings }
}

function silence(): { code: string; message: string; hint: string } {
  return {
    code: 'STEP_TIMEOUT',
    message: 'nobody answered in time',
    hint: 'Catch it and take another way, or ask without a timeout.',
  }
}

async function frozenNow(at: { store: MemoryStore; workspace: string }): Promise<Frozen & { expect: Expect }> {
  const [row] = await at.store.records(at.workspace, { kind: 'company', ids: ['freeze'], limit: 1 })
  return { ...frozenIn(row), expect: { record: 'company', id: 'freeze', version: row?.version ?? 0 } }
}

/** N1. It has no time of its own any more: the end of the freeze is what lets it go. */
function stay(
  key: string,
  { until, frozen: _before, ...data }: EntryData['ask.opened'],
  { item, version }: { item: ItemRecord; version: number },
  epoch: number,
): Draft {
  const puts = item.frozen === true ? [] : [itemPut({ ...item, frozen: true }, version + 1)]
  return { kind: 'ask.opened', key, data: { ...data, frozen: { epoch, until: until! }, again: 'frozen', puts } }
}

/** Runs of the holds whose time came in a freeze. */
export async function stayedRuns(store: MemoryStore, workspace: string): Promise<string[]> {
  const held = await itemsWhere(store, workspace, { field: 'outbox', value: 'open' })
  return held.filter(({ frozen }) => frozen === true).map(({ run }) => run)
}
