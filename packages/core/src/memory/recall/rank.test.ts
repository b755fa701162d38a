/** Ranking on its own: what words, neighbours, names, dates and authority do, and that order of writing does nothing. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Parts } from './factors.ts'
import { rank } from './rank.ts'
import { Segment, type Indexed } from './segment.ts'
import { stem } from './stem.ts'

type Turn = Indexed

function segment(turns: readonly (Omit<Turn, 'id' | 'at'> & { at?: number; text: string })[]): Segment<Turn> {
  const made = new Segment<Turn>()
  turns.forEach(({ text, ...turn }, ord) => made.add({ id: String(ord), at: 0, thread: 'one', ord, ...turn }, text))
  return made
}

function found(made: Segment<Turn>, question: string): string[] {
  return rank([made], question, { limit: 10 }).map(({ unit }) => unit.id)
}

/** Two hundred words that say nothing about what is asked. */
const LONG = Array.from({ length: 200 }, (_, i) => `filler${i % 50}`).join(' ')

describe('rank', () => {
  it('finds other forms of a word', () => {
    expect(['painted', 'painting', 'paints'].map(stem)).toEqual(['paint', 'paint', 'paint'])
    expect(
      found(
        segment([
          { text: 'She went to the market', thread: 'a' },
          { text: 'nothing', thread: 'b' },
        ]),
        'where did she go',
      ),
    ).toEqual(['0'])
  })

  it('finds the answer to a question by the words of the question', () => {
    const turns = segment([
      { text: 'What did the dentist cost?' },
      { text: 'About ninety.' },
      { text: 'Fine weather.' },
    ])
    expect(found(turns, 'dentist cost').slice(0, 2).sort()).toEqual(['0', '1'])
  })

  it('lends no context to long messages and takes none from them', () => {
    const long = segment([{ text: `dentist ${LONG}` }, { text: 'About ninety.' }, { text: `Fine weather. ${LONG}` }])
    expect(found(long, 'dentist')).toEqual(['0'])
    const alone = segment([
      { text: `dentist ${LONG}`, thread: 'a' },
      { text: 'About ninety.', thread: 'b' },
      { text: `Fine weather. ${LONG}`, thread: 'c' },
    ])
    const score = (made: Segment<Turn>): number => rank([made], 'dentist', { limit: 1 })[0]!.parts.lexical
    expect(score(long)).toBeCloseTo(score(alone), 10)
  })

  it('takes a name for the one who speaks, and not for a word', () => {
    const turns = segment([
      { text: 'Bob, I love tea', speaker: 'Ada', thread: 'a' },
      { text: 'I love tea', speaker: 'Bob', thread: 'b' },
    ])
    expect(found(turns, 'What does Bob love?')).toEqual(['1', '0'])
  })

  it('prefers a date that is named, and whose word counts for more', () => {
    const [march, may] = [Date.UTC(2023, 2, 8), Date.UTC(2023, 4, 8)]
    expect(
      found(
        segment([
          { text: 'we met', at: march, thread: 'a' },
          { text: 'we met', at: may, thread: 'b' },
        ]),
        'met in March 2023',
      ),
    ).toEqual(['0', '1'])
    expect(
      found(
        segment([
          { text: 'we met', authority: 0.4, thread: 'a' },
          { text: 'we met', authority: 1, thread: 'b' },
        ]),
        'met',
      ),
    ).toEqual(['1', '0'])
  })

  it('finds the same with the same scores, whatever came and went before', () => {
    const texts = Array.from(
      { length: 60 },
      (_, i) =>
        `turn ${i} of ${['gold', 'silver', 'tea'][i % 3]} and ${['cats', 'dogs'][i % 2]}${i % 7 === 0 ? '?' : ''}`,
    )
    const look = (made: Segment<Turn>): string =>
      JSON.stringify(
        rank([made], 'gold tea and cats', { limit: 50 }).map(({ unit, score, parts }) => [unit.id, score, parts]),
      )
    const straight = segment(texts.map((text) => ({ text })))
    const other = new Segment<Turn>()
    const turn = (ord: number): Turn => ({ id: String(ord), at: 0, thread: 'one', ord })
    for (let i = 200; i < 300; i++) other.add(turn(i), `gold noise ${i}`)
    texts.map((_, i) => (i * 37) % 60).forEach((ord) => other.add(turn(ord), texts[ord]!))
    for (let i = 200; i < 300; i++) other.remove(String(i))
    for (const ord of [3, 9, 30]) other.remove(String(ord))
    for (const ord of [30, 3, 9]) other.add(turn(ord), texts[ord]!)
    expect(look(other)).toBe(look(straight))
  })

  it('says which terms of the question are in a unit, and what they are worth, of however many that the index holds', () => {
    const word = (n: number): string => `q${n}`
    const turns = Array.from({ length: 40 }, (_, n) => ({
      text: [word(n), word(n + 1), word(2 * n), 'tea'].join(' '),
      thread: String(n),
    }))
    const made = segment(turns.slice(0, 20))
    // So many that leave that all are numbered anew.
    for (let n = 0; n < 1200; n++) made.add({ id: `gone ${n}`, at: 0 }, `${word(n % 80)} tea`)
    for (const [n, { text, thread }] of turns.entries()) if (n >= 20) made.add({ id: String(n), at: 0, thread }, text)
    for (let n = 0; n < 1200; n++) made.remove(`gone ${n}`)
    for (const asked of [[3], [1, 2, 33, 65], [0, 31, 32, 64, 78], Array.from({ length: 60 }, (_, n) => n)]) {
      const question = [...asked.map(word), 'tea'].join(' ')
      for (const { unit, parts } of rank([made], question, { limit: 40 })) {
        const own = turns[Number(unit.id)]!.text.split(' ')
        expect(parts.matched).toEqual(question.split(' ').filter((one) => own.includes(one)))
        expect(parts.context).toBeCloseTo(0, 9)
      }
    }
  })

  it('reads scripts without spaces', () => {
    expect(found(segment([{ text: '昨日東京に行きました' }, { text: '今日は晴れです' }]), '東京')).toContain('0')
  })
})

describe('the best of many', () => {
  const words = ['tax', 'invoice', 'audit', 'when', 'paid', 'Anna', 'in', 'May', 'office', 'lease', '?']
  const texts = fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 8 }).map((list) => list.join(' '))
  const turns = fc.record({
    text: texts,
    at: fc.integer({ min: 0, max: 3 }),
    thread: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
    authority: fc.constantFrom(1, 0.7, 0.4),
    about: fc.option(fc.constant(['Anna']), { nil: undefined }),
    scope: fc.integer({ min: 0, max: 1 }),
    gone: fc.boolean(),
  })

  it('are those of a scan of all, in its order, with its scores, however few are wanted and whoever may not be found', () => {
    const world = fc.record({
      given: fc.array(turns, { maxLength: 60 }),
      threads: fc.boolean(),
      question: texts,
      limit: fc.integer({ min: 0, max: 12 }),
      hidden: fc.integer({ min: 2, max: 5 }),
    })
    fc.assert(
      fc.property(world, ({ given, threads, question, limit, hidden }) => {
        const segments = [new Segment<Indexed>(), new Segment<Indexed>()]
        for (const [ord, { text, scope, thread, about, at, authority }] of given.entries()) {
          const unit = { id: String(ord), at, authority, ord, ...(about === undefined ? {} : { about }) }
          segments[scope]!.add(threads && thread !== undefined ? { ...unit, thread } : unit, text)
        }
        for (const [ord, { gone, scope }] of given.entries()) if (gone) segments[scope]!.remove(String(ord))
        const where = ({ id }: Indexed): boolean => Number(id) % hidden !== 0
        const all = rank(segments, question, { limit: given.length + 1 })
        const wanted = all.filter(({ unit }) => where(unit)).slice(0, limit)
        expect(rank(segments, question, { limit, where })).toEqual(wanted)
        for (const { score, parts } of all) expect(score).toBeCloseTo(productOf(parts), 9)
        expect(all.map(orderOf)).toEqual(all.map(orderOf).sort(inOrder))
      }),
      { numRuns: 1000 },
    )
  })
})

function productOf({ lexical, context, thread, name, date, question, time, length, authority }: Parts): number {
  return (lexical + context + thread) * name * date * question * time * length * authority
}

type Order = readonly [score: number, at: number, id: string]

function orderOf({ score, unit }: { score: number; unit: Indexed }): Order {
  return [score, unit.at, unit.id]
}

function inOrder(a: Order, b: Order): number {
  return b[0] - a[0] || b[1] - a[1] || (a[2] < b[2] ? -1 : 1)
}
