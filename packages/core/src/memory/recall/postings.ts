/**
 * Postings: which units of a segment have a term, and how often.
 *
 * The terms of each unit stand behind one another in the order of slots. The units of each term are made of that when they are asked
 * for: of most slots at once, of those that came since beside them, until there are many.
 */
import { grown } from './grown.ts'
import { Lexicon, type Reading } from './lexicon.ts'

/** Where the units that have a term stand, or had it, in the order of slots: slot, count, slot, count, and so on */
export interface Posting {
  readonly term: number
  readonly places: Int32Array
  readonly from: number
  readonly to: number
  /** Those that have it. */
  readonly alive: number
  /** No unit has it more often, and of none it is a larger share. */
  readonly most: number
  readonly share: number
}

export class Postings {
  readonly #lexicon = new Lexicon()
  /** Term, count, term, count, of slot behind slot, and where each slot's begin. */
  #own = new Int32Array(256)
  #starts = new Int32Array(64)
  #slots = 0
  /** By term: where it stands in the unit that had it last, units that have it, and what `Posting` says of its most. */
  #lastAt = new Int32Array(64)
  #alive = new Int32Array(64)
  #most = new Int32Array(64)
  #share = new Float64Array(64)
  /** Slots from 0 on, by term. */
  #many = { slots: 0, places: new Int32Array(0), starts: new Int32Array(1) }
  /** Those behind them, as far as they were asked for. */
  #since = { slots: 0, places: new Map<number, number[]>() }

  readonly #asked = { terms: [] as readonly number[], places: new Uint8Array(64) }

  /** Takes in what the unit of the next slot says. */
  add(text: string): Reading {
    const reading = this.#lexicon.read(text)
    this.#reach(this.#lexicon.size)
    const start = this.#starts[this.#slots]!
    this.#own = grown(this.#own, start + 2 * reading.terms.length)
    let end = start
    for (const term of reading.terms) {
      const at = this.#lastAt[term]!
      if (at >= start && at < end && this.#own[at] === term) this.#own[at + 1]!++
      else {
        this.#alive[term]!++
        this.#lastAt[term] = end
        this.#own[end++] = term
        this.#own[end++] = 1
      }
    }
    this.#slots++
    this.#starts = grown(this.#starts, this.#slots + 1)
    this.#starts[this.#slots] = end
    return reading
  }

  /** The unit of a slot leaves. */
  remove(slot: number): void {
    for (let at = this.#starts[slot]!; at < this.#starts[slot + 1]!; at += 2) this.#alive[this.#own[at]!]!--
  }

  of(term: string): Posting | undefined {
    const number = this.#lexicon.number(term)
    if (number === undefined) return undefined
    this.#catchUp()
    const { starts, places } = this.#many
    const known = number + 1 < starts.length
    const [from, to] = known ? [starts[number]!, starts[number + 1]!] : [0, 0]
    const about = { term: number, alive: this.#alive[number]!, most: this.#most[number]!, share: this.#share[number]! }
    const more = this.#since.places.get(number)
    if (more === undefined) return { ...about, places, from, to }
    const all = new Int32Array(to - from + more.length)
    all.set(places.subarray(from, to))
    all.set(more, to - from)
    return { ...about, places: all, from: 0, to: all.length }
  }

  /** From now on, `count` counts these. */
  ask(terms: readonly number[]): void {
    for (const term of this.#asked.terms) this.#asked.places[term] = 0
    this.#asked.terms = terms
    this.#asked.places = grown(this.#asked.places, this.#lexicon.size)
    terms.forEach((term, place) => (this.#asked.places[term] = place + 1))
  }

  /** How often the unit of a slot has each of the terms that are asked for, in their order. */
  count(slot: number, counts: Int32Array): void {
    const own = this.#own
    const { places } = this.#asked
    counts.fill(0)
    for (let at = this.#starts[slot]!, end = this.#starts[slot + 1]!; at < end; at += 2) {
      const place = places[own[at]!]!
      if (place > 0) counts[place - 1] = own[at + 1]!
    }
  }

  /** Looks at what `count` will go through. */
  touch(slots: Int32Array, filled: number): number {
    let sum = 0
    for (let at = 0; at < filled; at++) {
      const start = this.#starts[slots[at]!]!
      sum += this.#own[start]! + this.#own[start + LINE]! + this.#own[start + 2 * LINE]!
    }
    return sum
  }

  /** Numbers the slots anew: these stay, in this order. */
  keep(slots: readonly number[]): void {
    const [own, starts] = [this.#own, this.#starts]
    let end = 0
    slots.forEach((slot, next) => {
      const [from, to] = [starts[slot]!, starts[slot + 1]!]
      own.copyWithin(end, from, to)
      starts[next] = end
      end += to - from
    })
    starts[slots.length] = end
    this.#slots = slots.length
    this.#makeMany()
  }

  #catchUp(): void {
    if (this.#since.slots === this.#slots) return
    if (this.#slots - this.#many.slots > Math.max(SINCE_MIN, this.#many.slots / 4)) return this.#makeMany()
    const own = this.#own
    for (let slot = this.#since.slots; slot < this.#slots; slot++) {
      for (let at = this.#starts[slot]!; at < this.#starts[slot + 1]!; at += 2) {
        const term = own[at]!
        const places = this.#since.places.get(term)
        if (places === undefined) this.#since.places.set(term, [slot, own[at + 1]!])
        else places.push(slot, own[at + 1]!)
      }
      this.#weigh(slot)
    }
    this.#since.slots = this.#slots
  }

  #makeMany(): void {
    const [own, terms] = [this.#own, this.#lexicon.size]
    const starts = new Int32Array(terms + 2)
    const end = this.#starts[this.#slots]!
    // Behind where a term's places begin is put where the next one's go, until all are there.
    for (let at = 0; at < end; at += 2) starts[own[at]! + 2]! += 2
    for (let term = 2; term < terms + 2; term++) starts[term]! += starts[term - 1]!
    const places = new Int32Array(end)
    this.#most.fill(0)
    this.#share.fill(0)
    for (let slot = 0; slot < this.#slots; slot++) {
      for (let at = this.#starts[slot]!; at < this.#starts[slot + 1]!; at += 2) {
        const place = starts[own[at]! + 1]!
        places[place] = slot
        places[place + 1] = own[at + 1]!
        starts[own[at]! + 1] = place + 2
      }
      this.#weigh(slot)
    }
    this.#many = { slots: this.#slots, places, starts: starts.subarray(0, terms + 1) }
    this.#since = { slots: this.#slots, places: new Map() }
  }

  /** A bound stays when the unit leaves that it comes from: it still is one. */
  #weigh(slot: number): void {
    const [own, from, to] = [this.#own, this.#starts[slot]!, this.#starts[slot + 1]!]
    let length = 0
    for (let at = from; at < to; at += 2) length += own[at + 1]!
    for (let at = from; at < to; at += 2) {
      const [term, count] = [own[at]!, own[at + 1]!]
      if (count > this.#most[term]!) this.#most[term] = count
      if (count / length > this.#share[term]!) this.#share[term] = count / length
    }
  }

  #reach(terms: number): void {
    if (terms <= this.#alive.length) return
    this.#lastAt = grown(this.#lastAt, terms)
    this.#alive = grown(this.#alive, terms)
    this.#most = grown(this.#most, terms)
    this.#share = grown(this.#share, terms)
  }
}

/** Numbers that memory hands out at once. */
const LINE = 16
/** So many slots may stand beside the others, however few those are. */
const SINCE_MIN = 64
