/** The best of very many are those that a scan of all finds, to the last bit: whoever is passed over would not have been among them. */
import { expect, it } from 'vitest'
import { rank } from './rank.ts'
import { Segment, type Indexed } from './segment.ts'
import { termsOf } from './words.ts'

const WORLDS = 60
const [K1, B] = [1, 0.75]

interface Said extends Indexed {
  readonly text: string
  readonly hidden: boolean
}

/** Numbers in [0, 1), the same for the same seed. */
function randoms(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return (state >>> 0) / 2 ** 32
  }
}

/** Scores everything, as the weights say: no index, nothing passed over. Answers ids with scores. */
function scan(all: readonly Said[], question: string, limit: number): [string, number][] {
  const asked = [...new Set(termsOf(question.replace(/^Anna /, '')))]
  const own = all.map((unit) => ({ unit, terms: termsOf(unit.text) }))
  const mean = own.reduce((sum, { terms }) => sum + terms.length, 0) / own.length
  const having = (term: string): number => own.filter(({ terms }) => terms.includes(term)).length
  const worths = asked.map((term) => Math.log(1 + (own.length - having(term) + 0.5) / (having(term) + 0.5)))
  const scored = own.map(({ unit, terms }) => {
    let score = 0
    asked.forEach((term, at) => {
      const count = terms.filter((one) => one === term).length
      if (count > 0) score += worths[at]! * ((count * (K1 + 1)) / (count + K1 * (1 - B + B * (terms.length / mean))))
    })
    const name = question.startsWith('Anna ') && unit.about !== undefined ? 1.35 : 1
    const asks = unit.text.endsWith('?') ? 0.8 : 1
    const time = question.startsWith('when ') && /\b(today|2023)\b/.test(unit.text) ? 1.2 : 1
    const length = Math.pow((Math.min(terms.length, 24) + 1) / 24, 0.2)
    return { unit, score: score * (name * 1 * asks * time * length * unit.authority!) }
  })
  return scored
    .filter(({ unit, score }) => score > 0 && !unit.hidden)
    .sort((a, b) => b.score - a.score || b.unit.at - a.unit.at || (a.unit.id < b.unit.id ? -1 : 1))
    .slice(0, limit)
    .map(({ unit, score }) => [unit.id, score])
}

it('finds what a scan of all finds, whoever came, went, may not be found, or counts for less', () => {
  for (let seed = 1; seed <= WORLDS; seed++) {
    const random = randoms(seed * 7919)
    const below = (most: number): number => Math.floor(random() * most)
    // Few words are in very many texts, and many in few.
    const word = (): string => `w${Math.floor(Math.exp(random() * Math.log(400)))}`
    const hides = [0, 0.02, 0.5, 0.98][seed % 4]!
    const same = seed % 3 === 0
    const repeats = (): number => (same || random() < 0.9 ? 1 : 1 + below(6))
    const said = (id: number): Said => ({
      id: `m${id}`,
      at: below(3),
      authority: same ? 1 : [1, 0.9, 0.7, 0.4][below(4)]!,
      hidden: random() < hides,
      ...(random() < 0.2 ? { about: ['Anna'] } : {}),
      text: [
        ...Array.from({ length: same ? 3 : 1 + below(30) }, word).flatMap((one) => Array<string>(repeats()).fill(one)),
        ...[random() < 0.1 ? 'today' : 'and', random() < 0.1 ? '?' : '.'],
      ]
        .join(' ')
        .replace(' ?', '?'),
    })
    const segments = [new Segment<Said>(), new Segment<Said>()]
    const all = new Map<string, Said>()
    const of = (unit: Said): Segment<Said> => segments[unit.id.endsWith('7') ? 1 : 0]!
    const put = (unit: Said): void => {
      of(unit).add(unit, unit.text)
      all.set(unit.id, unit)
    }
    for (let id = 0; id < 1200; id++) put(said(id))
    for (let turn = 0; turn < 12; turn++) {
      for (let n = 0; n < 40; n++) {
        const unit = said(below(1300))
        if (random() < 0.5) put(unit)
        else if (all.delete(unit.id)) of(unit).remove(unit.id)
      }
      const words = Array.from({ length: 1 + below(8) }, word)
      const question = [...['', 'Anna', 'when'].slice(turn % 3, (turn % 3) + 1), ...words].join(' ').trim()
      const limit = 1 + below(25)
      const found = rank(segments, question, { limit, where: ({ hidden }) => !hidden })
      const best = found.filter(({ score }) => score > 0).map(({ unit, score }) => [unit.id, score])
      expect(best).toEqual(scan([...all.values()], question, limit))
    }
  }
})
