/** Given back: what a conductor holds and nobody leads, when its store works again (C4), whenever that was lost. */
import { KeelsonError } from '@keelson/core'
import type { Lease, MemoryStore, PassUnit } from '@keelson/core/ports'
import { describe, expect, it } from 'vitest'
import { code, open, store } from '../support/open.ts'

const broken = (): KeelsonError => new KeelsonError('STORE_FAILED', 'the disk is full')
const givesBack = ({ next, entries = [] }: PassUnit): boolean => next?.to === 'due' && entries.length === 0

describe('a run whose pass ended with a failure of the store', () => {
  it(
    'goes on when the store works again, although it failed while others were given back',
    { timeout: 60_000 },
    async () => {
      const gate = Promise.withResolvers<void>()
      const reached = Promise.withResolvers<void>()
      const late = Promise.withResolvers<number>()
      const begun = { late: Promise.withResolvers<void>(), first: Promise.withResolvers<void>() }
      const session = store().session()
      let fails = new Set<string>()
      const commit: MemoryStore['commit'] = async (lease: Lease, unit) => {
        if (givesBack(unit) && lease.run === 'first') {
          reached.resolve()
          await gate.promise
        } else if (fails.delete(lease.run)) throw broken()
        return session.commit(lease, unit)
      }
      const failing = new Proxy(session, {
        get: (of, name) => (name === 'commit' ? commit : Reflect.get(of, name, of)),
      })
      const waits = code(
        (ctx) =>
          ctx.step('wait', () => {
            begun.late.resolve()
            return late.promise
          }),
        { name: 'waits' },
      )
      const quick = code(
        (ctx) =>
          ctx.step('work', () => {
            begun.first.resolve()
            return 1
          }),
        { name: 'quick' },
      )
      const conductor = await open({ session: () => failing } as never, { playbooks: [waits, quick] })
      await conductor.start(waits, {}, { id: 'late' })
      await begun.late.promise
      fails = new Set(['first'])
      await conductor.start(quick, {}, { id: 'first' })
      await reached.promise
      fails = new Set(['late'])
      late.resolve(2)
      await expect.poll(() => fails.size).toBe(0)
      await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setImmediate(resolve))
      gate.resolve()
      expect(await conductor.runs.get('first').result({ timeout: '15s' })).toBe(1)
      expect(await conductor.runs.get('late').result({ timeout: '15s' })).toBe(2)
    },
  )
})
