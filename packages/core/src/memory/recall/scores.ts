/**
 * Scores: what the terms of a question are worth to the units of one segment, before all factors.
 *
 * K3. Where the best are wanted and no unit has neighbours, those may be left out that cannot be among them, whatever the terms add that
 *     were not gone through. Who is not left out has the same score as if nobody were.
 *
 * Source of what is left out, and when: H. Turtle, J. Flood, "Query Evaluation: Strategies and Optimizations", IPM 31 (1995).
 */
import { lend, NEIGHBOURS, type Doc, type Indexed, type Segment, type Slots, type Thread, type Touch } from './segment.ts'
import { grown } from './grown.ts'
import { leastOfLargest, offer, wantLargest } from './heap.ts'
import type { Posting } from './postings.ts'

/** A term of the question that units of the segment have. */
export interface Wanted {
  readonly term: string
  readonly worth: number
  readonly posting: Posting
}

/** What a question finds in one segment. */
export interface Found<U extends Indexed> extends Slots<U> {
  readonly segment: Segment<U>
  /** In the order of the question. */
  readonly wanted: readonly Wanted[]
  /** Writes down how often a unit has each of them. */
  readonly count: (slot: number, counts: Int32Array) => void
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
  const count = segment.counting(wanted.map(({ posting }) => posting.term))
  const counts = new Int32Array(wanted.length)
  const found: Found<U> = { segment, ...segment.slots(), wanted, count, counts, filled: 0, threads: [] }
  const places = wanted.reduce((sum, { posting }) => sum + posting.to - posting.from, 0) / 2
  if (segment.threads() > 0) for (const one of wanted) addWithContext(found, one, totals)
  else if (places <= FEW || best.limit === 0) for (const one of wanted) add(found, one, totals)
  else addLikely(found, totals, best, segment.highest())
  return found
}

/** What the terms are worth that a unit itself has; how often, stands in `counts` then. */
export function lexicalOf<U extends Indexed>(found: Found<U>, slot: number, totals: Totals): number {
  const { counts, wanted, weights } = found
  const length = weights[slot]! / ONE / totals.length
  found.count(slot, counts)
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
  const { places, from, to } = posting
  let { filled } = found
  for (let at = from; at < to; at += 2) {
    const slot = places[at]!
    const weight = weights[slot]!
    if (weight === 0) continue
    if (scores[slot] === 0) scored[filled++] = slot
    scores[slot]! += worth * saturatedIn(totals, places[at + 1]!, (weight / ONE) | 0)
  }
  found.filled = filled
}

/**
 * K3. Goes through the terms that add most first. Once all that are left could not lift anybody up who has none of those before,
 * only who has one is looked for in them.
 */
function addLikely<U extends Indexed>(found: Found<U>, totals: Totals, best: Best<U>, highest: number): void {
  const bounded = found.wanted.map((one) => ({ ...one, most: one.worth * mostIn(one.posting, totals) }))
  bounded.sort((a, b) => b.most - a.most)
  const reach = best.most * highest * NEARLY
  let [gone, left] = [0, bounded.reduce((sum, { most }) => sum + most, 0)]
  let open = true
  for (const one of bounded) {
    const { from, to } = one.posting
    if (gone > left && found.filled < to - from && left * reach >= best.least)
      raise(best, leastOf(found, best, left * reach))
    if (left * reach >= best.least) add(found, one, totals)
    else {
      if (open) keep(found, best.least, left * NEARLY, best.most * NEARLY)
      open = false
      addKnown(found, one, totals)
    }
    gone += one.most
    left -= one.most
  }
  raise(best, leastOf(found, best, 0))
  keep(found, best.least, 0, best.most * NEARLY)
  found.segment.touch(found.scored, found.filled, best.touch)
  for (let at = 0; at < found.filled; at++) {
    const slot = found.scored[at]!
    found.scores[slot] = lexicalOf(found, slot, totals)
  }
}

function raise<U>(best: Best<U>, least: number): void {
  if (least > best.least) best.least = least
}

/** Adds what one term is worth to those that have a score already. */
function addKnown<U extends Indexed>({ weights, scores }: Found<U>, { worth, posting }: Wanted, totals: Totals): void {
  const { places, from, to } = posting
  for (let at = from; at < to; at += 2) {
    const slot = places[at]!
    if (scores[slot] === 0) continue
    scores[slot]! += worth * saturatedIn(totals, places[at + 1]!, (weights[slot]! / ONE) | 0)
  }
}

/** No unit gets more for one occurrence's worth. */
function mostIn({ most, share }: Posting, { length }: Totals): number {
  return ((K1 + 1) / (1 + K1 * ((1 - B) / most + B / (share * length)))) * NEARLY
}

/** What the best have at least as it is, if that is more than `than`; else 0. */
function leastOf<U extends Indexed>(found: Found<U>, { limit, where, touch }: Best<U>, than: number): number {
  const { scored, scores, factors, bounds, docs, filled, segment } = found
  for (let wanted = limit, missing = 0; wanted <= Math.min(filled, 2 * limit); wanted += missing) {
    wantLargest(wanted)
    for (let at = 0; at < filled; at++) {
      const slot = scored[at]!
      const score = (bounds[at] = scores[slot]! * factors[slot]!)
      if (score > leastOfLargest()) offer(score)
    }
    const least = leastOfLargest()
    if (least / NEARLY <= than) return 0
    let count = 0
    picked = grown(picked, filled)
    for (let at = 0; at < filled; at++) if (bounds[at]! >= least) picked[count++] = scored[at]!
    if (where === undefined) return least / NEARLY
    segment.touch(picked, count, touch)
    missing = limit
    for (let at = 0; at < count; at++) if (where(docs[picked[at]!]!.unit)) missing--
    if (missing <= 0) return least / NEARLY
  }
  return 0
}

let picked = new Int32Array(256)

/** Takes the scores from those that have less than `least` with all factors, whatever is left adds to them. */
function keep<U extends Indexed>(found: Found<U>, least: number, left: number, most: number): void {
  const { scored, scores, factors, filled } = found
  let kept = 0
  for (let at = 0; at < filled; at++) {
    const slot = scored[at]!
    if ((scores[slot]! + left) * most * factors[slot]! >= least) scored[kept++] = slot
    else scores[slot] = 0
  }
  found.filled = kept
}

/** Adds what one term is worth to every unit that has it, itself or around it, and to its thread. */
function addWithContext<U extends Indexed>(found: Found<U>, { worth, posting }: Wanted, totals: Totals): void {
  const { docs, hits, scores, weights } = found
  const { places, from, to } = posting
  const touched: number[] = []
  const threads: Thread<U>[] = []
  const lendTo = (to: Doc<U>, share: number): void => {
    if (hits[to.slot] === 0) touched.push(to.slot)
    hits[to.slot]! += share
  }
  for (let at = from; at < to; at += 2) {
    const slot = places[at]!
    const doc = docs[slot]
    if (doc === undefined) continue
    const count = places[at + 1]!
    if (hits[slot] === 0) touched.push(slot)
    hits[slot]! += ONE * count
    const { thread } = doc
    if (thread === undefined) continue
    if (thread.hits === 0) threads.push(thread)
    thread.hits += count
    lend(doc, (near, share) => lendTo(near, share * count))
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
