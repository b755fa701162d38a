/**
 * alwaysReplay: a store that makes each recorded outcome end its pass, so that everything is replayed, all the time.
 *
 * After a commit with an outcome the run's pass is told of mail; the mail that it then finds asks it to give the run
 * back, as a cancel would. What is running is recorded first. Nothing of this reaches the journal.
 */
import type { StoreChange, Lease, Mail, MemoryStore, PassUnit } from '@keelson/core/ports'

const CONTROL: Omit<Mail, 'run' | 'at'> = { row: 0, onceKey: 'always-replay', kind: 'pause', payload: '{}' }

export function alwaysReplay(store: MemoryStore): MemoryStore {
  const marked = new Set<string>()
  const listeners = new Set<(change: StoreChange) => void>()
  return {
    ...store,
    async claim(query) {
      const answer = await store.claim(query)
      for (const { lease } of answer.claimed) marked.delete(idOf(lease))
      return answer
    },
    async commit(lease, unit) {
      const answer = await store.commit(lease, unit)
      if (answer.status === 'done' && hasOutcome(unit)) {
        marked.add(idOf(lease))
        queueMicrotask(() => {
          for (const listener of listeners) listener({ workspace: lease.workspace, runs: [lease.run] })
        })
      }
      return answer
    },
    async mail(of, after) {
      const mail = await store.mail(of, after)
      return 'epoch' in of && marked.has(idOf(of)) ? [...mail, { ...CONTROL, run: of.run, at: 0 }] : mail
    },
    watch(listener) {
      const each = (change: StoreChange): void => listener(change)
      listeners.add(each)
      const unwatch = store.watch(each)
      return () => {
        listeners.delete(each)
        unwatch()
      }
    },
  }
}

function hasOutcome({ next, entries = [] }: PassUnit): boolean {
  return next === undefined && entries.some(({ kind }) => kind.endsWith('.completed'))
}

function idOf({ workspace, run, epoch }: Lease): string {
  return JSON.stringify([workspace, run, epoch])
}
