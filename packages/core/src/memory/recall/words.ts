/**
 * Words: what a text is found by: folded, stemmed, without the words that every text has.
 *
 * Scripts that are written without spaces are cut into pairs of characters.
 */
import { baseOf } from './irregular.ts'
import { Spelling } from './spelling.ts'
import { stem } from './stem.ts'

const WORD = /[\p{L}\p{N}]+/gu
/** Han, kana, Thai, Lao, Khmer, Burmese: no spaces between words. */
const DENSE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
/** A longer "word" is no word: a key, a hash, a line of base64. Its head is enough to find it. */
export const WORD_MAX = 40

// eslint-disable-next-line no-control-regex -- all of ASCII, which has nothing to take apart
const ASCII = /^[\u0000-\u007f]*$/

/** Has it nothing to fold but capital letters? */
export function isPlain(text: string): boolean {
  return ASCII.test(text)
}

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
  const plain = isPlain(text) ? text : text.normalize('NFKD').replace(/\p{M}+/gu, '')
  return plain.toLowerCase().match(WORD) ?? []
}

/** The terms of a text, in order, repeated as often as they occur. */
export function termsOf(text: string): string[] {
  return termsIn(rawWords(text))
}

/** The same of its words. */
export function termsIn(words: readonly string[], lately: Lately = INDEXED): string[] {
  const terms: string[] = []
  for (const word of words) for (const term of termsOfWord(word, lately)) terms.push(term)
  return terms
}

/** The terms of words that were met lately. A language has few words in daily use. */
interface Lately {
  readonly most: number
  words: Spelling
  terms: (readonly string[])[]
}

const INDEXED: Lately = { most: 50_000, words: new Spelling(), terms: [] }
/** Words of questions, which are fewer: they are found sooner among themselves. */
export const ASKED: Lately = { most: 5_000, words: new Spelling(), terms: [] }

export function isStop(word: string): boolean {
  return STOP.has(word)
}

function termsOfWord(word: string, lately: Lately): readonly string[] {
  if (word.length > WORD_MAX) return made(word).map(copied)
  if (lately.words.size >= lately.most) Object.assign(lately, { words: new Spelling(), terms: [] })
  const number = lately.words.take(word)
  return number === -1 ? made(word).map(copied) : (lately.terms[number] ??= made(word).map(copied))
}

function made(word: string): string[] {
  if (DENSE.test(word)) {
    const characters = [...word]
    if (characters.length === 1) return [word]
    return characters.slice(1).map((second, at) => characters[at]! + second)
  }
  if (word.length > 1 ? STOP.has(word) : !/\p{N}/u.test(word)) return []
  return [stemmed(word.slice(0, WORD_MAX))]
}

/** A long part of a text holds on to all of the text: what is kept must not. */
function copied(part: string): string {
  return part.length < PART_MIN ? part : (JSON.parse(JSON.stringify(part)) as string)
}

/** V8 copies shorter ones anyway. */
const PART_MIN = 13

export function stemmed(word: string): string {
  return stem(baseOf(word))
}
