/** What is known of each term is what the texts say, whenever it was asked for in between; and a text is read as its words are. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { speaksOfTime } from './dates.ts'
import { Lexicon } from './lexicon.ts'
import { Postings } from './postings.ts'
import { rawWords, termsIn } from './words.ts'

/** Slot, count, slot, count … of a term, as far as its units are there. */
function placesIn(postings: Postings, term: string, there: readonly boolean[]): number[] {
  const places: number[] = []
  for (const { places: all, from, to } of postings.of(term)?.stretches ?? [])
    for (let at = from; at < to; at += 2) if (there[all[at]!]!) places.push(all[at]!, all[at + 1]!)
  return places
}

function compare(
  postings: Postings,
  texts: readonly string[],
  there: readonly boolean[],
  terms: readonly string[],
): void {
  const counts = texts.map((text) => text.split(' '))
  for (const term of terms) {
    const wanted: number[] = []
    counts.forEach((words, slot) => {
      const count = words.filter((word) => word === term).length
      if (count > 0 && there[slot]!) wanted.push(slot, count)
    })
    expect(placesIn(postings, term, there)).toEqual(wanted)
    const posting = postings.of(term)
    expect(posting?.alive ?? 0).toBe(wanted.length / 2)
    for (let at = 0; at < wanted.length; at += 2) {
      expect(posting!.most).toBeGreaterThanOrEqual(wanted[at + 1]!)
      expect(posting!.share).toBeGreaterThanOrEqual(wanted[at + 1]! / counts[wanted[at]!]!.length)
    }
  }
}

it('know who has a term and how often, while units come, go and are numbered anew', () => {
  const words = ['tea', 'mint', 'x1', 'x2', 'x3', 'x4']
  const text = fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 6 }).map((list) => list.join(' '))
  const step = fc.oneof(
    fc.record({ add: fc.array(text, { minLength: 1, maxLength: 90 }) }),
    fc.record({ remove: fc.nat() }),
    fc.record({ keep: fc.constant(true) }),
    fc.record({ ask: fc.constantFrom(...words, 'nobody') }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const postings = new Postings()
      let texts: string[] = []
      let there: boolean[] = []
      for (const one of steps) {
        if ('add' in one)
          for (const said of one.add) {
            postings.add(said)
            texts.push(said)
            there.push(true)
          }
        else if ('remove' in one) {
          const slot = one.remove % Math.max(1, texts.length)
          if (there[slot] === true) postings.remove(slot)
          there[slot] &&= false
        } else if ('keep' in one) {
          const kept = texts.flatMap((_, slot) => (there[slot]! ? [slot] : []))
          postings.keep(kept)
          texts = kept.map((slot) => texts[slot]!)
          there = kept.map(() => true)
        } else compare(postings, texts, there, [one.ask])
      }
      compare(postings, texts, there, words)
    }),
    { examples: [[[{ add: ['mint'] }, { ask: 'mint' }, { remove: 0 }, { keep: true }, { add: ['tea'] }]]] },
  )
})

it('know it of more units than are in one stretch', () => {
  const postings = new Postings()
  const texts = Array.from({ length: 40_000 }, (_, n) =>
    `x${n % 7} x${n % 1001} x${n}`
      .split(' ')
      .slice(n % 2)
      .join(' '),
  )
  for (const text of texts) postings.add(text)
  const there = texts.map((_, slot) => slot % 3 !== 0)
  there.forEach((stays, slot) => stays || postings.remove(slot))
  compare(postings, texts, there, ['x0', 'x6', 'x500', 'x16383', 'x16384', 'x39999'])
  const kept = texts.flatMap((_, slot) => (there[slot]! ? [slot] : []))
  postings.keep(kept)
  compare(
    postings,
    kept.map((slot) => texts[slot]!),
    kept.map(() => true),
    ['x0', 'x6', 'x500', 'x39998'],
  )
})

it('read a text as its words, whatever stands in it', () => {
  const part = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      'Tea',
      'TEA',
      'tea',
      'the',
      'A',
      '7',
      '2023',
      'yesterday',
      'caf\u00e9',
      '\u6771\u4eac\u3067',
      ' ',
      '.',
      '\u212a',
    ),
    fc.string({ minLength: 30, maxLength: 60, unit: fc.constantFrom(...'abcXYZ019') }),
  )
  fc.assert(
    fc.property(
      fc.array(
        fc.array(part).map((parts) => parts.join(' ')),
        { maxLength: 6 },
      ),
      (texts) => {
        const lexicon = new Lexicon()
        const numbers = new Map<string, number>()
        for (const text of texts) {
          const words = rawWords(text)
          const terms = termsIn(words)
          for (const term of terms) if (!numbers.has(term)) numbers.set(term, numbers.size)
          const wanted = {
            terms: terms.map((term) => numbers.get(term)),
            words: words.length,
            timed: speaksOfTime(words),
          }
          expect(lexicon.read(text)).toEqual(wanted)
        }
        for (const [term, number] of numbers) expect(lexicon.number(term)).toBe(number)
        expect(lexicon.size).toBe(numbers.size)
      },
    ),
    { numRuns: 500 },
  )
})

it('read words that were made to crowd one another out as any others', () => {
  // All of one hash, as far as a table of this size looks at it.
  const words: string[] = []
  for (let n = 0; words.length < 80; n++) {
    const word = `k${n}`
    let hash = 0
    for (const letter of word) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193)
    if (((hash ^ (hash >>> 15)) & 1023) === 7) words.push(word)
  }
  const lexicon = new Lexicon()
  const numbers = words.map((_, n) => n)
  expect(lexicon.read(words.join(' ')).terms).toEqual(numbers)
  const others = Array.from({ length: 3000 }, (_, n) => `j${n}`)
  lexicon.read(others.join(' '))
  expect(lexicon.read(words.join(' ')).terms).toEqual(numbers)
  expect(words.map((word) => lexicon.number(word))).toEqual(numbers)
  expect(others.map((word) => lexicon.number(word))).toEqual(others.map((_, n) => words.length + n))
})
