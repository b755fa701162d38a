/** Question: what a text asks the index for: terms, names that are known, dates, whether it asks when. */
import { datesIn, type Mention } from './dates.ts'
import { ASKED, isStop, rawWords, termsIn } from './words.ts'

export interface Question {
  readonly terms: readonly string[]
  /** It says nothing but names. */
  readonly namesOnly: boolean
  /** Names known to the index that it mentions. */
  readonly names: readonly string[]
  readonly dates: readonly Mention[]
  readonly asksWhen: boolean
}

/** Of a longer text, the head is read; of more terms, the first so many. */
const CHARACTERS_MAX = 20_000
const TERMS_MAX = 64
/** Longest name, in words. */
const NAME_WORDS = 5

/** Reads any text: nothing in it is syntax. `knows` tells names. */
export function questionOf(text: string, knows: (name: string) => boolean): Question {
  const words = rawWords(text.slice(0, CHARACTERS_MAX))
  const names = new Set<string>()
  const rest: string[] = []
  for (let at = 0; at < words.length;) {
    const length = nameAt(words, at, knows)
    if (length === 0) rest.push(words[at++]!)
    else {
      names.add(words.slice(at, at + length).join(' '))
      at += length
    }
  }
  const terms = distinct(rest)
  return {
    // Who asks for nothing but a name wants what mentions it.
    terms: terms.length === 0 ? distinct([...names].flatMap((name) => name.split(' '))) : terms,
    namesOnly: terms.length === 0 && names.size > 0,
    names: [...names],
    dates: datesIn(words).mentions,
    asksWhen:
      /^\s*(when|since when|until when|how long|(on |in |at )?(what|which) (date|day|month|year|time|week))\b/i.test(
        text.slice(0, 200),
      ),
  }
}

function nameAt(words: readonly string[], at: number, knows: (name: string) => boolean): number {
  for (let length = Math.min(NAME_WORDS, words.length - at); length > 0; length--) {
    if (length === 1 && isStop(words[at]!)) return 0
    if (knows(words.slice(at, at + length).join(' '))) return length
  }
  return 0
}

function distinct(words: readonly string[]): string[] {
  const terms = new Set<string>()
  for (const word of words) {
    for (const term of termsIn([word], ASKED)) {
      if (terms.size >= TERMS_MAX) return [...terms]
      terms.add(term)
    }
  }
  return [...terms]
}
