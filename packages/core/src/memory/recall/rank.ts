/**
 * Rank: which units of some segments answer a question best, and why.
 *
 * BM25 over a unit's own words and, weighted less, those of its neighbours in the thread; a share of the score of its
 * thread; times factors that are shown: who said it, when, how long it is, whose word it is.
 *
 * K1. A score depends on the units of the segments that were asked, the question and the options: on nothing else, not on
 *     other scopes, the clock, or the order of writing. The same question finds the same, bit for bit.
 * K2. Units with equal scores stand newest first, then by id.
 * K4. Who asks for nothing but names, or for what stands nowhere, is answered with what those who are named said and what is about them,
 *     behind all that has a score.
 *
 * Sources: S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009). The weights were
 * measured on dialogue, see bench/README.md, and are kept where longer texts do not lose by them.
 */
import { factorsOf, mostOf, ofNamed, partsOf, productOf, type Called, type Factors, type Parts } from './factors.ts'
import { questionOf, type Question } from './question.ts'
import {
  countIn,
  lend,
  NEIGHBOURS,
  type Doc,
  type Indexed,
  type Posting,
  type Segment,
  type Thread,
} from './segment.ts'

export interface Ranked<U> {
  readonly unit: U
  readonly score: number
  readonly parts: Parts
}

export interface RankOptions<U> {
  readonly limit: number
  /** Units that may be found. Default all. */
  readonly where?: (unit: U) => boolean
  /** What entities are called, beside what the units say. */
  readonly called?: Called
}

const K1 = 1
const B = 0.75
const ONE = NEIGHBOURS[0]!
const THREAD_SHARE = 0.25

export function rank<U extends Indexed>(
  segments: readonly Segment<U>[],
  text: string,
  options: RankOptions<U>,
): Ranked<U>[] {
  const { called } = options
  const question = questionOf(
    text,
    (name) => called?.knows(name) === true || segments.some((segment) => segment.knows(name)),
  )
  const totals = totalsOf(segments)
  const found = segments.map((segment): Found<U> => ({
    segment,
    ...segment.slots(),
    count: 0,
    postings: [],
    threads: [],
  }))
  const worths = new Map<string, number>()
  for (const term of question.terms) addTerm(found, term, totals, worths)
  const best = top(found, question, options)
  const reasons = reasonsFor<U>(totals, worths)
  const ranked = best.map((one) => ({ unit: one.doc.unit, score: one.score, parts: reasons(one) }))
  if (question.namesOnly || worths.size === 0) ranked.push(...besides(segments, question, options, ranked))
  for (const { scores, scored, count, threads } of found) {
    for (let at = 0; at < count; at++) scores[scored[at]!] = 0
    for (const thread of threads) thread.score = 0
  }
  return ranked
}

/** What a question finds in one segment. */
interface Found<U extends Indexed> extends ReturnType<Segment<U>['slots']> {
  readonly segment: Segment<U>
  /** How many have a score. */
  count: number
  /** Of the terms that are worth something, in their order. */
  readonly postings: (Posting | undefined)[]
  /** Threads with one. */
  readonly threads: Thread<U>[]
}

interface Best<U extends Indexed> {
  readonly doc: Doc<U>
  readonly score: number
  readonly factors: Factors
  readonly found: Found<U>
}

interface Totals {
  readonly units: number
  readonly threads: number
  /** Mean length with context, and of threads; in terms. */
  readonly length: number
  readonly threadLength: number
  /** What one occurrence is worth in a unit of so many terms: most terms occur once, in short units. */
  readonly once: Float64Array
}

/** Longest unit whose worth is looked up, in terms. */
const LOOKED_UP = 64

function totalsOf<U extends Indexed>(segments: readonly Segment<U>[]): Totals {
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

/** Kept for the last mean length that was asked for: it changes when something is written. */
function onceIn(length: number): Float64Array {
  if (length !== last.length) {
    const once = Float64Array.from({ length: LOOKED_UP + 1 }, (_, own) => saturated(1, own / length))
    last = { length, once }
  }
  return last.once
}

let last = { length: NaN, once: new Float64Array() }

/** Adds what one term is worth to every unit that has it, itself or around it. */
function addTerm<U extends Indexed>(
  all: readonly Found<U>[],
  term: string,
  totals: Totals,
  worths: Map<string, number>,
): void {
  const postings = all.map(({ segment }) => segment.posting(term))
  const having = postings.reduce((sum, posting) => sum + (posting?.alive ?? 0), 0)
  if (having === 0) return
  const worth = worthOf(totals.units, having)
  worths.set(term, worth)
  postings.forEach((posting, at) => {
    all[at]!.postings.push(posting)
    if (posting === undefined) return
    if (all[at]!.segment.threads() === 0) addAlone(all[at]!, posting, worth, totals)
    else addPosting(all[at]!, posting, worth, totals)
  })
}

/** The same as `addPosting` where no unit has neighbours. */
function addAlone<U extends Indexed>(found: Found<U>, posting: Posting, worth: number, totals: Totals): void {
  const { weights, scores, scored } = found
  const { places } = posting
  const { once } = totals
  let { count: filled } = found
  for (let at = 0; at < places.length; at += 2) {
    const slot = places[at]!
    const weight = weights[slot]!
    if (weight === 0) continue
    if (scores[slot] === 0) scored[filled++] = slot
    const count = places[at + 1]!
    const length = (weight / ONE) | 0
    const known = count === 1 && length <= LOOKED_UP
    scores[slot]! += worth * (known ? once[length]! : saturated(count, length / totals.length))
  }
  found.count = filled
}

function addPosting<U extends Indexed>(found: Found<U>, posting: Posting, worth: number, totals: Totals): void {
  const { docs, hits, scores, weights } = found
  const { places } = posting
  const touched: number[] = []
  const threads: Thread<U>[] = []
  for (let at = 0; at < places.length; at += 2) {
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
    lend(doc, (to, share) => {
      if (hits[to.slot] === 0) touched.push(to.slot)
      hits[to.slot]! += share * count
    })
  }
  for (const slot of touched) {
    if (scores[slot] === 0) found.scored[found.count++] = slot
    scores[slot]! += worth * saturated(hits[slot]! / ONE, weights[slot]! / ONE / totals.length)
    hits[slot] = 0
  }
  for (const thread of threads) {
    if (thread.score === 0) found.threads.push(thread)
    thread.score += worth * saturated(thread.hits, thread.length / totals.threadLength)
    thread.hits = 0
  }
}

/** Rarer terms are worth more. */
function worthOf(units: number, having: number): number {
  return Math.log(1 + (units - having + 0.5) / (having + 0.5))
}

function saturated(count: number, length: number): number {
  return (count * (K1 + 1)) / (count + K1 * (1 - B + B * length))
}

/** K3. A bound is never below the score: what is passed over by its bound would not have been found. */
function top<U extends Indexed>(
  all: readonly Found<U>[],
  question: Question,
  { limit, where, called }: RankOptions<U>,
): Best<U>[] {
  const best: Best<U>[] = []
  if (limit === 0) return best
  let least = 0
  const likely = boundAll(all, mostOf(question, called), limit)
  const look = (found: Found<U>, slot: number): void => {
    const doc = found.docs[slot]!
    if (where !== undefined && !where(doc.unit)) return
    const factors = factorsOf(doc, question, called)
    const one = { doc, score: scoreOf(found, slot) * productOf(factors, doc.unit.authority ?? 1), factors, found }
    if (best.length >= limit && !isBefore(one, best.at(-1)!)) return
    let at = best.length
    while (at > 0 && isBefore(one, best[at - 1]!)) at--
    best.splice(at, 0, one)
    if (best.length > limit) best.pop()
    if (best.length === limit) least = best.at(-1)!.score
  }
  // Those that are likely to be found go first: the others are then passed over by their bounds alone.
  for (const first of likely === 0 ? [true] : [true, false])
    for (const found of all) {
      const { bounds, scored, count } = found
      for (let at = 0; at < count; at++)
        if (bounds[at]! >= likely === first && bounds[at]! >= least) look(found, scored[at]!)
    }
  return best
}

/** Writes down what each unit scores at most, and answers the `limit`th largest of that; of fewer, 0. */
function boundAll<U extends Indexed>(all: readonly Found<U>[], most: number, limit: number): number {
  // A heap of the largest, the least of them in front.
  const heap = new Float64Array(limit)
  for (const found of all) {
    const { scored, factors, bounds, count } = found
    for (let at = 0; at < count; at++) {
      const slot = scored[at]!
      const bound = scoreOf(found, slot) * most * factors[slot]!
      bounds[at] = bound
      if (bound > heap[0]!) replaceLeast(heap, bound)
    }
  }
  return heap[0]!
}

function replaceLeast(heap: Float64Array, value: number): void {
  let at = 0
  for (let next = 1; next < heap.length; next = 2 * at + 1) {
    if (next + 1 < heap.length && heap[next + 1]! < heap[next]!) next++
    if (heap[next]! >= value) break
    heap[at] = heap[next]!
    at = next
  }
  heap[at] = value
}

/** Before all factors. */
function scoreOf<U extends Indexed>({ scores, threads, docs }: Found<U>, slot: number): number {
  return threads.length === 0 ? scores[slot]! : withThread(scores[slot]!, docs[slot]!)
}

function withThread<U>(score: number, doc: Doc<U>): number {
  return score + THREAD_SHARE * (doc.thread?.score ?? 0)
}

type Scored<U> = { readonly doc: Doc<U>; readonly score: number }

function isBefore<U>(a: Scored<U>, b: Scored<U>): boolean {
  if (a.score !== b.score) return a.score > b.score
  return a.doc.at === b.doc.at ? a.doc.id < b.doc.id : a.doc.at > b.doc.at
}

/** K4, as far as there is room for them. */
function besides<U extends Indexed>(
  segments: readonly Segment<U>[],
  question: Question,
  { limit, where, called }: RankOptions<U>,
  found: readonly Ranked<U>[],
): Ranked<U>[] {
  if (found.length >= limit) return []
  const known = new Set(found.map(({ unit }) => unit.id))
  const all: Scored<U>[] = []
  for (const doc of ofNamed(segments, question, called))
    if (!known.has(doc.id) && where?.(doc.unit) !== false) all.push({ doc, score: 0 })
  all.sort((a, b) => (isBefore(a, b) ? -1 : 1))
  return all.slice(0, limit - found.length).map(({ doc, score }) => {
    return { unit: doc.unit, score, parts: partsOf(doc, question, doc.unit.authority ?? 1, called) }
  })
}

/** How the score of one unit came to be: only made for what is handed out. */
function reasonsFor<U extends Indexed>(totals: Totals, worths: ReadonlyMap<string, number>): (best: Best<U>) => Parts {
  const terms = [...worths]
  return ({ doc, found, factors }) => {
    const length = found.weights[doc.slot]! / ONE / totals.length
    const matched: string[] = []
    let lexical = 0
    for (let at = 0; at < terms.length; at++) {
      // The postings were just gone through; what the unit keeps of its terms was not.
      const posting = found.postings[at]
      const count = posting === undefined ? 0 : countIn(posting, doc.slot)
      if (count === 0) continue
      const [term, worth] = terms[at]!
      matched.push(term)
      lexical += worth * saturated(count, length)
    }
    return {
      lexical,
      context: Math.max(0, found.scores[doc.slot]! - lexical),
      thread: THREAD_SHARE * (doc.thread?.score ?? 0),
      ...factors,
      authority: doc.unit.authority ?? 1,
      matched,
    }
  }
}
