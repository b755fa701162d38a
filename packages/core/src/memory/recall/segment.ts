/**
 * Segment: the inverted index of one scope, in memory, made of the units that the store holds.
 *
 * X1. What a segment answers depends on the units that are in it now, never on the order in which they came or on what
 *     has left: counts are integers, and all order is that of the units themselves.
 * X2. A segment holds no text. It is a cache: dropped at will, rebuilt from records.
 * X3. Units are numbered by slots. A unit that leaves keeps its slot until so many have left that all are numbered anew.
 */
import type { Reading } from './lexicon.ts'
import { Postings } from './postings.ts'
import { rawWords } from './words.ts'

/** What is indexed of a unit: a turn, a fact, a rule, a note. */
export interface Indexed {
  readonly id: string
  /** When it was said or began to hold. */
  readonly at: number
  /** Units of one thread are neighbours, in the order of `ord`. */
  readonly thread?: string
  readonly ord?: number
  /** It is loaded without being asked for. */
  readonly always?: boolean
  /** Who said it. */
  readonly speaker?: string
  /** What it is about: names of entities. */
  readonly about?: readonly string[]
  /** The entity that it is about, as `type/id`: what that is called is asked when a question is. */
  readonly entity?: string
  /** Whose word it is, as a factor of at most 1. Default 1. */
  readonly authority?: number
}

/** One unit as the ranking sees it. `U` is what the caller keeps beside it. */
export interface Doc<U> {
  readonly unit: U
  readonly id: string
  readonly at: number
  readonly ord: number
  readonly thread: Thread<U> | undefined
  /** Its place in the lists of its segment. */
  slot: number
  /** Its place in the thread, once the thread is in order. */
  place: number
  /** Terms in it. */
  readonly length: number
  /** Words in it: what decides whether it takes and gives context. */
  readonly words: number
  readonly asks: boolean
  readonly timed: boolean
  readonly speaker: string | undefined
  readonly about: readonly string[]
}

export interface Thread<U> {
  docs: Doc<U>[]
  length: number
  /* while one question is answered */
  hits: number
  score: number
}

/** What stands in each slot, and room to add up what one question finds there. */
export interface Slots<U> {
  readonly docs: readonly (Doc<U> | undefined)[]
  readonly hits: Int32Array
  readonly scores: Float64Array
  /** The slots with a score, their bounds, and what their own factors make of it, one behind the other. */
  readonly scored: Int32Array
  readonly bounds: Float64Array
  readonly shares: Float64Array
  /** Lengths with those of their neighbours, in twentieths; 0: nobody is there. */
  readonly weights: Int32Array
  /** What a unit's own factors make of a score, whatever is asked; and the last of them by itself. */
  readonly factors: Float64Array
  readonly authorities: Float64Array
  /** No unit's own factors make more of a score. */
  highest: number
}

/** Context of a unit: its neighbours in the thread, by distance, in twentieths of its own words. */
export const NEIGHBOURS = [20, 7, 7, 4]
/** The unit behind a question answers it, so it takes more of the question's words. */
export const ANSWERS = 14
/** Longer units (in words) have enough words of their own: they give no context and take none. */
export const SHORT_WORDS = 80

export class Segment<U extends Indexed> {
  readonly #docs = new Map<string, Doc<U>>()
  readonly postings = new Postings()
  readonly #threads = new Map<string, Thread<U>>()
  readonly #names = new Map<string, number>()
  readonly #entities = { of: new Map<string, number>(), added: 0 }
  readonly #always = new Set<Doc<U>>()
  readonly #stale = new Set<Thread<U>>()
  #slots: Slots<U> & { docs: (Doc<U> | undefined)[] } = slotsFor([], 64)
  #length = 0
  #weight = 0

  get size(): number {
    return this.#docs.size
  }

  slots(): Slots<U> {
    return this.#slots
  }

  docs(): IterableIterator<Doc<U>> {
    return this.#docs.values()
  }

  /** Units of the one kind that is never searched for, because they are always loaded. */
  *always(): IterableIterator<Doc<U>> {
    for (const doc of this.#always) yield doc
  }

  /** The entities that its units are about, with how many are; and how often one came that was not there. */
  entities(): { readonly of: ReadonlyMap<string, number>; readonly added: number } {
    return this.#entities
  }

  /** Is this the name of somebody who speaks here, or of what is spoken about? */
  knows(name: string): boolean {
    return this.#names.has(name)
  }

  threads(): number {
    return this.#threads.size
  }

  /** Terms in all units, and the same with context (in twentieths). */
  lengths(): { own: number; weighted: number } {
    for (const thread of this.#stale) {
      arrange(thread)
      for (const doc of thread.docs) this.#weight += this.#slots.weights[doc.slot] = weigh(doc)
    }
    this.#stale.clear()
    return { own: this.#length, weighted: this.#weight }
  }

  /** Adds a unit with its text, in place of what was there under its id, which is answered. */
  add(unit: U, text: string): U | undefined {
    const before = this.remove(unit.id)
    this.addNew(unit, text)
    return before
  }

  /** Adds one whose id is not there. */
  addNew(unit: U, text: string): void {
    const doc = this.#docOf(unit, /[?\uff1f]\s*$/.test(text), this.postings.add(text))
    this.#docs.set(unit.id, doc)
    if (unit.always === true) this.#always.add(doc)
    this.#length += doc.length
    if (doc.thread === undefined) this.#weight += this.#slots.weights[doc.slot] = NEIGHBOURS[0]! * doc.length
    for (const name of namesOf(doc)) count(this.#names, name, 1)
    if (unit.entity === undefined) return
    if (!this.#entities.of.has(unit.entity)) this.#entities.added++
    count(this.#entities.of, unit.entity, 1)
  }

  /** Answers what was there. */
  remove(id: string): U | undefined {
    const doc = this.#docs.get(id)
    if (doc === undefined) return undefined
    this.#docs.delete(id)
    this.#always.delete(doc)
    this.#slots.docs[doc.slot] = undefined
    this.#length -= doc.length
    this.postings.remove(doc.slot)
    if (doc.thread === undefined) this.#weight -= this.#slots.weights[doc.slot]!
    else this.#leave(doc.thread, doc)
    this.#slots.weights[doc.slot] = 0
    for (const name of namesOf(doc)) count(this.#names, name, -1)
    if (doc.unit.entity !== undefined) count(this.#entities.of, doc.unit.entity, -1)
    if (this.#slots.docs.length - this.#docs.size > Math.max(GONE_MIN, this.#docs.size / 4)) this.#numberAnew()
    return doc.unit
  }

  #docOf(unit: U, asks: boolean, { terms: { length }, words, timed }: Reading): Doc<U> {
    const thread = unit.thread === undefined ? undefined : this.#threadOf(unit.thread)
    const doc: Doc<U> = {
      ...{ unit, id: unit.id, at: unit.at, ord: unit.ord ?? 0, thread, slot: this.#slots.docs.length, place: 0 },
      ...{ length, words, asks, timed },
      speaker: unit.speaker === undefined ? undefined : nameOf(unit.speaker),
      about: unit.about === undefined ? NONE : unit.about.map(nameOf),
    }
    this.#seat(doc)
    this.#slots.authorities[doc.slot] = doc.unit.authority ?? 1
    const factor = (this.#slots.factors[doc.slot] = ownFactor(doc))
    if (factor > this.#slots.highest) this.#slots.highest = factor
    if (thread !== undefined) {
      this.#unsettle(thread)
      thread.docs.push(doc)
      thread.length += length
    }
    return doc
  }

  #seat(doc: Doc<U>): void {
    const slots = this.#slots
    if (slots.docs.push(doc) <= slots.hits.length) return
    this.#slots = slotsFor(slots.docs, 2 * doc.slot)
    this.#slots.weights.set(slots.weights)
    this.#slots.factors.set(slots.factors)
    this.#slots.authorities.set(slots.authorities)
    this.#slots.highest = slots.highest
  }

  #threadOf(name: string): Thread<U> {
    let thread = this.#threads.get(name)
    if (thread === undefined) {
      thread = { docs: [], length: 0, hits: 0, score: 0 }
      this.#threads.set(name, thread)
    }
    return thread
  }

  #leave(thread: Thread<U>, doc: Doc<U>): void {
    this.#unsettle(thread)
    thread.docs.splice(thread.docs.indexOf(doc), 1)
    thread.length -= doc.length
    if (thread.docs.length > 0) return
    this.#stale.delete(thread)
    this.#threads.delete(doc.unit.thread!)
  }

  /** Its order and weights are made anew before the next answer. */
  #unsettle(thread: Thread<U>): void {
    if (this.#stale.has(thread)) return
    this.#stale.add(thread)
    for (const doc of thread.docs) this.#weight -= this.#slots.weights[doc.slot]!
  }

  /** Forgets the slots of what has left. */
  #numberAnew(): void {
    const docs = this.#slots.docs.filter((doc) => doc !== undefined)
    this.postings.keep(docs.map(({ slot }) => slot))
    const { weights, factors, authorities } = this.#slots
    this.#slots = slotsFor(docs, weights.length)
    docs.forEach((doc, slot) => {
      this.#slots.weights[slot] = weights[doc.slot]!
      this.#slots.factors[slot] = factors[doc.slot]!
      this.#slots.authorities[slot] = authorities[doc.slot]!
      this.#slots.highest = Math.max(this.#slots.highest, factors[doc.slot]!)
      doc.slot = slot
    })
  }
}

function slotsFor<U>(docs: (Doc<U> | undefined)[], room: number): Slots<U> & { docs: (Doc<U> | undefined)[] } {
  return {
    docs,
    hits: new Int32Array(room),
    scores: new Float64Array(room),
    scored: new Int32Array(room),
    bounds: new Float64Array(room),
    shares: new Float64Array(room),
    weights: new Int32Array(room),
    factors: new Float64Array(room),
    authorities: new Float64Array(room),
    highest: 0,
  }
}

/** So many slots may be empty, however few units there are. */
const GONE_MIN = 1000
const NONE: readonly string[] = []

/** A question is rarely an answer. */
export function asksFactor({ asks }: { readonly asks: boolean }): number {
  return asks ? ASKS : 1
}

/** A short unit says less. */
export function lengthFactor({ length }: { readonly length: number }): number {
  return LENGTHS[Math.min(length, LENGTH_MAX)]!
}

function ownFactor<U extends Indexed>(doc: Doc<U>): number {
  return asksFactor(doc) * lengthFactor(doc) * (doc.unit.authority ?? 1)
}

const ASKS = 0.8
const LENGTH_POWER = 0.2
/** Terms beyond which a unit gains nothing by its length. */
const LENGTH_MAX = 24
const LENGTHS = Array.from({ length: LENGTH_MAX + 1 }, (_, terms) => Math.pow((terms + 1) / LENGTH_MAX, LENGTH_POWER))

/** A name as it is compared: folded words. */
export function nameOf(text: string): string {
  return rawWords(text).join(' ')
}

/** Calls `each` for the units that take context from `doc`, with how much of its words, in twentieths. */
export function lend<U>(doc: Doc<U>, each: (to: Doc<U>, share: number) => void): void {
  const { thread } = doc
  if (thread === undefined || doc.words > SHORT_WORDS) return
  for (let far = 1; far < NEIGHBOURS.length; far++) {
    const before = thread.docs[doc.place - far]
    const behind = thread.docs[doc.place + far]
    if (before !== undefined && before.words <= SHORT_WORDS) each(before, NEIGHBOURS[far]!)
    if (behind !== undefined && behind.words <= SHORT_WORDS)
      each(behind, far === 1 && doc.asks ? ANSWERS : NEIGHBOURS[far]!)
  }
}

function arrange<U>(thread: Thread<U>): void {
  thread.docs.sort((a, b) => a.ord - b.ord || a.at - b.at || (a.id < b.id ? -1 : 1))
  thread.docs.forEach((doc, place) => (doc.place = place))
}

function weigh<U>(doc: Doc<U>): number {
  let weight = NEIGHBOURS[0]! * doc.length
  if (doc.thread === undefined || doc.words > SHORT_WORDS) return weight
  for (let far = 1; far < NEIGHBOURS.length; far++)
    for (const place of [doc.place - far, doc.place + far]) {
      const near = doc.thread.docs[place]
      if (near !== undefined && near.words <= SHORT_WORDS) weight += NEIGHBOURS[far]! * near.length
    }
  return weight
}

function count(all: Map<string, number>, name: string, by: 1 | -1): void {
  const next = (all.get(name) ?? 0) + by
  if (next === 0) all.delete(name)
  else all.set(name, next)
}

function namesOf<U>(doc: Doc<U>): Set<string> {
  const names = new Set(doc.about)
  if (doc.speaker !== undefined && doc.speaker !== '') {
    names.add(doc.speaker)
    const [first, ...more] = doc.speaker.split(' ')
    if (more.length > 0 && first!.length > 2) names.add(first!)
  }
  names.delete('')
  return names
}
