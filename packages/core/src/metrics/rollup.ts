/**
 * Rollup: a day of one playbook, and of runs that are sorted alike, in sums, folded from the rows of that day. Sums of sums are sums, so days add up to any span.
 *
 * R1. A pure function of the rows: folded again, it is the same.
 */
import { canonical } from '../base/json.ts'
import type { Terms } from '../base/taxonomy.ts'
import type { Json } from '../base/value.ts'
import type { Put } from '../journal/put.ts'
import type { RecordRow } from '../journal/store.ts'
import { around } from '../playbook/baseline.ts'
import { isYes, TOUCHES, UNTIMED_MS, type Outcome, type Touch, type TouchKind } from './row.ts'
import { timesOf, together, type Times } from './times.ts'
import { plusTried, type StepCount, type Tried } from './tries.ts'

/** Runs that had something in common, what they asked for, and how much of that a person changed. */
export interface Shared {
  readonly runs: number
  readonly effects: number
  readonly edited: number
}

export interface Gated {
  readonly asked: number
  /** Approved as they stood. */
  readonly unchanged: number
  readonly edited: number
  readonly rejected: number
  readonly activeMs: number
}

export interface Rollup {
  readonly playbook: string
  /** By which its runs are sorted. */
  readonly terms?: Terms
  readonly completed: number
  readonly failed: number
  readonly declined: number
  readonly cancelled: number
  readonly shadow: number
  /** Completed runs of which some was simulated: they have no baseline. */
  readonly simulated: number
  readonly steps: number
  readonly attempts: number
  readonly firstTry: number
  readonly exhausted: number
  readonly causes: { readonly [cause: string]: number }
  readonly missed: { readonly [cause: string]: number }
  readonly troubled: { readonly [step: string]: StepCount }
  readonly connectors: { readonly [connector: string]: Tried }
  readonly effects: number
  readonly edited: number
  /** Completed runs that no person touched. */
  readonly touchless: number
  readonly touches: { readonly [K in TouchKind]: number }
  readonly activeMs: number
  /** Spent on runs in shadow: investment. */
  readonly shadowMs: number
  readonly setupMs: number
  /** Active times of the completed runs. */
  readonly times: Times
  /** Completed runs whose baseline is in `lowMs` and `highMs`; of those, how many have a measured one. */
  readonly based: number
  readonly measured: number
  readonly lowMs: number
  readonly highMs: number
  /** Completed runs that were taken back, and their baselines. */
  readonly lost: number
  readonly lostLowMs: number
  readonly lostHighMs: number
  /** Gates that a person let pass, as they stood or edited. */
  readonly approvals: number
  readonly rubber: number
  /** Effects that those gates let pass: one each, of a plan its lines. */
  readonly passed: number
  /** Of those, what was taken back later. */
  readonly caught: number
  readonly repeats: number
  readonly corrected: { readonly [about: string]: number }
  readonly tokens: { readonly input: number; readonly output: number }
  readonly cost: { readonly [currency: string]: number }
  readonly gates: { readonly [action: string]: Gated }
  readonly versions: { readonly [version: string]: Shared }
  /** By agent that they asked, and by record that they read. */
  readonly agents: { readonly [agent: string]: Shared }
  readonly reads: { readonly [ref: string]: Shared }
}

const READS_MAX = 200

export function emptyRollup(playbook: string): Rollup {
  return {
    playbook,
    completed: 0,
    failed: 0,
    declined: 0,
    cancelled: 0,
    shadow: 0,
    simulated: 0,
    steps: 0,
    attempts: 0,
    firstTry: 0,
    exhausted: 0,
    causes: {},
    missed: {},
    troubled: {},
    connectors: {},
    effects: 0,
    edited: 0,
    touchless: 0,
    touches: Object.fromEntries(TOUCHES.map((kind) => [kind, 0])) as Rollup['touches'],
    activeMs: 0,
    shadowMs: 0,
    setupMs: 0,
    times: {},
    based: 0,
    measured: 0,
    lowMs: 0,
    highMs: 0,
    lost: 0,
    lostLowMs: 0,
    lostHighMs: 0,
    approvals: 0,
    rubber: 0,
    passed: 0,
    caught: 0,
    repeats: 0,
    corrected: {},
    tokens: { input: 0, output: 0 },
    cost: {},
    gates: {},
    versions: {},
    agents: {},
    reads: {},
  }
}

/** A day of one playbook, of runs that are sorted alike. */
export interface Day {
  readonly day: string
  readonly rollup: Rollup
}

/** A day's rows by playbook and terms; what belongs to no playbook is under ''. */
export function foldDay(outcomes: readonly Outcome[], touches: readonly Touch[]): Rollup[] {
  const found = new Map<string, Rollup[]>()
  const into = (playbook: string, terms: Terms | undefined, add: Rollup): unknown => {
    const key = canonical([playbook, terms ?? {}])
    const none = { ...emptyRollup(playbook), ...(terms === undefined ? {} : { terms }) }
    const all = found.get(key)
    return all === undefined ? found.set(key, [none, add]) : all.push(add)
  }
  for (const row of outcomes) into(row.playbook.startsWith('keelson.') ? '' : row.playbook, row.terms, ofOutcome(row))
  for (const touch of touches) into(touch.playbook ?? '', touch.terms, ofTouch(touch))
  return [...found]
    .map(([key, all]) => [key, total(all)] as const)
    .sort((a, b) => byText(a[1].playbook, b[1].playbook) || byText(a[0], b[0]))
    .map(([, sum]) => sum)
}

/** All of at least one as one, named and sorted like the first: what `plus` makes of them, and each time is copied once. */
export function total(all: readonly Rollup[]): Rollup {
  const times = together(all.map((one) => one.times))
  return { ...halved(all.map((one) => ({ ...one, times: {} }))), times }
}

/** By halves: what has grown large is copied a few times, not once for each. */
function halved(all: readonly Rollup[]): Rollup {
  const half = all.length >> 1
  return half === 0 ? all[0]! : plus(halved(all.slice(0, half)), halved(all.slice(half)))
}

/** Under each key that a sum has, all that have it, as one of that name; in the order in which the keys came. */
export function grouped<T extends { readonly rollup: Rollup }>(
  all: readonly T[],
  keysOf: (one: T) => readonly string[],
): Map<string, Rollup> {
  const found = new Map<string, Rollup[]>()
  for (const one of all)
    for (const key of keysOf(one)) {
      const own = found.get(key)
      if (own === undefined) found.set(key, [emptyRollup(key), one.rollup])
      else own.push(one.rollup)
    }
  return new Map([...found].map(([key, own]) => [key, total(own)]))
}

/** Two spans of one playbook, or of two, as one; named and sorted like the first. */
export function plus(a: Rollup, b: Rollup): Rollup {
  const sum = (key: NumberKey): number => a[key] + b[key]
  return {
    ...(Object.fromEntries(NUMBERS.map((key) => [key, sum(key)])) as Pick<Rollup, NumberKey>),
    playbook: a.playbook,
    ...(a.terms === undefined ? {} : { terms: a.terms }),
    causes: merged(a.causes, b.causes, add),
    missed: merged(a.missed, b.missed, add),
    troubled: merged(a.troubled, b.troubled, addAll),
    connectors: merged(a.connectors, b.connectors, plusTried),
    touches: merged(a.touches, b.touches, add) as Rollup['touches'],
    times: together([a.times, b.times]),
    corrected: merged(a.corrected, b.corrected, add),
    tokens: { input: a.tokens.input + b.tokens.input, output: a.tokens.output + b.tokens.output },
    cost: merged(a.cost, b.cost, add),
    gates: merged(a.gates, b.gates, addAll),
    versions: merged(a.versions, b.versions, addAll),
    agents: merged(a.agents, b.agents, addAll),
    reads: capped(merged(a.reads, b.reads, addAll)),
  }
}

const NUMBERS = [
  'completed',
  'failed',
  'declined',
  'cancelled',
  'shadow',
  'simulated',
  'steps',
  'attempts',
  'firstTry',
  'exhausted',
  'effects',
  'edited',
  'touchless',
  'activeMs',
  'shadowMs',
  'setupMs',
  'based',
  'measured',
  'lowMs',
  'highMs',
  'lost',
  'lostLowMs',
  'lostHighMs',
  'approvals',
  'rubber',
  'passed',
  'caught',
  'repeats',
] as const
type NumberKey = (typeof NUMBERS)[number]

function ofOutcome(row: Outcome): Rollup {
  const { steps, attempts, firstTry, exhausted, causes, missed = {}, troubled, connectors = {}, tokens, cost } = row
  const empty = emptyRollup(row.playbook)
  const [taken, ms] = [row.takeovers ?? 0, (row.takeovers ?? 0) * UNTIMED_MS]
  const shadow = row.shadow === true
  const tried = {
    ...{ ...empty, steps, attempts, firstTry, exhausted, causes, missed, troubled, connectors, tokens, cost },
    ...(shadow ? { shadowMs: ms } : { activeMs: ms, touches: { ...empty.touches, takeover: taken } }),
  }
  if (row.of !== undefined) return tried
  if (shadow) return { ...tried, shadow: 1 }
  const { effects, edited, agents = [] } = row
  const one: Shared = { runs: 1, effects, edited }
  const each = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, one]))
  const sums = {
    ...tried,
    effects,
    edited,
    versions: { [row.version]: one },
    agents: each(agents),
    reads: each(row.reads),
  }
  if (row.status !== 'completed') return { ...sums, [row.status]: 1 }
  const baseline = baselineOf(row)
  return {
    ...sums,
    completed: 1,
    simulated: row.simulated === true ? 1 : 0,
    touchless: row.touches === 0 ? 1 : 0,
    times: timesOf([row.activeMs]),
    ...(baseline === undefined ? {} : { based: 1, ...baseline }),
  }
}

function ofTouch(touch: Touch): Rollup {
  const { kind, activeMs } = touch
  const empty = emptyRollup(touch.playbook ?? '')
  const counted = { ...empty.touches, [kind]: touch.cause === 'changed-mind' ? 0 : 1 }
  if (kind === 'by-hand') return { ...empty, touches: counted }
  if (kind === 'setup') return { ...empty, touches: counted, setupMs: activeMs }
  if (touch.shadow === true) return { ...empty, shadowMs: activeMs }
  const yes = isYes(touch)
  const lines = touch.lines ?? []
  const lost = touch.lost === true || baselineOf(touch) !== undefined
  const { lowMs = 0, highMs = 0 } = baselineOf(touch) ?? {}
  return {
    ...empty,
    activeMs,
    touches: counted,
    approvals: yes ? 1 : 0,
    rubber: yes && touch.rubber === true ? 1 : 0,
    passed: !yes ? 0 : touch.lines === undefined ? 1 : lines.filter((line) => line.verdict !== 'reject').length,
    caught: touch.cause === 'changed-mind' ? 0 : caughtBy(touch),
    ...(lost ? { lost: 1, lostLowMs: lowMs, lostHighMs: highMs } : {}),
    repeats: touch.repeat === true ? 1 : 0,
    corrected: touch.about === undefined ? {} : { [touch.about]: 1 },
    gates: gatesOf(touch),
  }
}

/** What was decided of each action; a plan was looked at as a whole. */
function gatesOf({ kind, action, verdict, activeMs, lines = [] }: Touch): Rollup['gates'] {
  if (kind !== 'gate') return {}
  if (action !== undefined) return { [action]: gated(verdict, activeMs) }
  const each = Math.round(activeMs / Math.max(1, lines.length))
  return lines.reduce((all, line) => merged(all, { [line.action]: gated(line.verdict, each) }, addAll), {})
}

/** Reverts that were counted before did not say which. */
function caughtBy({ caught = [] }: { caught?: true | readonly string[] }): number {
  return caught === true ? 1 : caught.length
}

/** One record holds a day: all its playbooks; or that a run has left the day, so that its sums are to be made anew. */
export function rollupPut(day: string, rollups: readonly Rollup[] | 'stale', version: number): Put {
  return { kind: 'rollup', id: day, version, data: rollups as unknown as Json }
}

/** Undefined where they are to be made anew. */
export function rollupsIn({ data }: Pick<RecordRow, 'data'>): Rollup[] | undefined {
  const kept = JSON.parse(data) as Rollup[] | 'stale'
  return kept === 'stale' || kept.some(isCutShort) ? undefined : kept.map(upgraded)
}

/** Sums that were made when the times of runs were a list, and not of all. */
function isCutShort({ completed, actives }: Rollup & { readonly actives?: readonly number[] }): boolean {
  return actives !== undefined && actives.length < completed
}

/** A day that was summed up before something was counted, as of today. */
export function upgraded(sum: Rollup): Rollup {
  const { baselineMs, revertedMs, actives, ...kept } = sum as Partial<Rollup> & Outdated
  const { lowMs: lostLowMs, highMs: lostHighMs } = around(revertedMs ?? 0)
  const before = baselineMs === undefined ? {} : { ...around(baselineMs), lostLowMs, lostHighMs }
  const reads = Object.entries(sum.reads as { [ref: string]: Shared | number }).map(
    ([ref, one]) => [ref, typeof one === 'number' ? { runs: one, effects: 0, edited: 0 } : one] as const,
  )
  const empty = emptyRollup(sum.playbook)
  const touches = { ...empty.touches, ...sum.touches }
  const times = actives === undefined ? {} : { times: timesOf(actives) }
  return { ...empty, passed: sum.approvals, ...kept, ...before, ...times, touches, reads: Object.fromEntries(reads) }
}

/** What sums of before had in place of something else. */
interface Outdated {
  readonly baselineMs?: number
  readonly revertedMs?: number
  readonly actives?: readonly number[]
}

function baselineOf({ baseline, baselineMs }: Pick<Outcome, 'baseline'> & { baselineMs?: number }) {
  return baseline ?? (baselineMs === undefined ? undefined : around(baselineMs))
}

function gated(verdict: string | undefined, activeMs: number): Gated {
  return {
    asked: 1,
    unchanged: verdict === 'approve' ? 1 : 0,
    edited: verdict === 'edit' ? 1 : 0,
    rejected: verdict === 'reject' || verdict === 'respond' ? 1 : 0,
    activeMs,
  }
}

function merged<T>(
  a: { readonly [key: string]: T },
  b: { readonly [key: string]: T },
  join: (a: T, b: T) => T,
): Record<string, T> {
  const all: Record<string, T> = { ...a }
  for (const [key, value] of Object.entries(b)) all[key] = Object.hasOwn(a, key) ? join(a[key]!, value) : value
  return all
}

function add(a: number, b: number): number {
  return a + b
}

/** Two records of numbers with the same fields. */
function addAll<T extends { readonly [field in keyof T]: number }>(a: T, b: T): T {
  return Object.fromEntries(
    Object.keys(a).map((field) => [field, a[field as keyof T] + b[field as keyof T]]),
  ) as unknown as T
}

/** The most read. */
function capped(reads: Record<string, Shared>): Record<string, Shared> {
  const all = Object.entries(reads)
  if (all.length <= READS_MAX) return reads
  return Object.fromEntries(all.sort((a, b) => b[1].runs - a[1].runs || byText(a[0], b[0])).slice(0, READS_MAX))
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
