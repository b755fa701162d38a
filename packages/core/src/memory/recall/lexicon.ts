/** Lexicon: numbers for the terms of one segment's texts, in the order in which they first came. */
import { speaksOfTime } from './dates.ts'
import { isLetter, Spelling } from './spelling.ts'
import { isPlain, rawWords, termsIn, WORD_MAX } from './words.ts'

/** What a text says, as far as an index asks: numbers of its terms in order, as often as they occur. */
export interface Reading {
  readonly terms: readonly number[]
  /** How many words it has, those that are no terms among them. */
  readonly words: number
  readonly timed: boolean
}

type Being<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] }

export class Lexicon {
  readonly #words = new Spelling()
  /** By word: its term, or `NONE`; and whether it speaks of time. */
  readonly #termOf: number[] = []
  readonly #timed: boolean[] = []
  readonly #terms = new Spelling()
  /** Terms that cannot be spelled, and the numbers of both. */
  readonly #strange = new Map<string, number>()
  readonly #numbers: number[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The number of a term that was met. */
  number(term: string): number | undefined {
    const spelled = this.#terms.number(term)
    return spelled === -1 ? this.#strange.get(term) : this.#numbers[spelled]
  }

  read(text: string): Reading {
    const reading: Being<Reading> = { terms: [], words: 0, timed: false }
    if (!isPlain(text)) {
      for (const word of rawWords(text)) this.#take(word, 0, word.length, reading)
      return reading
    }
    for (let at = 0; at < text.length; at++) {
      const from = at
      while (at < text.length && isLetter(text.charCodeAt(at))) at++
      if (at > from) this.#take(text, from, at, reading)
    }
    return reading
  }

  #take(text: string, from: number, to: number, reading: Being<Reading>): void {
    reading.words++
    const word = to - from > WORD_MAX ? -1 : this.#words.take(text, from, to)
    if (word === -1) {
      const strange = text.slice(from, to).toLowerCase()
      for (const term of termsIn([strange])) reading.terms.push(this.#numberOf(term))
      reading.timed ||= speaksOfTime([strange])
      return
    }
    if (word === this.#termOf.length) this.#meet(text.slice(from, to).toLowerCase())
    const term = this.#termOf[word]!
    if (term !== NONE) reading.terms.push(term)
    if (this.#timed[word]!) reading.timed = true
  }

  /** A word of ASCII is one term, or none. */
  #meet(word: string): void {
    const [term] = termsIn([word])
    this.#termOf.push(term === undefined ? NONE : this.#numberOf(term))
    this.#timed.push(speaksOfTime([word]))
  }

  #numberOf(term: string): number {
    const known = this.number(term)
    if (known !== undefined) return known
    const spelled = this.#terms.take(term)
    if (spelled === -1) this.#strange.set(term, this.#size)
    else this.#numbers[spelled] = this.#size
    return this.#size++
  }
}

/** A word that says nothing. */
const NONE = -1
