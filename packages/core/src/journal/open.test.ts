/** What a run holds open: found by its deadline and its event, at a cost that does not grow with all that is open. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import { matches } from '../playbook/event.ts'
import { chain, EMPTY_HEAD, type Draft, type Entry } from './entry.ts'
import { fold, foldInto, type History } from './fold.ts'
import type { EntryData } from './kinds.ts'
import { isOpen, type Op } from './op.ts'

/** A run whose entries are written by hand. */
function runOf(...drafts: Draft[]) {
  const started = { input: '{}', by: { kind: 'person', id: 'ann' } } as unknown as EntryData['run.started']
  const first = chain('w', 'r', EMPTY_HEAD, [{ kind: 'run.started', data: started }], 0, () => 's')
  const history = fold(first)
  const write = (...more: Draft[]): Entry[] => {
    const entries = chain('w', 'r', history.head, more, 0, () => 's')
    for (const entry of entries) foldInto(history, entry)
    return entries
  }
  write(...drafts)
  return { history, write }
}

const sleep = (key: string, until: number): Draft => ({ kind: 'sleep.opened', key, data: { hash: 'h', until } })
const woke = (key: string): Draft => ({ kind: 'sleep.completed', key, data: {} })
const wait = (key: string, event: string, match: Json): Draft => ({
  kind: 'wait.opened',
  key,
  data: { hash: 'h', event, match, since: 0 },
})
const keys = (ops: Iterable<Op>): string[] => [...ops].map(({ key }) => key)

/** Counts every look at whether an operation has ended. */
function counted(history: History): () => number {
  let looks = 0
  for (const op of history.ops.values()) {
    let { outcome } = op
    const get = (): Op['outcome'] => (looks++, outcome)
    Object.defineProperty(op, 'outcome', { get, set: (value: Op['outcome']) => void (outcome = value) })
  }
  return () => looks
}

describe('the deadlines of a run', () => {
  it('are due in the order of their instants, then of their opening, and stay due until that is recorded', () => {
    const { history, write } = runOf(sleep('c', 30), sleep('a', 10), sleep('b', 10), sleep('d', 40))
    expect(history.deadlines.next()).toBe(10)
    expect(keys(history.deadlines.due(30))).toEqual(['a', 'b', 'c'])
    expect(keys(history.deadlines.due(30))).toEqual(['a', 'b', 'c'])
    write(woke('a'))
    expect(keys(history.deadlines.due(30))).toEqual(['b', 'c'])
    write(woke('b'), woke('c'))
    expect(history.deadlines.next()).toBe(40)
  })

  it('count once for what was opened again, with the last', () => {
    const ask = (until: number): Draft => ({ kind: 'ask.opened', key: 'q', data: { until } as EntryData['ask.opened'] })
    const { history, write } = runOf(ask(10), sleep('s', 20))
    write(ask(50))
    expect(keys(history.deadlines.due(60))).toEqual(['s', 'q'])
    write(ask(50))
    expect(keys(history.deadlines.due(60))).toEqual(['s', 'q'])
  })

  it('do not count for what was withdrawn', () => {
    const { history, write } = runOf(sleep('a', 10), sleep('b', 20))
    write({ kind: 'op.withdrawn', key: 'a', data: {} })
    expect(history.deadlines.next()).toBe(20)
  })

  it('are those of a look at all operations, whatever is set, ended and asked', () => {
    const deed = fc.record({
      what: fc.constantFrom('open', 'end'),
      key: fc.nat(20),
      until: fc.nat(50),
      ask: fc.nat(60),
    })
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 80 }), (deeds) => {
        const { history, write } = runOf()
        for (const { what, key, until, ask } of deeds) {
          const op = history.ops.get(`k${key}`)
          if (what === 'open' && op?.outcome === undefined) write(sleep(`k${key}`, until))
          if (what === 'end' && op !== undefined && isOpen(op)) write(woke(op.key))
          const all = [...history.ops.values()].filter((one) => isOpen(one) && one.until! <= ask)
          const sorted = all.sort((a, b) => a.until! - b.until! || a.opened!.seq - b.opened!.seq)
          expect(keys(history.deadlines.due(ask))).toEqual(keys(sorted))
        }
      }),
    )
  })

  it('of thousands that pass one by one are each looked at a few times, not all at each', () => {
    const looksOf = (count: number): number => {
      const { history, write } = runOf(...Array.from({ length: count }, (_, i) => sleep(`s${i}`, (i * 7919) % count)))
      const looks = counted(history)
      for (let now = 0; now < count; now++) {
        write(...keys(history.deadlines.due(now)).map(woke))
        history.deadlines.next()
      }
      expect(history.deadlines.next()).toBeUndefined()
      return looks()
    }
    expect(looksOf(5000)).toBeLessThanOrEqual(5 * 5000)
    expect(looksOf(5000) / looksOf(500)).toBeCloseTo(10, 0)
  })
})

describe('the waits of a run for events', () => {
  it('are found in the order of their opening, whatever they match on', () => {
    const { history, write } = runOf(
      wait('a', 'paid', { n: 1 }),
      wait('b', 'paid', {}),
      wait('c', 'paid', { n: 2 }),
      wait('d', 'paid', { n: 1, who: 'ann' }),
      wait('e', 'sent', { n: 1 }),
      wait('f', 'paid', { n: 1 }),
    )
    expect(keys(history.waits.of('paid', { n: 1, who: 'ann' }))).toEqual(['a', 'b', 'd', 'f'])
    expect(keys(history.waits.of('paid', { n: 1 }))).toEqual(['a', 'b', 'f'])
    expect(keys(history.waits.of('paid', 'a text'))).toEqual(['b'])
    write({ kind: 'wait.completed', key: 'a', data: {} })
    expect(keys(history.waits.of('paid', { n: 1 }))).toEqual(['b', 'f'])
  })

  it('are those that match, for any match and any payload', () => {
    const value = fc.oneof(
      fc.constantFrom(null, 0, -0, 1, '1', 'x'),
      fc.record({ deep: fc.nat(1) }),
      fc.array(fc.nat(1)),
    )
    const some = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'toString'), value, { maxKeys: 3 })
    fc.assert(
      fc.property(fc.array(some, { maxLength: 12 }), fc.oneof(some, value), (wanted, payload) => {
        const { history } = runOf(...wanted.map((match, i) => wait(`w${i}`, 'e', match as Json)))
        const fitting = wanted.flatMap((match, i) => (matches(match, payload) ? [`w${i}`] : []))
        expect(keys(history.waits.of('e', JSON.parse(canonical(payload))))).toEqual(fitting)
      }),
    )
  })

  it('of thousands are each looked at a few times when their events come one by one', () => {
    const looksOf = (count: number, match: (i: number) => Json): number => {
      const { history, write } = runOf(...Array.from({ length: count }, (_, i) => wait(`w${i}`, 'e', match(i))))
      const looks = counted(history)
      for (let i = 0; i < count; i++) {
        const [op] = history.waits.of('e', { i, all: true })
        write({ kind: 'wait.completed', key: op!.key, data: {} })
      }
      return looks()
    }
    expect(looksOf(5000, (i) => ({ i }))).toBeLessThanOrEqual(5 * 5000)
    expect(looksOf(5000, () => ({}))).toBeLessThanOrEqual(5 * 5000)
  })
})
