import { describe, expect, it } from 'vitest'
import { likenessOf, type Lost } from './fidelity.ts'
import type { Would } from './would.ts'

const would = (more: Partial<Would>): Would => ({
  ...{ id: 'e1', run: 'r1', root: 'r1', playbook: 'p', version: 1, step: 's', action: 'a.b', account: 'default' },
  ...{ input: {}, output: { id: 'x' }, verdict: 'allow', reason: '', because: [], subjects: [], at: 0, order: 0 },
  ...more,
})
const lost: Lost = { id: 'e1', run: 'r1', root: 'r1', playbook: 'p', step: 's', action: 'a.b', at: 0 }
const says = () => ({ simulate: () => ({}) })
const saysNot = () => ({ simulate: undefined })

describe('the likeness of runs in shadow', () => {
  it('of records of before goes by what their actions can do today, and names no step', () => {
    expect(likenessOf([would({})], [], says)).toEqual({ fidelity: 'high', unsimulated: [] })
    expect(likenessOf([would({})], [], saysNot).fidelity).toBe('medium')
    expect(likenessOf([would({ output: null })], [], saysNot).fidelity).toBe('high')
    expect(likenessOf([would({}), would({ root: 'r2', place: 4 })], [], says).firstSimulatedStep).toBe(4)
  })

  it('is what was recorded, whatever the action can do since', () => {
    expect(likenessOf([would({ place: 1 })], [], saysNot).fidelity).toBe('high')
    expect(likenessOf([would({ place: 1, guessed: true })], [], says).fidelity).toBe('medium')
  })

  it('is of the first effect of each family', () => {
    const family = [would({ order: 1, run: 'child', place: 1 }), would({ order: 0, place: 5 })]
    expect(likenessOf(family, [], says).firstSimulatedStep).toBe(5)
  })

  it('is not held down by what was simulated when the run began anew', () => {
    expect(likenessOf([], [lost], says).fidelity).toBe('low')
    expect(likenessOf([would({ place: 1 })], [lost], says)).toMatchObject({ fidelity: 'high', unsimulated: [] })
  })
})
