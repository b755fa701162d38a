/**
 * Words: what a text is found by: folded, stemmed, without the words that every text has.
 *
 * Scripts that are written without spaces are cut into pairs of characters.
 */
import { baseOf } from './irregular.ts'
import { stem } from './stem.ts'

const WORD = /[\p{L}\p{N}]+/gu
/** Han, kana, Thai, Lao, Khmer, Burmese: no spaces between words. */
const DENSE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
/** A longer "word" is no word: a key, a hash, a line of base64. Its head is enough to find it. */
const WORD_MAX = 40

/** Words that say nothing about what a text is about. */
const STOP = new Set(
  (
    'a about above after again against all also am an and any are as at be because been before being below between both but by ' +
    'can could did do does doing don down during each few for from further get got had has have having he her here hers herself ' +
    'him himself his how i if in into is it its itself just ll m me more most my myself no nor not now of off on once only or ' +
    'other our ours ourselves out over own re s same she should so some such t than that the their theirs them themselves then ' +
    'there these they this those through to too under until up us ve very was we were what when where which while who whom why ' +
    'will with would you your yours yourself yourselves d'
  ).split(' '),
)

/** The words of a text in order, folded: lower case, without accents. */
export function rawWords(text: string): string[] {
  const folded = text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
  return folded.match(WORD) ?? []
}

/** The terms of a text, in order, repeated as often as they occur. */
export function termsOf(text: string): string[] {
  return termsIn(rawWords(text))
}

/** The same of its words. */
export function termsIn(words: readonly string[]): string[] {
  const terms: string[] = []
  for (const word of words) push(terms, word)
  return terms
}

export function isStop(word: string): boolean {
  return STOP.has(word)
}

function push(terms: string[], word: string): void {
  if (DENSE.test(word)) {
    const characters = [...word]
    if (characters.length === 1) terms.push(word)
    for (let at = 0; at + 1 < characters.length; at++) terms.push(characters[at]! + characters[at + 1]!)
    return
  }
  if (word.length > 1 ? STOP.has(word) : !/\p{N}/u.test(word)) return
  terms.push(stemmed(word.slice(0, WORD_MAX)))
}

/** Stems that were made lately. A language has few words in daily use. */
const stems = new Map<string, string>()
const STEMS_MAX = 50_000

export function stemmed(word: string): string {
  let known = stems.get(word)
  if (known === undefined) {
    known = stem(baseOf(word))
    if (stems.size >= STEMS_MAX) stems.clear()
    stems.set(word, known)
  }
  return known
}
