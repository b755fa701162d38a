/** Rows: runs and entries for tests, chained as core chains them. */
import { chain, EMPTY_HEAD, headOf } from '@keelson/core/ports'
import type { ClaimQuery, Claimed, Entry, MemoryStore, NewRun } from '@keelson/core/ports'

export const W = 'acme'

/** `count` entries of `stream` behind those before. */
export function more(stream: string, before: readonly Entry[], count = 1, text = 'x', workspace = W): Entry[] {
  const drafts = Array.from({ length: count }, () => ({
    kind: 'step.completed' as const,
    key: 's',
    data: { ok: text },
  }))
  return chain(workspace, stream, headOf(before), drafts, 1000, () => 'c2FsdHNhbHRzYWx0c2FsdA')
}

export function newRun(id: string): NewRun {
  const entries = chain(W, id, EMPTY_HEAD, [{ kind: 'checkpoint.completed', data: {} }], 1000, () => 'salt')
  const place = { lane: null, laneWhileRunning: false, root: id, dueAt: 0, createdAt: 1000 }
  return { id, stream: id, playbook: 'book', version: 1, entries, ...place }
}

export function query(worker: string, change: Partial<ClaimQuery> = {}): ClaimQuery {
  return { worker, can: ['book@1'], now: 5000, limit: 100, suspectAfter: 3, alone: true, ...change }
}

export async function opened<S extends MemoryStore>(store: S, worker = 'one'): Promise<S> {
  await store.open({ worker, now: () => 2000 })
  return store
}

/** Starts a run and claims it. */
export async function leased(store: MemoryStore, worker: string, id = 'r'): Promise<Claimed> {
  await store.write(W, { starts: [newRun(id)] })
  return (await store.claim(query(worker))).claimed.find(({ lease }) => lease.run === id)!
}
