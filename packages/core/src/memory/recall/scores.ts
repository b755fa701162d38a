/**
 * Scores: what the terms of a question are worth to the units of one segment, before all factors.
 *
 * K3. Where the best are wanted and no unit has neighbours, those may be left out that cannot be among them, whatever the terms add that
 *     were not gone through. Who is not left out has the same score as if nobody were.
 *
 * Source of what is left out, and when: H. Turtle, J. Flood, "Query Evaluation: Strategies and Optimizations", IPM 31 (1995).
 */
import { lend, NEIGHBOURS, type Doc, type Indexed, type Segment, type Slots, type Thread } from './segment.ts'
import { grown } from './grown.ts'
import { leastOfLargest, offer, wantLargest } from './heap.ts'
import type { Posting, Postings } from './postings.ts'

/** A term of the question that units of the segment have. */
export interface Wanted {
  readonly term: string
  readonly worth: number
  readonly posting: Posting
}

/** What a question finds in one segment. */
export interface Found<U extends Indexed> extends Slots<U> {
  readonly postings: Postings
  /** In the order of the question. */
  readonly wanted: readonly Wanted[]
  /** How often the unit that was looked at last has each of them. */
  readonly counts: Int32Array
  /** How many have a score, one behind the other in `scored`. */
  filled: number
  /** Threads with one. */
  readonly threads: Thread<U>[]
}

/** What is looked for: the best so many of those that may be found. */
export interface Best<U> {
  readonly limit: number
  readonly where?: ((unit: U) => boolean) | undefined
  readonly touch?: Touch<U> | undefined
  /** No factors of the question make more of a score; none makes less of it. */
  readonly most: number
  /** So much each of the best has at least: known from segments before, and to those behind. */
  least: number
}

export interface Totals {
  readonly units: number
  readonly threads: number
  /** Mean length with context, and of threads; in terms. */
  readonly length: number
  readonly threadLength: number
  /** What one occurrence is worth in a unit of so many terms: most terms occur once, in short units. */
  readonly once: Float64Array
}

const K1 = 1
const B = 0.75
const ONE = NEIGHBOURS[0]!
/** Longest unit whose worth is looked up, in terms. */
const LOOKED_UP = 64
/** Sums differ by the order in which they are made: this much is no difference. */
const NEARLY = 1 + 1e-9
/** So few places are sooner gone through than weighed. */
const FEW = 256

export function totalsOf<U extends Indexed>(segments: readonly Segment<U>[]): Totals {
  let [units, threads, own, weighted] = [0, 0, 0, 0]
  for (const segment of segments) {
    const lengths = segment.lengths()
    units += segment.size
    threads += segment.threads()
    own += lengths.own
    weighted += lengths.weighted
  }
  const length = weighted / ONE / Math.max(1, units) || 1
  return { units, threads, length, threadLength: own / Math.max(1, threads) || 1, once: onceIn(length) }
}

/** Kept for the mean lengths that were asked for lately: they change when something is written. */
function onceIn(length: number): Float64Array {
  const known = ONCE.get(length)
  if (known !== undefined) return known
  if (ONCE.size >= ONCE_MAX) ONCE.clear()
  const once = Float64Array.from({ length: LOOKED_UP + 1 }, (_, own) => saturated(1, own / length))
  ONCE.set(length, once)
  return once
}

const ONCE = new Map<number, Float64Array>()
const ONCE_MAX = 100

/** Scores the units of a segment that have the terms, themselves or around them. */
export function scored<U extends Indexed>(
  segment: Segment<U>,
  wanted: readonly Wanted[],
  totals: Totals,
  best: Best<U>,
): Found<U> {
  const { postings } = segment
  postings.ask(wanted.map(({ posting }) => posting.term))
  const counts = new Int32Array(wanted.length)
  const found: Found<U> = { ...segment.slots(), postings, wanted, counts, filled: 0, threads: [] }
  const places = wanted.reduce((sum, { posting }) => sum + posting.length, 0) / 2
  if (segment.threads() > 0) for (const one of wanted) addWithContext(found, one, totals)
  else if (places <= FEW || best.limit === 0) for (const one of wanted) add(found, one, totals)
  else addLikely(found, totals, best)
  return found
}

/** What the terms are worth that a unit itself has; how often, stands in `counts` then. */
export function lexicalOf<U extends Indexed>(found: Found<U>, slot: number, totals: Totals): number {
  const { counts, wanted, weights } = found
  const length = weights[slot]! / ONE / totals.length
  found.postings.count(slot, counts)
  let score = 0
  for (let at = 0; at < counts.length; at++)
    if (counts[at]! > 0) score += wanted[at]!.worth * saturated(counts[at]!, length)
  return score
}

/** Rarer terms are worth more. */
export function worthOf(units: number, having: number): number {
  return Math.log(1 + (units - having + 0.5) / (having + 0.5))
}

function saturated(count: number, length: number): number {
  return (count * (K1 + 1)) / (count + K1 * (1 - B + B * length))
}

/** The same of a unit of so many terms. */
function saturatedIn({ once, length }: Totals, count: number, own: number): number {
  return count === 1 && own <= LOOKED_UP ? once[own]! : saturated(count, own / length)
}

/** Adds what one term is worth to every unit that has it, where no unit has neighbours. */
function add<U extends Indexed>(found: Found<U>, { worth, posting }: Wanted, totals: Totals): void {
  const { weights, scores, scored } = found
  for (const { places, from, to } of posting.stretches)
    for (let at = from; at < to; at += 2) {
      const slot = places[at]!
      const weight = weights[slot]!
      if (weight === 0) continue
      if (scores[slot] === 0) scored[found.filled++] = slot
      scores[slot]! += worth * saturatedIn(totals, places[at + 1]!, (weight / ONE) | 0)
    }
}

/**
 * K3. Goes through the terms that add most first. Once all that are left could not lift anybody up who has none of those before, only
 * those who have one are looked for in them. While it lasts, `hits` says where among the found a unit stands, counted from 1.
 */
function addLikely<U extends Indexed>(found: Found<U>, totals: Totals, best: Best<U>): void {
  const bounded = found.wanted.map((one) => ({ ...one, most: one.worth * mostIn(one.posting, totals) }))
  bounded.sort((a, b) => b.most - a.most)
  const reach = best.most * NEARLY
  let [gone, left] = [0, bounded.reduce((sum, { most }) => sum + most, 0)]
  let open = true
  for (const one of bounded) {
    const rest = left * reach * found.highest
    if (open && gone > left && found.filled < one.posting.length) raise(best, leastOf(found, best, rest))
    if (open && rest < best.least) {
      open = false
      keep(found, best.least, left * NEARLY, reach)
    }
    addTo(found, one, totals, open)
    gone += one.most
    left -= one.most
  }
  raise(best, leastOf(found, best, 0))
  keep(found, best.least, 0, reach)
  const { hits, scored, scores, filled } = found
  lookAhead(found, scored, filled, best.touch)
  for (let at = 0; at < filled; at++) {
    const slot = scored[at]!
    hits[slot] = 0
    scores[slot] = lexicalOf(found, slot, totals)
  }
}

function raise<U>(best: Best<U>, least: number): void {
  if (least > best.least) best.least = least
}

/** Adds what one term is worth to all that have it, or to those of them that are among the found. */
function addTo<U extends Indexed>(found: Found<U>, { worth, posting }: Wanted, totals: Totals, open: boolean): void {
  const { hits, weights, scored, factors, bounds, shares } = found
  let { filled } = found
  for (const { places, from, to } of posting.stretches)
    for (let at = from; at < to; at += 2) {
      const slot = places[at]!
      const hit = hits[slot]!
      if (hit === 0 && !open) continue
      const weight = weights[slot]!
      if (weight === 0) continue
      const more = worth * saturatedIn(totals, places[at + 1]!, (weight / ONE) | 0)
      if (hit > 0) bounds[hit - 1]! += more
      else {
        bounds[filled] = more
        shares[filled] = factors[slot]!
        scored[filled] = slot
        hits[slot] = ++filled
      }
    }
  found.filled = filled
}

/** No unit gets more for one occurrence's worth. */
function mostIn({ most, share }: Posting, { length }: Totals): number {
  return ((K1 + 1) / (1 + K1 * ((1 - B) / most + B / (share * length)))) * NEARLY
}

/** What the best have at least as it is, if that is more than `than`; else 0. */
function leastOf<U extends Indexed>(found: Found<U>, { limit, where, touch }: Best<U>, than: number): number {
  const { scored, bounds, shares, docs, filled } = found
  for (let wanted = limit; wanted <= Math.min(filled, 2 * limit);) {
    wantLargest(wanted)
    for (let at = 0; at < filled; at++) {
      const score = bounds[at]! * shares[at]!
      if (score > leastOfLargest()) offer(score)
    }
    const least = leastOfLargest()
    if (least / NEARLY <= than) return 0
    if (where === undefined) return least / NEARLY
    picked = grown(picked, filled)
    let count = 0
    for (let at = 0; at < filled; at++) if (bounds[at]! * shares[at]! >= least) picked[count++] = scored[at]!
    lookAhead(found, picked, count, touch)
    let missing = limit
    for (let at = 0; at < count; at++) if (where(docs[picked[at]!]!.unit)) missing--
    if (missing <= 0) return least / NEARLY
    wanted += missing
  }
  return 0
}

let picked = new Int32Array(256)

/** Looks at what else is looked at of the units in these slots; what it answers is nothing. */
export type Touch<U> = (docs: readonly (Doc<U> | undefined)[], slots: Int32Array, filled: number) => number

/**
 * Looks at all that is looked at next of the units in these slots: level by level, so that memory is waited for once a level and not
 * once a unit, which is most of the time of a question to many units.
 */
function lookAhead<U extends Indexed>(
  { docs, postings }: Found<U>,
  slots: Int32Array,
  filled: number,
  touch: Touch<U> | undefined,
): number {
  let sum = postings.touch(slots, filled)
  for (let at = 0; at < filled; at++) sum += docs[slots[at]!]!.length
  return touch === undefined ? sum : sum + touch(docs, slots, filled)
}

/** Lets those go that have less than `least` with all factors, whatever is left adds to them. */
function keep<U extends Indexed>(found: Found<U>, least: number, left: number, most: number): void {
  const { hits, scored, bounds, shares, filled } = found
  let kept = 0
  for (let at = 0; at < filled; at++) {
    const slot = scored[at]!
    if ((bounds[at]! + left) * most * shares[at]! < least) {
      hits[slot] = 0
      continue
    }
    scored[kept] = slot
    bounds[kept] = bounds[at]!
    shares[kept] = shares[at]!
    hits[slot] = ++kept
  }
  found.filled = kept
}

/** Adds what one term is worth to every unit that has it, itself or around it, and to its thread. */
function addWithContext<U extends Indexed>(found: Found<U>, { worth, posting }: Wanted, totals: Totals): void {
  const { docs, hits, scores, weights } = found
  const touched: number[] = []
  const threads: Thread<U>[] = []
  const lendTo = (slot: number, share: number): void => {
    if (hits[slot] === 0) touched.push(slot)
    hits[slot]! += share
  }
  for (const { places, from, to } of posting.stretches)
    for (let at = from; at < to; at += 2) {
      const doc = docs[places[at]!]
      if (doc === undefined) continue
      const count = places[at + 1]!
      lendTo(doc.slot, ONE * count)
      const { thread } = doc
      if (thread === undefined) continue
      if (thread.hits === 0) threads.push(thread)
      thread.hits += count
      lend(doc, (near, share) => lendTo(near.slot, share * count))
    }
  for (const slot of touched) {
    if (scores[slot] === 0) found.scored[found.filled++] = slot
    scores[slot]! += worth * saturated(hits[slot]! / ONE, weights[slot]! / ONE / totals.length)
    hits[slot] = 0
  }
  for (const thread of threads) {
    if (thread.score === 0) found.threads.push(thread)
    thread.score += worth * saturated(thread.hits, thread.length / totals.threadLength)
    thread.hits = 0
  }
}
