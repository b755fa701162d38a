/**
 * Rollup: a day of one playbook in sums, folded from the rows of that day. Sums of sums are sums, so days add up to any span.
 *
 * R1. A pure function of the rows: folded again, it is the same.
 */
import { isYes, TOUCHES, type Outcome, type StepCount, type Touch, type TouchKind } from './row.ts'

export interface Versioned {
  readonly runs: number
  readonly completed: number
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
  readonly completed: number
  readonly failed: number
  readonly declined: number
  readonly cancelled: number
  readonly shadow: number
  readonly steps: number
  readonly attempts: number
  readonly firstTry: number
  readonly exhausted: number
  readonly causes: { readonly [cause: string]: number }
  readonly troubled: { readonly [step: string]: StepCount }
  readonly effects: number
  readonly edited: number
  /** Completed runs that no person touched. */
  readonly touchless: number
  readonly touches: { readonly [K in TouchKind]: number }
  readonly activeMs: number
  /** Spent on runs in shadow: investment. */
  readonly shadowMs: number
  readonly setupMs: number
  /** Active time of each completed run, while there are few. */
  readonly actives: readonly number[]
  readonly baselineMs: number
  /** Runs whose baseline is in `baselineMs`. */
  readonly based: number
  readonly revertedMs: number
  /** Gates that a person let pass, as they stood or edited. */
  readonly approvals: number
  readonly rubber: number
  /** Reverts of what a person had approved. */
  readonly caught: number
  readonly repeats: number
  readonly corrected: { readonly [about: string]: number }
  readonly tokens: { readonly input: number; readonly output: number }
  readonly cost: { readonly [currency: string]: number }
  readonly gates: { readonly [action: string]: Gated }
  readonly versions: { readonly [version: string]: Versioned }
  readonly reads: { readonly [ref: string]: number }
}

const ACTIVES_MAX = 500
const READS_MAX = 200

export function emptyRollup(playbook: string): Rollup {
  return {
    playbook,
    completed: 0,
    failed: 0,
    declined: 0,
    cancelled: 0,
    shadow: 0,
    steps: 0,
    attempts: 0,
    firstTry: 0,
    exhausted: 0,
    causes: {},
    troubled: {},
    effects: 0,
    edited: 0,
    touchless: 0,
    touches: Object.fromEntries(TOUCHES.map((kind) => [kind, 0])) as Rollup['touches'],
    activeMs: 0,
    shadowMs: 0,
    setupMs: 0,
    actives: [],
    baselineMs: 0,
    based: 0,
    revertedMs: 0,
    approvals: 0,
    rubber: 0,
    caught: 0,
    repeats: 0,
    corrected: {},
    tokens: { input: 0, output: 0 },
    cost: {},
    gates: {},
    versions: {},
    reads: {},
  }
}

/** A day's rows by playbook; what belongs to none is under ''. */
export function foldDay(outcomes: readonly Outcome[], touches: readonly Touch[]): Rollup[] {
  const found = new Map<string, Rollup>()
  const into = (playbook: string, add: Rollup): unknown =>
    found.set(playbook, plus(found.get(playbook) ?? emptyRollup(playbook), add))
  for (const row of outcomes) into(row.playbook, ofOutcome(row))
  for (const touch of touches) into(touch.playbook ?? '', ofTouch(touch))
  return [...found.values()].sort((a, b) => byText(a.playbook, b.playbook))
}

/** Two spans of one playbook, or of two, as one. */
export function plus(a: Rollup, b: Rollup): Rollup {
  const sum = <K extends NumberKey>(key: K): number => (a[key] ?? 0) + (b[key] ?? 0)
  return {
    ...(Object.fromEntries(NUMBERS.map((key) => [key, sum(key)])) as Pick<Rollup, NumberKey>),
    playbook: a.playbook,
    causes: merged(a.causes, b.causes, add),
    troubled: merged(a.troubled, b.troubled, addAll),
    touches: merged(a.touches, b.touches, add) as Rollup['touches'],
    actives: [...a.actives, ...b.actives].slice(0, ACTIVES_MAX),
    corrected: merged(a.corrected, b.corrected, add),
    tokens: { input: a.tokens.input + b.tokens.input, output: a.tokens.output + b.tokens.output },
    cost: merged(a.cost, b.cost, add),
    gates: merged(a.gates, b.gates, addAll),
    versions: merged(a.versions, b.versions, addAll),
    reads: capped(merged(a.reads, b.reads, add)),
  }
}

const NUMBERS = [
  'completed',
  'failed',
  'declined',
  'cancelled',
  'shadow',
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
  'baselineMs',
  'based',
  'revertedMs',
  'approvals',
  'rubber',
  'caught',
  'repeats',
] as const
type NumberKey = (typeof NUMBERS)[number]

function ofOutcome(row: Outcome): Rollup {
  const { steps, attempts, firstTry, exhausted, causes, troubled, tokens, cost } = row
  const tried = { ...emptyRollup(row.playbook), steps, attempts, firstTry, exhausted, causes, troubled, tokens, cost }
  if (row.of !== undefined) return tried
  if (row.shadow === true) return { ...tried, shadow: 1 }
  const done = row.status === 'completed'
  const based = done && row.baselineMs !== undefined
  const { effects, edited } = row
  return {
    ...tried,
    [row.status]: 1,
    effects,
    edited,
    touchless: done && row.touches === 0 ? 1 : 0,
    actives: done ? [row.activeMs] : [],
    baselineMs: based ? row.baselineMs : 0,
    based: based ? 1 : 0,
    versions: { [row.version]: { runs: 1, completed: done ? 1 : 0, effects, edited } },
    reads: Object.fromEntries(row.reads.map((ref) => [ref, 1])),
  }
}

function ofTouch(touch: Touch): Rollup {
  const { kind, activeMs } = touch
  const empty = emptyRollup(touch.playbook ?? '')
  if (kind === 'setup') return { ...empty, touches: { ...empty.touches, setup: 1 }, setupMs: activeMs }
  if (touch.shadow === true) return { ...empty, shadowMs: activeMs }
  const gate = kind === 'gate' && touch.action !== undefined
  return {
    ...empty,
    activeMs,
    touches: { ...empty.touches, [kind]: touch.cause === 'changed-mind' ? 0 : 1 },
    approvals: isYes(touch) ? 1 : 0,
    rubber: isYes(touch) && touch.rubber === true ? 1 : 0,
    caught: touch.caught === true && touch.cause !== 'changed-mind' ? 1 : 0,
    revertedMs: touch.baselineMs ?? 0,
    repeats: touch.repeat === true ? 1 : 0,
    corrected: touch.about === undefined ? {} : { [touch.about]: 1 },
    gates: gate ? { [touch.action]: gated(touch) } : {},
  }
}

function gated({ verdict, activeMs }: Touch): Gated {
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
function capped(reads: Record<string, number>): Record<string, number> {
  const all = Object.entries(reads)
  if (all.length <= READS_MAX) return reads
  return Object.fromEntries(all.sort((a, b) => b[1] - a[1] || byText(a[0], b[0])).slice(0, READS_MAX))
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
