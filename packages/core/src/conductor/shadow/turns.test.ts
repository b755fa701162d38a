import { describe, expect, it } from 'vitest'
import { turn } from '../../base/clock.ts'
import type { Company } from '../company.ts'
import { turnIn, type Among } from './turns.ts'

const company = () => ({}) as Company

/** One that has met a conflict, and whether it may try again. */
function conflicted(of: Company, among: Among) {
  const own = turnIn(of, among)
  const state = { may: false, over: own.over }
  void own.next().then(async () => {
    await own.next()
    state.may = true
  })
  return state
}

describe('turns', () => {
  it('are taken by those that have conflicted, one after the other, and by nobody else', async () => {
    const acme = company()
    const first = conflicted(acme, 'ends')
    await turn()
    const second = conflicted(acme, 'ends')
    await turn()
    expect([first.may, second.may]).toEqual([true, false])
    let begun = false
    void turnIn(acme, 'ends')
      .next()
      .then(() => (begun = true))
    const other = conflicted(company(), 'ends')
    await turn()
    expect([begun, other.may]).toEqual([true, true])
    first.over()
    await turn()
    await turn()
    expect(second.may).toBe(true)
  })

  it('of what ends wait for no proposal, however long that takes', async () => {
    const acme = company()
    conflicted(acme, 'proposals')
    await turn()
    const [proposal, end] = [conflicted(acme, 'proposals'), conflicted(acme, 'ends')]
    await turn()
    expect([proposal.may, end.may]).toEqual([false, true])
  })

  it('are not taken by one that is over, which nobody would end', async () => {
    const acme = company()
    const gone = turnIn(acme, 'ends')
    await gone.next()
    gone.over()
    await gone.next()
    const next = conflicted(acme, 'ends')
    await turn()
    expect(next.may).toBe(true)
  })
})
