/**
 * Lexicon: numbers for the terms of one segment's texts, in the order in which they first came.
 *
 * A word of ASCII is found by its characters where they stand in the text: nothing is made of one that was met before.
 */
import { speaksOfTime } from './dates.ts'
import { grown } from './grown.ts'
import { isPlain, rawWords, termsIn, WORD_MAX } from './words.ts'

/** What a text says, as far as an index asks: numbers of its terms in order, as often as they occur. */
export interface Reading {
  readonly terms: readonly number[]
  /** How many words it has, those that are no terms among them. */
  readonly words: number
  readonly timed: boolean
}

export class Lexicon {
  readonly #terms = new Map<string, number>()
  /** Characters of all words, one word behind the other, and where each ends. */
  #characters = new Uint8Array(256)
  #ends = new Int32Array(64)
  /** By their hashes, in the first free place: words, counted from 1; 0: nobody. */
  #places = new Int32Array(128)
  /** By word: its term, or `NONE`; and whether it speaks of time. */
  readonly #termOf: number[] = []
  readonly #timed: boolean[] = []

  get size(): number {
    return this.#terms.size
  }

  /** The number of a term that was met. */
  number(term: string): number | undefined {
    return this.#terms.get(term)
  }

  read(text: string): Reading {
    const reading = { terms: [], words: 0, timed: false }
    if (!isPlain(text)) {
      for (const word of rawWords(text)) this.#take(word, 0, word.length, reading)
      return reading
    }
    for (let at = 0; at < text.length;) {
      const from = at
      while (at < text.length && FOLDED[text.charCodeAt(at)]! !== 0) at++
      if (at > from) this.#take(text, from, at, reading)
      at++
    }
    return reading
  }

  #take(text: string, from: number, to: number, reading: { terms: number[]; words: number; timed: boolean }): void {
    reading.words++
    const word = to - from > WORD_MAX ? -1 : this.#word(text, from, to)
    if (word === -1) {
      const strange = text.slice(from, to).toLowerCase()
      for (const term of termsIn([strange])) reading.terms.push(this.#numberOf(term))
      reading.timed ||= speaksOfTime([strange])
      return
    }
    const term = this.#termOf[word]!
    if (term !== NONE) reading.terms.push(term)
    if (this.#timed[word]!) reading.timed = true
  }

  /** The word that stands there; -1: it is not of ASCII alone, or has no place. */
  #word(text: string, from: number, to: number): number {
    let hash = 0
    for (let at = from; at < to; at++) {
      const code = text.charCodeAt(at)
      if (code > 127) return -1
      hash = Math.imul(hash ^ FOLDED[code]!, PRIME)
    }
    const places = this.#places
    for (let step = 0; step < STEPS_MAX; step++) {
      const place = placeOf(hash, step, places)
      if (places[place] === 0) return this.#meet(text.slice(from, to).toLowerCase(), place)
      if (this.#is(places[place]! - 1, text, from, to)) return places[place]! - 1
    }
    return -1
  }

  #is(word: number, text: string, from: number, to: number): boolean {
    const start = word === 0 ? 0 : this.#ends[word - 1]!
    if (this.#ends[word]! - start !== to - from) return false
    for (let at = from; at < to; at++)
      if (this.#characters[start + at - from] !== FOLDED[text.charCodeAt(at)]) return false
    return true
  }

  /** Takes a word that was not met before; its place is the one where it was looked for. */
  #meet(word: string, place: number): number {
    const number = this.#termOf.length
    const [term] = termsIn([word])
    this.#termOf.push(term === undefined ? NONE : this.#numberOf(term))
    this.#timed.push(speaksOfTime([word]))
    const start = number === 0 ? 0 : this.#ends[number - 1]!
    this.#characters = grown(this.#characters, start + word.length)
    this.#ends = grown(this.#ends, number + 1)
    for (let at = 0; at < word.length; at++) this.#characters[start + at] = word.charCodeAt(at)
    this.#ends[number] = start + word.length
    this.#places[place] = number + 1
    if (2 * this.#termOf.length > this.#places.length) this.#placeAnew()
    return number
  }

  #placeAnew(): void {
    const places = new Int32Array(2 * this.#places.length)
    for (let word = 0; word < this.#termOf.length; word++) {
      let hash = 0
      for (let at = word === 0 ? 0 : this.#ends[word - 1]!; at < this.#ends[word]!; at++)
        hash = Math.imul(hash ^ this.#characters[at]!, PRIME)
      let step = 0
      while (step < STEPS_MAX && places[placeOf(hash, step, places)] !== 0) step++
      if (step < STEPS_MAX) places[placeOf(hash, step, places)] = word + 1
    }
    this.#places = places
  }

  #numberOf(term: string): number {
    const known = this.#terms.get(term)
    if (known !== undefined) return known
    this.#terms.set(term, this.#terms.size)
    return this.#terms.size - 1
  }
}

/** Places in which a word may stand: a text that was made to crowd them is read the slow way. */
const STEPS_MAX = 32
/** Source: G. Fowler, L. C. Noll, K.-P. Vo, "FNV hash" (1991). */
const PRIME = 0x01000193

function placeOf(hash: number, step: number, { length }: Int32Array): number {
  return ((hash ^ (hash >>> 15)) + step) & (length - 1)
}

/** A word that says nothing. */
const NONE = -1

/** Letters and digits of ASCII in lower case, by their codes; 0: it is neither. */
const FOLDED = Uint8Array.from({ length: 128 }, (_, code) => {
  const letter = String.fromCharCode(code).toLowerCase()
  return /[a-z0-9]/.test(letter) ? letter.charCodeAt(0) : 0
})
