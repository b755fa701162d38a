/** What the client of a soak says of effects of which nobody heard: the truth, as the world knows it. */
import { describe, expect, it } from 'vitest'
import { saidOf } from './client.ts'
import type { Done } from './world.ts'

const done = (verb: Done['verb']): Done => ({ verb, order: 3, key: 'key 3', ref: `${verb}-3-0` })

describe('the client of a soak, asked whether an effect happened', () => {
  it('says that it did, and with what output, where the world did it under its key', () => {
    const item = { action: 'post.dispatch', key: 'key 3' }
    expect(saidOf(item, [{ ...done('dispatch'), key: 'another' }, done('dispatch')])).toEqual({
      outcome: 'happened',
      output: { ref: 'dispatch-3-0' },
    })
  })

  it('says of what was taken back that it was, without an output', () => {
    expect(saidOf({ action: 'site.publish', key: 'key 3' }, [done('unpublish')])).toEqual({
      outcome: 'happened',
      output: null,
    })
  })

  it('has looked for anew what is not there: a call that is on its way may still come', () => {
    expect(saidOf({ action: 'post.dispatch', key: 'key 3' }, [])).toEqual({ outcome: 'look-again' })
  })

  it('says that it did not where nothing can be looked for, and the world would take a second call for the first', () => {
    expect(saidOf({ action: 'bank.charge', key: 'key 3' }, [])).toEqual({ outcome: 'did-not-happen' })
  })
})
