/**
 * Rank: which units of some segments answer a question best, and why.
 *
 * BM25 over a unit's own words and, weighted less, those of its neighbours in the thread; a share of the score of its
 * thread; times factors that are shown: who said it, when, how long it is, whose word it is.
 *
 * K1. A score depends on the units of the segments that were asked, the question and the options: on nothing else, not on
 *     other scopes, the clock, or the order of writing. The same question finds the same, bit for bit.
 * K2. Units with equal scores stand newest first, then by id.
 *
 * Sources: S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009). The weights were
 * measured on dialogue, see bench/README.md, and are kept where longer texts do not lose by them.
 */
import { isOn } from './dates.ts'
import { questionOf, type Question } from './question.ts'
import { lend, NEIGHBOURS, type Doc, type Indexed, type Segment, type Thread } from './segment.ts'

/** What a score is made of: (`lexical` + `context` + `thread`) times all the others. */
export interface Parts {
  /** BM25 of its own words. */
  readonly lexical: number
  /** What its neighbours in the thread add. */
  readonly context: number
  /** What its thread as a whole adds. */
  readonly thread: number
  /** It was said by, or is about, the one who is named. */
  readonly name: number
  /** It is of a date that is named. */
  readonly date: number
  /** A question is rarely an answer. */
  readonly question: number
  /** It speaks of time, and the question asks when. */
  readonly time: number
  readonly length: number
  /** Whose word it is: the operator's outranks the agent's. */
  readonly authority: number
  /** Terms of the question that are in the unit itself. */
  readonly matched: readonly string[]
}

export interface Ranked<U> {
  readonly unit: U
  readonly score: number
  readonly parts: Parts
}

export interface RankOptions<U> {
  readonly limit: number
  /** At most 1. */
  readonly authority: (unit: U) => number
  /** Units that may be found. Default all. */
  readonly where?: (unit: U) => boolean
}

const K1 = 1
const B = 0.75
const ONE = NEIGHBOURS[0]!
const THREAD_SHARE = 0.25
const NAME = 1.35
const DATE = 1.5
const ASKS = 0.8
const TIME = 1.2
const LENGTH_POWER = 0.2
/** No factors together make more of a score: what would not do with this is not looked at closely. */
const FACTOR_MAX = NAME * DATE * TIME * 1.1
/** Terms beyond which a unit gains nothing by its length. */
const LENGTH_MAX = 24

export function rank<U extends Indexed>(
  segments: readonly Segment<U>[],
  text: string,
  options: RankOptions<U>,
): Ranked<U>[] {
  const question = questionOf(text, (name) => segments.some((segment) => segment.knows(name)))
  const totals = totalsOf(segments)
  const found = new Set<Doc<U>>()
  for (const term of question.terms) addTerm(segments, term, totals, found)
  const best = top(found, question, options)
  const ranked = best.map(({ doc, score }) => ({
    unit: doc.unit,
    score,
    parts: partsOf(segments, doc, question, totals, options),
  }))
  for (const doc of found) {
    doc.score = 0
    if (doc.thread !== undefined) doc.thread.score = 0
  }
  return ranked
}

interface Totals {
  readonly units: number
  readonly threads: number
  /** Mean length with context, and of threads; in terms. */
  readonly length: number
  readonly threadLength: number
}

function totalsOf<U extends Indexed>(segments: readonly Segment<U>[]): Totals {
  let [units, threads, own, weighted] = [0, 0, 0, 0]
  for (const segment of segments) {
    const lengths = segment.lengths()
    units += segment.size
    threads += segment.threads()
    own += lengths.own
    weighted += lengths.weighted
  }
  return {
    units,
    threads,
    length: weighted / ONE / Math.max(1, units) || 1,
    threadLength: own / Math.max(1, threads) || 1,
  }
}

/** Adds what one term is worth to every unit that has it, itself or around it. */
function addTerm<U extends Indexed>(
  segments: readonly Segment<U>[],
  term: string,
  totals: Totals,
  found: Set<Doc<U>>,
): void {
  const postings = segments.flatMap((segment) => segment.posting(term) ?? [])
  const worth = worthOf(
    totals.units,
    postings.reduce((sum, posting) => sum + posting.alive, 0),
  )
  const touched: Doc<U>[] = []
  const threads: Thread<U>[] = []
  const touch = (doc: Doc<U>, hits: number): void => {
    if (doc.hits === 0) touched.push(doc)
    doc.hits += hits
  }
  for (const { docs, counts } of postings) {
    for (let at = 0; at < docs.length; at++) {
      const doc = docs[at]!
      if (!doc.alive) continue
      const count = counts[at]!
      touch(doc, ONE * count)
      if (doc.thread === undefined) continue
      if (doc.thread.hits === 0) threads.push(doc.thread)
      doc.thread.hits += count
      lend(doc, (to, share) => touch(to, share * count))
    }
  }
  for (const doc of touched) {
    doc.score += worth * saturated(doc.hits / ONE, doc.weight / ONE / totals.length)
    doc.hits = 0
    found.add(doc)
  }
  for (const thread of threads) {
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

function top<U extends Indexed>(
  found: ReadonlySet<Doc<U>>,
  question: Question,
  { limit, where, authority }: RankOptions<U>,
): { doc: Doc<U>; score: number }[] {
  const best: { doc: Doc<U>; score: number }[] = []
  for (const doc of found) {
    const most = (doc.score + THREAD_SHARE * (doc.thread?.score ?? 0)) * FACTOR_MAX
    if (best.length >= limit && most < (best.at(-1)?.score ?? 0)) continue
    if (where !== undefined && !where(doc.unit)) continue
    const score = (doc.score + THREAD_SHARE * (doc.thread?.score ?? 0)) * factorOf(doc, question, authority(doc.unit))
    const last = best.at(-1)
    if (best.length >= limit && last !== undefined && !isBefore({ doc, score }, last)) continue
    let at = best.length
    while (at > 0 && isBefore({ doc, score }, best[at - 1]!)) at--
    best.splice(at, 0, { doc, score })
    if (best.length > limit) best.pop()
  }
  return best
}

function isBefore<U>(a: { doc: Doc<U>; score: number }, b: { doc: Doc<U>; score: number }): boolean {
  if (a.score !== b.score) return a.score > b.score
  return a.doc.at === b.doc.at ? a.doc.id < b.doc.id : a.doc.at > b.doc.at
}

function factorOf<U>(doc: Doc<U>, question: Question, authority: number): number {
  const { name, date, question: asks, time, length } = factorsOf(doc, question)
  return name * date * asks * time * length * authority
}

function factorsOf<U>(
  doc: Doc<U>,
  { names, dates, asksWhen }: Question,
): Pick<Parts, 'name' | 'date' | 'question' | 'time' | 'length'> {
  return {
    name: names.length === 1 && isNamed(doc, names[0]!) ? NAME : 1,
    date: dates.length > 0 && dates.some((mention) => isOn(doc.at, mention)) ? DATE : 1,
    question: doc.asks ? ASKS : 1,
    time: asksWhen && doc.timed ? TIME : 1,
    length: Math.pow((Math.min(doc.length, LENGTH_MAX) + 1) / LENGTH_MAX, LENGTH_POWER),
  }
}

function isNamed<U>(doc: Doc<U>, name: string): boolean {
  return doc.speaker === name || doc.speaker?.startsWith(`${name} `) === true || doc.about.includes(name)
}

/** Parts of a unit that no word of the question leads to. */
export function factorsFor<U>(doc: Doc<U>, text: string, authority: number): Parts {
  const question = questionOf(text, () => false)
  return { lexical: 0, context: 0, thread: 0, ...factorsOf(doc, question), authority, matched: [] }
}

/** How the score of one unit came to be: only made for what is handed out. */
function partsOf<U extends Indexed>(
  segments: readonly Segment<U>[],
  doc: Doc<U>,
  question: Question,
  totals: Totals,
  { authority }: RankOptions<U>,
): Parts {
  const own = segments.find((segment) => segment.get(doc.id) === doc)!
  let lexical = 0
  const matched: string[] = []
  for (const term of question.terms) {
    const count = own.countOf(doc, term)
    if (count === 0) continue
    const having = segments.reduce((sum, segment) => sum + (segment.posting(term)?.alive ?? 0), 0)
    lexical += worthOf(totals.units, having) * saturated(count, doc.weight / ONE / totals.length)
    matched.push(term)
  }
  return {
    lexical,
    context: Math.max(0, doc.score - lexical),
    thread: THREAD_SHARE * (doc.thread?.score ?? 0),
    ...factorsOf(doc, question),
    authority: authority(doc.unit),
    matched,
  }
}
