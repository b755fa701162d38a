/** What a run in shadow would have done, beside what was done: which belongs to which. */
import { describe, expect, it } from 'vitest'
import { matched, type Act } from './agreement.ts'

const act = (ref: string, at: number, ...subjects: string[]): Act => {
  return { ref, action: 'mail.send', input: {}, subjects, at, by: 'person Ann' }
}
const would = (id: string, at: number, ...subjects: string[]) => ({ id, action: 'mail.send', input: {}, subjects, at })
const refs = (found: Map<string, Act>) => Object.fromEntries([...found].map(([id, { ref }]) => [id, ref]))

describe('the counterpart of what would have been done', () => {
  it('is what has its intent, though something else about the same customer is nearer in time', () => {
    const woulds = [would('w1', 0, 'invoice 1', 'customer'), would('w2', 1, 'invoice 2', 'customer')]
    const acts = [act('a2', 0, 'invoice 2', 'customer'), act('a1', 5, 'invoice 1', 'customer')]
    expect(refs(matched(woulds, acts, 10))).toEqual({ w1: 'a1', w2: 'a2' })
  })

  it('is what rests on the same, where nothing has its intent', () => {
    const woulds = [would('w1', 0, 'invoice 1', 'customer')]
    expect(refs(matched(woulds, [act('a', 3, 'invoice 9', 'customer')], 10))).toEqual({ w1: 'a' })
    expect(refs(matched(woulds, [act('a', 11, 'invoice 1', 'customer')], 10))).toEqual({})
  })

  it("is the nearest in time, and nobody else's", () => {
    const woulds = [would('w1', 0, 'c'), would('w2', 10, 'c'), would('w3', 20, 'c')]
    expect(refs(matched(woulds, [act('late', 11, 'c'), act('early', 1, 'c')], 10))).toEqual({ w1: 'early', w2: 'late' })
  })

  it('is the very same input where one of the two names nothing that it is about', () => {
    const asked = (id: string, to: string, subject: string, loose: boolean) => ({ ...would(id, 0, subject), input: { to }, loose }) // prettier-ignore
    const did = (ref: string, to: string, subject: string, loose: boolean) => ({ ...act(ref, 1, subject), input: { to }, loose }) // prettier-ignore
    const woulds = [asked('w1', 'ada', 'entity ada', false), asked('w2', 'ben', 'input ben', true)]
    expect(refs(matched(woulds, [did('a1', 'ada', 'input ada', true), did('a2', 'ben', 'entity ben', false)], 10))).toEqual({ w1: 'a1', w2: 'a2' }) // prettier-ignore
    expect(refs(matched(woulds, [did('a1', 'ada', 'entity other', false), did('a2', 'eve', 'x', true)], 10))).toEqual({}) // prettier-ignore
  })
})
