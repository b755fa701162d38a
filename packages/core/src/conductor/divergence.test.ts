import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { haltDifference } from './divergence.ts'

const told = (before: string, after: string) =>
  haltDifference({ why: 'diverged', unasked: ['other', before], fresh: [after], later: [] })

describe('a difference of names', () => {
  it.each([
    ['at 1900000000000', 'at 1900000000001'],
    ['one 0.25', 'one 0.5'],
    ['x9e-7', 'x0.5#2'],
    ['all[ann].at 5', 'all[ann].at 7'],
    ['id 00f1ab32-94f0-4b53-a3a4-7d07e1b9b1d2', 'id c0ffee00-94f0-4b53-a3a4-7d07e1b9b1d2'],
  ])('that a clock or chance makes says where to take these from: %s, %s', (before, after) => {
    const { text, hint } = told(before, after)
    expect(text).toMatch(/"; their names differ in a number$/)
    expect(hint).toMatch(/^If the code is still the same.*ctx\.now\(\), ctx\.random\(\).*declare changes/)
  })

  it.each([
    ['a#2', 'a#3'],
    ['a', 'b'],
    ['a1', 'b1'],
  ])('that the code makes says how to bring both together: %s, %s', (before, after) => {
    const { text, hint } = told(before, after)
    expect(text).toBe(`recorded, but not asked for: "other", "${before}"; asked for, but not recorded: "${after}"`)
    expect(hint).toMatch(/^Bring back the old code/)
  })

  it('looks at each name a few times, however many differ', () => {
    const looked = vi.spyOn(String.prototype, 'replace')
    onTestFinished(() => looked.mockRestore())
    const keys = (name: string) => Array.from({ length: 300 }, (_, n) => `all[customer ${n}].${name}`)
    const halt = { why: 'diverged', unasked: keys('before'), fresh: keys('after'), later: [] } as const
    expect(haltDifference(halt).hint).toMatch(/^Bring back the old code/)
    expect(looked.mock.calls.length).toBeLessThan(10 * 600)
  })
})
