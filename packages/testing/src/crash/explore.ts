/**
 * exploreCrashes: a test, run again for every point at which its conductor could die or its store could fail.
 *
 * Without a crash first; then with one at each point; at depth 2 also with a second one at each point that follows, those
 * included that recovery itself made. However it was cut, the test must end as it does uncut.
 */
import type { Playbook } from '@keelson/core'
import { assertKnown, assertOneOf, namesOf, seeded } from '@keelson/core/ports'
import type { Harness, HarnessOptions } from '../harness/harness.ts'
import { memoryStore } from '../memory-store.ts'
import { differences, type Observed } from './observe.ts'
import { table, type Schedule } from './points.ts'
import { discover } from './discover.ts'
import { runSchedule, type CrashStore, type Outcome, type Test } from './schedule.ts'

export interface ExploreOptions {
  /** Crashes of one schedule. Default 1. */
  readonly depth?: 1 | 2
  /** What each schedule begins with; actions that its playbooks name in `uses` are faked. Default: those that the test starts; not those that they call. */
  readonly harness?: () => HarnessOptions
  /** Default: the in-memory store. */
  readonly stores?: readonly CrashStore[]
  /** At most so many schedules per store: a share of all, drawn by `seed`. */
  readonly limit?: number
  readonly seed?: string | number
  /** Share `number` (from 1) `of` so many: together they are all. For a long exploration, spread or taken up again. */
  readonly slice?: { readonly number: number; readonly of: number }
  /** Exactly this schedule, as a failure printed it: '17,3'. */
  readonly only?: string
  /** Must hold after each schedule; throws where it does not. */
  readonly invariant?: (t: Harness) => Promise<void> | void
  /** Schedules at once. Default 16. */
  readonly atOnce?: number
  readonly progress?: (done: number, all: number) => void
}

export interface Explored {
  readonly schedules: number
  /** Points of the test without a crash. */
  readonly points: number
  /** How often each kind of thing was done. */
  readonly sometimes: Readonly<Record<string, number>>
}

const MEMORY: CrashStore = { name: 'memory', open: async () => memoryStore() }

/** Throws, with a line that reproduces it, at the first schedule that ends otherwise than the test does uncut. */
export async function exploreCrashes(
  test: (t: Harness) => Promise<unknown>,
  options: ExploreOptions = {},
): Promise<Explored> {
  assertExplore(options)
  const playbooks: Playbook<any, any>[] = []
  const harness = options.harness ?? (() => ({ playbooks }))
  if (options.harness === undefined) playbooks.push(...(await discover(test)))
  const whole: Test = { run: test, harness, invariant: options.invariant }
  const explored = { schedules: 0, points: 0, sometimes: {} as Record<string, number> }
  for (const store of options.stores ?? [MEMORY]) {
    const found = await exploreOn(whole, store, options)
    explored.schedules += found.schedules
    explored.points += found.points
    for (const [what, times] of Object.entries(found.sometimes))
      explored.sometimes[what] = (explored.sometimes[what] ?? 0) + times
  }
  return explored
}

const OPTIONS = namesOf<ExploreOptions>({
  ...{ depth: true, harness: true, stores: true, limit: true, seed: true, slice: true, only: true, invariant: true },
  ...{ atOnce: true, progress: true },
})

function assertExplore(options: ExploreOptions): void {
  assertKnown('exploreCrashes', options, OPTIONS, 'INPUT_INVALID')
  assertOneOf('depth of exploreCrashes', options.depth, [1, 2], 'INPUT_INVALID')
}

async function exploreOn(test: Test, store: CrashStore, options: ExploreOptions): Promise<Explored> {
  const uncut = await runSchedule(test, store, [], undefined)
  assertUncut(uncut, store)
  const sometimes: Record<string, number> = {}
  const sets: Labelled = new Map([['', uncut.points.labels]])
  let done = 0
  const one = async (schedule: Schedule, all: number): Promise<void> => {
    const outcome = await runSchedule(test, store, schedule, uncut.observed)
    check(outcome, uncut.observed, schedule, store, sets)
    if (schedule.length === 1) sets.set(String(schedule), outcome.points.labels)
    for (const { label } of outcome.points.fired) count(sometimes, kindOf(label))
    const second = outcome.points.fired[1]
    if (second !== undefined && !uncut.points.labels.includes(second.label)) count(sometimes, 'crash of a recovery')
    done++
    options.progress?.(done, all)
  }
  const points = uncut.points.labels.length
  if (options.only !== undefined) {
    const schedule = options.only.split(',').map(Number)
    if (schedule.length > 1)
      sets.set(String(schedule[0]), (await runSchedule(test, store, [schedule[0]!], uncut.observed)).points.labels)
    await one(schedule, 1)
    return { schedules: 1, points, sometimes }
  }
  const random = seeded(String(options.seed ?? '1'))
  const { depth = 1, limit = Infinity, atOnce = 16 } = options
  const { number, of } = options.slice ?? { number: 1, of: 1 }
  const sliced = range(points).filter((point) => point % of === number % of)
  const firsts = share(sliced, depth === 1 ? limit : Math.ceil(limit / 2), random)
  await pool(firsts, atOnce, (first) => one([first], firsts.length))
  if (depth === 1) return { schedules: done, points, sometimes }
  const pairs = firsts.flatMap((first) => {
    const following = sets.get(String(first))!.length - first
    return range(following).map((second): Schedule => [first, second])
  })
  const seconds = share(pairs, limit - firsts.length, random)
  await pool(seconds, atOnce, (schedule) => one(schedule, firsts.length + seconds.length))
  return { schedules: done, points, sometimes }
}

/** The labels of the points of each schedule that was run, by the schedule. */
type Labelled = Map<string, readonly string[]>

function assertUncut({ observed, broken }: Outcome, store: CrashStore): void {
  if (observed.result.startsWith('threw'))
    throw new Error(`without any crash, on ${store.name}, the test ${observed.result}`)
  if (observed.faults.length > 0) throw new Error(`without any crash, on ${store.name}: ${observed.faults.join('; ')}`)
  if (broken !== undefined) throw broken instanceof Error ? broken : new Error(JSON.stringify(broken))
}

function check(outcome: Outcome, without: Observed, schedule: Schedule, store: CrashStore, sets: Labelled): void {
  const { points, observed, broken, entries } = outcome
  const before = sets.get(String(schedule.slice(0, -1)))
  const at = schedule.reduce((sum, number) => sum + number, 0) - 1
  const expected = before?.[at]
  const found = differences(without, observed)
  // After a failed store, when it is probed again is a matter of real time: the same number may then be another point.
  const timed = schedule.length > 1 && points.fired[0]?.label.startsWith('fail') === true
  if (!timed && !points.done) found.unshift(`only ${points.labels.length} points were reached`)
  else if (!timed && points.fired.at(-1)!.label !== expected)
    found.unshift(
      `it is not deterministic: point ${schedule.join()} was "${expected}" and is "${points.fired.at(-1)!.label}"`,
    )
  if (broken !== undefined)
    found.push(`the invariant: ${broken instanceof Error ? broken.message : JSON.stringify(broken)}`)
  if (found.length === 0) return
  const done = points.fired.map(({ label, number }) => `${number} = ${label}`)
  throw new Error(
    [
      `exploreCrashes on ${store.name}: a schedule ends otherwise than the test without a crash`,
      `reproduce with exploreCrashes(…, { only: '${schedule.join()}' })`,
      ...done.map((line) => `  point ${line}`),
      ...found.map((line) => `  - ${line}`),
      table(entries, points.fired),
    ].join('\n'),
  )
}

function kindOf(label: string): string {
  return label.replace(/ (write|commit|claim)\b.*/, ' $1').replace(/ of .*/, '')
}

function count(counts: Record<string, number>, what: string): void {
  counts[what] = (counts[what] ?? 0) + 1
}

function range(last: number): number[] {
  return Array.from({ length: last }, (_, i) => i + 1)
}

/** At most `limit` of `all`, drawn at random, in their order. */
function share<T>(all: readonly T[], limit: number, random: () => number): readonly T[] {
  if (all.length <= limit) return all
  const drawn = all.map((one, at) => ({ one, at, order: random() })).sort((a, b) => a.order - b.order)
  return drawn
    .slice(0, Math.max(0, limit))
    .sort((a, b) => a.at - b.at)
    .map(({ one }) => one)
}

/** Does `work` for all, so many at once; stops at the first that throws. */
async function pool<T>(all: readonly T[], atOnce: number, work: (one: T) => Promise<void>): Promise<void> {
  let next = 0
  let failed = false
  const lane = async (): Promise<void> => {
    while (next < all.length && !failed) {
      try {
        await work(all[next++]!)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: Math.min(atOnce, all.length) }, lane))
  for (const one of ended) if (one.status === 'rejected') throw one.reason
}
