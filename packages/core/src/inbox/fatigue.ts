/**
 * Fatigue: what the asking costs, and whether anybody still looks: asks an hour, time looked, rubber stamps.
 *
 * Rubber stamp: approved unopened, or sooner than it can be read (2 s, or 15 ms a word). It counts for no suggestion.
 */
import type { Environment } from '../conductor/environment.ts'
import { itemsWhere, type ItemRecord } from '../conductor/item.ts'
import { lookedAt, type Looked } from '../conductor/looked.ts'
import { instantOf } from './hand.ts'
import { likeness } from './batch.ts'

const HOUR_MS = 3_600_000

export interface Fatigue {
  readonly since: string
  readonly asked: number
  /** Like items that came within an hour count once: what a person was interrupted by. */
  readonly interruptions: number
  /** Interruptions an hour, over the hours that had any, and in the worst of them. */
  readonly perHour: { readonly mean: number; readonly most: number; readonly mostAt?: string }
  readonly decided: number
  /** Milliseconds from opened to decided, of those that were opened. */
  readonly lookedMs: { readonly median: number; readonly p90: number }
  readonly unopened: number
  readonly approved: number
  readonly stamps: number
  /** Stamps of all approvals, in [0, 1]; 0 when nothing was approved. */
  readonly stampShare: number
  readonly byAction: readonly {
    readonly action: string
    readonly asked: number
    readonly approved: number
    readonly stamps: number
  }[]
}

/** Measures since an instant (ISO text), or for so long back ('7d'). */
export async function fatigueOf(env: Environment, workspace: string, since: string): Promise<Fatigue> {
  const now = env.clock.now()
  const from = /^\d+(\.\d+)?[smhd]$/.test(since) ? 2 * now - instantOf(since, now) : instantOf(since, now)
  const [open, closed] = await Promise.all(
    ['open', 'closed'].map((value) => itemsWhere(env.store, workspace, { field: 'state', value }, from)),
  )
  const items = [...open!, ...closed!].filter(
    (item) => item.kind !== 'attention' && item.dueAt === undefined && item.shadow !== true,
  )
  const looks = items
    .map((item) => ({ item, looked: lookedAt(item) }))
    .filter((one): one is Look => one.looked !== undefined)
  const approved = looks.filter(({ looked }) => looked.verb === 'approve')
  const stamps = approved.filter(({ looked }) => looked.stamp).length
  return {
    since: new Date(from).toISOString(),
    asked: items.length,
    ...interruptionsIn(items),
    decided: looks.length,
    lookedMs: quantiles(looks.filter(({ looked }) => looked.opened).map(({ looked }) => looked.lookedMs)),
    unopened: looks.filter(({ looked }) => !looked.opened).length,
    approved: approved.length,
    stamps,
    stampShare: approved.length === 0 ? 0 : stamps / approved.length,
    byAction: byAction(items, approved),
  }
}

type Look = { readonly item: ItemRecord; readonly looked: Looked }

function interruptionsIn(items: readonly ItemRecord[]): Pick<Fatigue, 'interruptions' | 'perHour'> {
  const hours = new Map<number, Set<string>>()
  for (const item of items) {
    const hour = Math.floor(item.openedAt / HOUR_MS)
    hours.set(hour, (hours.get(hour) ?? new Set()).add(likeness(item)))
  }
  const counts = [...hours].map(([hour, kinds]) => ({ hour, count: kinds.size }))
  const interruptions = counts.reduce((sum, { count }) => sum + count, 0)
  const worst = counts.reduce<{ hour: number; count: number } | undefined>(
    (most, one) => (most === undefined || one.count > most.count ? one : most),
    undefined,
  )
  const most = worst === undefined ? {} : { mostAt: new Date(worst.hour * HOUR_MS).toISOString() }
  const mean = counts.length === 0 ? 0 : interruptions / counts.length
  return { interruptions, perHour: { mean, most: worst?.count ?? 0, ...most } }
}

function quantiles(values: number[]): Fatigue['lookedMs'] {
  const sorted = values.sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { median: at(0.5), p90: at(0.9) }
}

function byAction(items: readonly ItemRecord[], approved: readonly Look[]): Fatigue['byAction'] {
  const actions = [...new Set(items.flatMap((item) => (item.action === undefined ? [] : [item.action])))].sort()
  return actions.map((action) => {
    const own = approved.filter(({ item }) => item.action === action)
    return {
      action,
      asked: items.filter((item) => item.action === action).length,
      approved: own.length,
      stamps: own.filter(({ looked }) => looked.stamp).length,
    }
  })
}
