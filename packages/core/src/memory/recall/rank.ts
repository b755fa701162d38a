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
import { leastOfLargest, offer, wantLargest } from './heap.ts'
import type { Doc, Indexed, Segment } from './segment.ts'
import { lexicalOf, scored, totalsOf, worthOf, type Found, type Totals, type Touch, type Wanted } from './scores.ts'

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
  /** Looks at what `where` and who is handed units will look at. */
  readonly touch?: Touch<U>
}

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
  const wanted = wantedIn(segments, question, totals)
  const { limit, where, touch } = options
  const likely = { limit, where, touch, most: mostOf(question, called), least: 0 }
  const found = segments.map((segment, at) => scored(segment, wanted[at]!, totals, likely))
  const ranked = top(found, question, options, likely.most).map((one) => ({
    unit: one.doc.unit,
    score: one.score,
    parts: reasonsFor(one, totals),
  }))
  const isNowhere = wanted.every((terms) => terms.length === 0)
  if (question.namesOnly || isNowhere) ranked.push(...besides(segments, question, options, ranked))
  for (const { scores, scored, filled, threads } of found) {
    for (let at = 0; at < filled; at++) scores[scored[at]!] = 0
    for (const thread of threads) thread.score = 0
  }
  return ranked
}

interface Chosen<U extends Indexed> {
  readonly doc: Doc<U>
  readonly score: number
  readonly factors: Factors
  readonly found: Found<U>
}

/** By segment, the terms of the question that units have, with what they are worth in all of them. */
function wantedIn<U extends Indexed>(
  segments: readonly Segment<U>[],
  { terms }: Question,
  { units }: Totals,
): readonly (readonly Wanted[])[] {
  const wanted = segments.map((): Wanted[] => [])
  for (const term of terms) {
    const postings = segments.map((segment) => segment.postings.of(term))
    const having = postings.reduce((sum, posting) => sum + (posting?.alive ?? 0), 0)
    if (having === 0) continue
    const worth = worthOf(units, having)
    postings.forEach((posting, at) => {
      if (posting !== undefined) wanted[at]!.push({ term, worth, posting })
    })
  }
  return wanted
}

/** A bound is never below the score: what is passed over by its bound would not have been found. */
function top<U extends Indexed>(
  all: readonly Found<U>[],
  question: Question,
  { limit, where, called }: RankOptions<U>,
  most: number,
): Chosen<U>[] {
  const best: Chosen<U>[] = []
  if (limit === 0) return best
  let least = 0
  const likely = boundAll(all, most, limit)
  const look = (found: Found<U>, slot: number): void => {
    const doc = found.docs[slot]!
    if (where !== undefined && !where(doc.unit)) return
    const factors = factorsOf(doc, question, called)
    const one = { doc, score: scoreOf(found, slot) * productOf(factors, found.authorities[slot]!), factors, found }
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
      const { bounds, scored, filled } = found
      for (let at = 0; at < filled; at++)
        if (bounds[at]! >= likely === first && bounds[at]! >= least) look(found, scored[at]!)
    }
  return best
}

/** Writes down what each unit scores at most, and answers the `limit`th largest of that; of fewer, 0. */
function boundAll<U extends Indexed>(all: readonly Found<U>[], most: number, limit: number): number {
  wantLargest(limit)
  for (const found of all) {
    const { scored, factors, bounds, filled } = found
    for (let at = 0; at < filled; at++) {
      const slot = scored[at]!
      const bound = scoreOf(found, slot) * most * factors[slot]!
      bounds[at] = bound
      if (bound > leastOfLargest()) offer(bound)
    }
  }
  return leastOfLargest()
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
function reasonsFor<U extends Indexed>({ doc, found, factors }: Chosen<U>, totals: Totals): Parts {
  const lexical = lexicalOf(found, doc.slot, totals)
  const matched: string[] = []
  for (let at = 0; at < found.counts.length; at++) if (found.counts[at]! > 0) matched.push(found.wanted[at]!.term)
  return {
    lexical,
    context: Math.max(0, found.scores[doc.slot]! - lexical),
    thread: THREAD_SHARE * (doc.thread?.score ?? 0),
    name: factors.name,
    date: factors.date,
    question: factors.question,
    time: factors.time,
    length: factors.length,
    authority: found.authorities[doc.slot]!,
    matched,
  }
}
