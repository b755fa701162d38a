/** The digest of a run that holds thousands of waits and timers: it looks at what has come and what is due, not at all. */
import { describe, expect, it } from 'vitest'
import { canonical } from '../base/json.ts'
import { chain, EMPTY_HEAD, type Draft } from '../journal/entry.ts'
import { fold, foldInto, type History } from '../journal/fold.ts'
import type { EntryData } from '../journal/kinds.ts'
import { digest, type Digest, type DigestAt } from './mail.ts'

const COUNT = 3000
const never = (): never => {
  throw new Error('a digest of timers and events asked the store')
}
const at: DigestAt = {
  store: new Proxy({}, { get: never }) as DigestAt['store'],
  workspace: 'w',
  run: 'r',
  order: 1,
  createdAt: 0,
  key: never,
  entries: never,
  leave: never,
  setByHand: never,
}

/** `COUNT` waits for one event each, with a deadline each, and the looks that were taken at whether one is open. */
function manyWaits(): { history: History; write: (drafts: readonly Draft[]) => void; looks: () => number } {
  const started = { input: '{}', by: { kind: 'person', id: 'ann' } } as unknown as EntryData['run.started']
  const history = fold(chain('w', 'r', EMPTY_HEAD, [{ kind: 'run.started', data: started }], 0, () => 's'))
  const write = (drafts: readonly Draft[]): void => {
    for (const entry of chain('w', 'r', history.head, drafts, 0, () => 's')) foldInto(history, entry)
  }
  write(
    Array.from({ length: COUNT }, (_, i) => ({
      kind: 'wait.opened' as const,
      key: `w${i}`,
      data: { hash: 'h', event: 'e', match: { i }, since: 0, until: 10 + i },
    })),
  )
  let looks = 0
  for (const op of history.ops.values()) {
    let { outcome } = op
    const get = (): typeof outcome => (looks++, outcome)
    Object.defineProperty(op, 'outcome', { get, set: (value: typeof outcome) => void (outcome = value) })
  }
  return { history, write, looks: () => looks }
}

function event(i: number, sentAt: number) {
  const payload = canonical({ id: `event ${i}`, event: 'e', payload: { i } })
  return { row: i, run: 'r', onceKey: `event ${i}`, kind: 'event', payload, at: sentAt }
}

const ended = ({ drafts }: Digest): string[] =>
  drafts.map((one) => `${'key' in one ? one.key : ''} ${'event' in one.data ? 'answered' : 'timed out'}`)

describe('a digest of a run that waits for thousands of things', () => {
  it('looks at the one whose deadline has passed', async () => {
    const { history, write, looks } = manyWaits()
    for (let i = 0; i < COUNT; i++) {
      const found = await digest(history, [], 10 + i, at)
      expect(ended(found)).toEqual([`w${i} timed out`])
      write(found.drafts)
    }
    expect(looks()).toBeLessThanOrEqual(6 * COUNT)
  })

  it('looks at the one whose event has come', async () => {
    const { history, write, looks } = manyWaits()
    for (let i = COUNT - 1; i >= 0; i--) {
      const found = await digest(history, [event(i, 5)], 5, at)
      expect(ended(found)).toEqual([`w${i} answered`])
      write(found.drafts)
    }
    expect(looks()).toBeLessThanOrEqual(6 * COUNT)
  })

  it('looks at each a few times when all comes at once: what was sent before its deadline beats it (P13)', async () => {
    const { history, looks } = manyWaits()
    const early = Array.from({ length: COUNT }, (_, i) => (i % 2 === 0 ? [event(i, 10 + i)] : [])).flat()
    const found = await digest(history, early, 10_000, at)
    const expected = Array.from({ length: COUNT }, (_, i) => `w${i} ${i % 2 === 0 ? 'answered' : 'timed out'}`)
    expect(ended(found).sort()).toEqual(expected.sort())
    expect(looks()).toBeLessThanOrEqual(8 * COUNT)
  })
})

describe('a digest of a verb that came too late', () => {
  it.each([
    ['retry', { key: 'gone' }, 'the run has no step "gone"'],
    ['setOutcome', { key: 'gone' }, 'the run has no step "gone"'],
    ['restart', { checkpoint: 'there' }, 'the run has not reached checkpoint "there"'],
  ])('refuses it by the name under which it was given: %s', async (verb, to, why) => {
    const { history } = manyWaits()
    const by = { kind: 'person', id: 'ann' } as const
    const payload = canonical({ by, to, verb, why: 'so' })
    const mail = { row: 1, run: 'r', onceKey: 'v', kind: 'rewind', payload, at: 0 }
    const { drafts } = await digest(history, [mail], 0, { ...at, entries: async () => [] })
    expect(drafts).toEqual([{ kind: 'run.refused', data: { by, verb, why } }])
  })
})
