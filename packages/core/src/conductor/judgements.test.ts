import { describe, expect, it } from 'vitest'
import type { Entry } from '../journal/entry.ts'
import { Judgements } from './judgements.ts'

const entry = (stream: string, kind: string, data: object, key = 'send'): Entry =>
  ({ stream, seq: 1, kind, key, at: 1, payload: JSON.stringify(data) }) as unknown as Entry
const verdict = { verdict: 'ask', policy: 'p', reason: '', asks: [], holds: [], denies: [], holdMs: 0, found: {} }
const record = (state: string, more: object = {}) => ({ kind: 'effect', id: 'e', version: 1, data: { id: 'e', generation: 1, action: 'a', account: 'default', input: {}, state, ...more } }) // prettier-ignore

describe('the last judgement of an effect', () => {
  it('is of the persona that was nearest to its run', () => {
    const all = new Judgements()
    const personas = [{ name: 'boss', may: ['*'] }, { name: 'clerk', may: ['a'] }] // prettier-ignore
    all.take(entry('run:r:0', 'run.started', { playbook: 'p', personas, persona: 'boss' }, ''), {})
    all.take(entry('run:r:0', 'effect.sending', { effect: 'e', generation: 1, verdict, puts: [record('open')] }), {})
    expect(all.take(entry('run:r:0', 'effect.completed', { puts: [record('done')] }), {})).toMatchObject([
      { effect: 'e', run: 'r', persona: 'clerk', undo: false },
    ])
    expect(all.rest()).toEqual([])
  })

  it('is one of taking back where it takes something back', () => {
    const all = new Judgements()
    all.take(entry('run:r:0', 'effect.opened', { verdict, puts: [record('open', { compensates: 'x' })] }), {})
    expect(all.rest()).toMatchObject([{ undo: true, persona: undefined }])
  })
})
