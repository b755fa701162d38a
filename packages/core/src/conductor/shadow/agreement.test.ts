/** What a run in shadow would have done, beside what was done: which belongs to which. */
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { agree, agrees, fieldsOf, matched, proposalOf, type Act } from './agreement.ts'

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

  it('is what agrees with it, though something else of the same subject is nearer', () => {
    const alike = (one: { id: string }, { ref }: Act) => one.id.slice(1) === ref.slice(1)
    const woulds = [would('w9', 0, 'c'), would('w1', 1, 'c'), would('w2', 3, 'c')]
    const acts = [act('a1', 2, 'c'), act('a2', 4, 'c')]
    expect(refs(matched(woulds, acts, 10, alike))).toEqual({ w1: 'a1', w2: 'a2' })
    expect(refs(matched(woulds, [...acts, act('a', 5, 'c')], 10, alike))).toEqual({ w9: 'a', w1: 'a1', w2: 'a2' })
    expect(refs(matched([would('w1', 0, 'i', 'c')], [act('a1', 0, 'j', 'c'), act('a2', 9, 'i')], 10, alike))).toEqual({ w1: 'a2' }) // prettier-ignore
  })
})

describe('what something done is the counterpart of', () => {
  const woulds = [would('w1', 0, 'c'), would('w2', 4, 'c'), would('w3', 5, 'other'), would('w4', 9, 'c')]

  it('is the nearest proposal of its subject that agrees with it, or else the nearest', () => {
    expect(proposalOf(act('a', 5, 'c'), woulds, 10, ({ id }) => id !== 'w2')?.id).toBe('w4')
    expect(proposalOf(act('a', 5, 'c'), woulds, 10, () => false)?.id).toBe('w2')
    expect(proposalOf(act('a', 5, 'c'), woulds, 0, () => true)).toBeUndefined()
  })
})

describe('whether two inputs agree', () => {
  const long = 'a text of many words that is the same but for its very end'
  it.each([
    [{ to: 'ada', text: long }, { to: 'ada', text: `${long} here` }, ['to', 'text']],
    [{ to: 'ada', text: long }, { to: 'ben', text: long }, []],
    [{ to: 'ada', text: long }, { to: 'ben', text: long }, ['text']],
    [{ to: 'ada', cents: 5 }, { to: 'ada' }, []],
    [{ to: 'ada', cents: 100 }, { to: 'ada', cents: 101 }, ['cents']],
    ['ada', 'ben', []],
  ])('is what all its fields say: %j, %j', (would, did, material) => {
    for (const tolerance of [0, 0.1])
      expect(agree(would, did, material, tolerance)).toBe(agrees(fieldsOf(would, did, material, tolerance)))
  })

  it('is told without a look at what does not decide, or at texts where something else does', () => {
    const shut = (to: string) => ({ to, get text(): string { throw new Error('it was read') } }) // prettier-ignore
    expect(agree(shut('ada'), shut('ada'), ['to'], 0)).toBe(true)
    const read = vi.spyOn(String.prototype, 'toLowerCase')
    onTestFinished(() => read.mockRestore())
    expect(agree({ text: long, to: 'ada' }, { text: `${long} here`, to: 'ben' }, [], 0)).toBe(false)
    expect(read).not.toHaveBeenCalled()
    expect(agree({ text: long, to: 'ada' }, { text: `${long} here`, to: 'ada' }, [], 0)).toBe(true)
    expect(read).toHaveBeenCalled()
  })
})
