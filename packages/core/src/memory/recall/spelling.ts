/**
 * Spelling: numbers for words of ASCII, in the order in which they first came, found by their characters where they stand in a text.
 *
 * Nothing is made of a word that was met before, and what is looked at stands close together: a map of as many strings is three times
 * as slow where no cache of the processor holds it.
 */
import { grown } from './grown.ts'

export class Spelling {
  /** Characters of all words, one word behind the other, and where each ends. */
  #characters = new Uint8Array(256)
  #ends = new Int32Array(64)
  /** By their hashes, in the first free place: words, counted from 1; 0: nobody. */
  #places = new Int32Array(128)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The number of the word that stands there, whatever its case. -1: it was not met. */
  number(text: string, from = 0, to = text.length): number {
    const hash = hashOf(text, from, to)
    if (hash === STRANGE) return -1
    for (let step = 0; step < STEPS_MAX; step++) {
      const word = this.#places[placeOf(hash, step, this.#places)]! - 1
      if (word === -1 || this.#is(word, text, from, to)) return word
    }
    return -1
  }

  /** The same of a word that may be new: then it gets the next number. -1: it is not of ASCII alone, or there is no place for it. */
  take(text: string, from = 0, to = text.length): number {
    const hash = hashOf(text, from, to)
    if (hash === STRANGE) return -1
    for (let step = 0; step < STEPS_MAX; step++) {
      const place = placeOf(hash, step, this.#places)
      const word = this.#places[place]! - 1
      if (word === -1) return this.#meet(text, from, to, place)
      if (this.#is(word, text, from, to)) return word
    }
    return -1
  }

  #start(word: number): number {
    return word === 0 ? 0 : this.#ends[word - 1]!
  }

  #is(word: number, text: string, from: number, to: number): boolean {
    const start = this.#start(word)
    if (this.#ends[word]! - start !== to - from) return false
    for (let at = from; at < to; at++)
      if (this.#characters[start + at - from] !== FOLDED[text.charCodeAt(at)]) return false
    return true
  }

  #meet(text: string, from: number, to: number, place: number): number {
    const word = this.#size++
    const start = this.#start(word)
    this.#characters = grown(this.#characters, start + to - from)
    this.#ends = grown(this.#ends, this.#size)
    for (let at = from; at < to; at++) this.#characters[start + at - from] = FOLDED[text.charCodeAt(at)]!
    this.#ends[word] = start + to - from
    this.#places[place] = this.#size
    if (2 * this.#size > this.#places.length) this.#placeAnew()
    return word
  }

  #placeAnew(): void {
    const places = new Int32Array(2 * this.#places.length)
    for (let word = 0; word < this.#size; word++) {
      let hash = 0
      for (let at = this.#start(word); at < this.#ends[word]!; at++) hash = mixed(hash, this.#characters[at]!)
      let step = 0
      while (step < STEPS_MAX && places[placeOf(hash, step, places)] !== 0) step++
      if (step < STEPS_MAX) places[placeOf(hash, step, places)] = word + 1
    }
    this.#places = places
  }
}

/** Is it a letter or digit of ASCII? */
export function isLetter(code: number): boolean {
  return code < 128 && FOLDED[code] !== 0
}

/** Letters and digits of ASCII in lower case, by their codes; 0: it is neither. */
const FOLDED = Uint8Array.from({ length: 128 }, (_, code) => {
  const letter = String.fromCharCode(code).toLowerCase()
  return /[a-z0-9]/.test(letter) ? letter.charCodeAt(0) : 0
})

/** Places in which a word may stand: one that others were made to crowd out has none. */
const STEPS_MAX = 32
/** No hash is it. */
const STRANGE = 0.5

function hashOf(text: string, from: number, to: number): number {
  let hash = 0
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at)
    if (code > 127) return STRANGE
    hash = mixed(hash, FOLDED[code]!)
  }
  return hash
}

/** Source: G. Fowler, L. C. Noll, K.-P. Vo, "FNV hash" (1991). */
function mixed(hash: number, code: number): number {
  return Math.imul(hash ^ code, 0x01000193)
}

function placeOf(hash: number, step: number, { length }: Int32Array): number {
  return ((hash ^ (hash >>> 15)) + step) & (length - 1)
}
