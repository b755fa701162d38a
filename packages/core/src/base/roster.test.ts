import { describe, expect, it } from 'vitest'
import { Roster } from './roster.ts'

function of(...names: string[]): Roster<string> {
  const roster = new Roster<string>()
  for (const name of names) roster.set(name, name.toUpperCase())
  return roster
}

describe('a roster', () => {
  it('holds what was set and not removed, in the order in which it came', () => {
    const roster = of('a', 'b', 'c')
    roster.set('a', 'again')
    roster.delete('b')
    roster.delete('unknown')
    expect([roster.size, roster.get('a'), roster.get('b'), roster.has('c')]).toEqual([2, 'again', undefined, true])
    expect([...roster.values()]).toEqual(['again', 'C'])
    expect(roster.names()).toEqual(['a', 'c'])
  })

  it('is empty once its last was removed or all were, and takes up others', () => {
    for (const empty of [(roster: Roster<string>) => roster.delete('a'), (roster: Roster<string>) => roster.clear()]) {
      const roster = of('a')
      empty(roster)
      expect([roster.size, roster.has('a'), [...roster.values()]]).toEqual([0, false, []])
      roster.set('b', 'B')
      expect([...roster.values()]).toEqual(['B'])
    }
  })

  it('leaves out what goes while its values are looked at, down to the last', () => {
    const roster = of('a', 'b', 'c')
    const seen: string[] = []
    for (const value of roster.values()) {
      seen.push(value)
      roster.delete('a')
      roster.delete('b')
    }
    roster.set('d', 'D')
    expect(seen).toEqual(['A', 'C'])
    for (const value of roster.values()) {
      seen.push(value)
      roster.clear()
    }
    expect([seen, roster.size]).toEqual([['A', 'C', 'C'], 0])
  })
})
