/**
 * Postings: which units of a segment have a term, and how often.
 *
 * The terms of each unit stand behind one another in the order of slots. The units of each term are made of that when they are asked
 * for: of most slots at once, of those that came since beside them, until there are many.
 */
import { grown } from './grown.ts'
import { Lexicon, type Reading } from './lexicon.ts'

/** Where the units of a term stand, or once stood, in the order of slots: slot, count, slot, count, and so on. */
export interface Places {
  readonly places: Int32Array
  readonly from: number
  readonly to: number
}

export interface Posting {
  readonly term: number
  /** One stretch of slots behind another. */
  readonly stretches: readonly Places[]
  /** How long they are. */
  readonly length: number
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
  readonly #stretches: Stretch[] = []
  /** Slots behind them, as far as they were asked for. */
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
    if (this.#slots - this.#end() >= STRETCH) this.#stretch(this.#end())
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
    const stretches: Places[] = []
    for (const { places, starts } of this.#stretches) {
      const [from = 0, to = 0] = [starts[number], starts[number + 1]]
      if (to > from) stretches.push({ places, from, to })
    }
    const since = this.#since.places.get(number)
    if (since !== undefined) stretches.push({ places: Int32Array.from(since), from: 0, to: since.length })
    return {
      ...{ term: number, stretches, length: stretches.reduce((sum, { from, to }) => sum + to - from, 0) },
      ...{ alive: this.#alive[number]!, most: this.#most[number]!, share: this.#share[number]! },
    }
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
    this.#stretches.length = 0
    this.#since = { slots: 0, places: new Map() }
    while (this.#end() < this.#slots) this.#stretch(this.#end())
  }

  /** The slots in stretches. */
  #end(): number {
    return this.#stretches.at(-1)?.end ?? 0
  }

  #catchUp(): void {
    if (this.#since.slots === this.#slots) return
    const last = this.#stretches.at(-1)
    const size = last === undefined || last.end - last.begin >= STRETCH ? 0 : last.end - last.begin
    if (this.#slots - this.#end() > Math.max(SINCE_MIN, size / 4)) {
      if (size > 0) this.#stretches.pop()
      return this.#stretch(this.#end())
    }
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

  /** Makes a stretch of the slots from `begin` on, which have none. */
  #stretch(begin: number): void {
    const [own, terms] = [this.#own, this.#lexicon.size]
    const end = Math.min(this.#slots, begin + 2 * STRETCH)
    const [from, to] = [this.#starts[begin]!, this.#starts[end]!]
    const starts = new Int32Array(terms + 2)
    // Two behind each term stands how much it has; summed up, one behind it where its own begins, which moves on as it is filled.
    for (let at = from; at < to; at += 2) starts[own[at]! + 2]! += 2
    for (let term = 2; term < terms + 2; term++) starts[term]! += starts[term - 1]!
    const places = new Int32Array(to - from)
    for (let slot = begin; slot < end; slot++) {
      for (let at = this.#starts[slot]!; at < this.#starts[slot + 1]!; at += 2) {
        const place = starts[own[at]! + 1]!
        places[place] = slot
        places[place + 1] = own[at + 1]!
        starts[own[at]! + 1] = place + 2
      }
      this.#weigh(slot)
    }
    this.#stretches.push({ begin, end, places, starts })
    this.#since = { slots: end, places: new Map() }
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

/** Slots from one on up to another: by term, where its places begin; behind the last, where they end. */
interface Stretch {
  readonly begin: number
  readonly end: number
  readonly places: Int32Array
  readonly starts: Int32Array
}

/** So many slots are made a stretch as they come: that takes some ten milliseconds. */
const STRETCH = 16_384
/** Numbers that memory hands out at once. */
const LINE = 16
/** So many slots may stand beside the others, however few those are. */
const SINCE_MIN = 64
