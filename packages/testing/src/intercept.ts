/** intercept: any MemoryStore with a stop before and behind each of its operations, for tests that crash or fail there. */
import { KeelsonError, type MemoryStore } from '@keelson/core/ports'

export type Operation = Exclude<keyof MemoryStore, 'kind' | 'watch'>

/** An operation and its arguments. */
export type Call = { [K in Operation]: [op: K, detail: Parameters<MemoryStore[K]>] }[Operation]

/** An operation, its arguments and what the store answered. */
export type Answered = {
  [K in Operation]: [op: K, detail: Parameters<MemoryStore[K]>, answer: Awaited<ReturnType<MemoryStore[K]>>]
}[Operation]

export interface Hooks {
  /** Runs before the store sees the call. A throw here is a failure that wrote nothing; a promise holds the call back. */
  before?(...call: Call): void | Promise<void>
  /** Runs when the store has answered, before the caller knows. A throw here is an answer that was lost. */
  after?(...answered: Answered): void | Promise<void>
}

/** `store` behind `hooks`. A hook that answers no promise keeps the calls of one turn in one turn. */
export function intercept(store: MemoryStore, hooks: Hooks): MemoryStore {
  const wrap = <K extends Operation>(op: K): MemoryStore[K] => {
    const call = store[op].bind(store) as (...detail: unknown[]) => Promise<unknown>
    const wrapped = async (...detail: unknown[]): Promise<unknown> => {
      const held = hooks.before?.(...([op, detail] as unknown as Call))
      if (held !== undefined) await held
      const answer = await call(...detail)
      const kept = hooks.after?.(...([op, detail, answer] as unknown as Answered))
      if (kept !== undefined) await kept
      return answer
    }
    return wrapped as MemoryStore[K]
  }
  return {
    kind: store.kind,
    open: wrap('open'),
    close: wrap('close'),
    workspaces: wrap('workspaces'),
    write: wrap('write'),
    claim: wrap('claim'),
    commit: wrap('commit'),
    beat: wrap('beat'),
    mail: wrap('mail'),
    runs: wrap('runs'),
    entries: wrap('entries'),
    records: wrap('records'),
    tail: wrap('tail'),
    putArtifact: wrap('putArtifact'),
    getArtifact: wrap('getArtifact'),
    adopt: wrap('adopt'),
    watch: (listener) => store.watch(listener),
  }
}

/** What a store throws when its disk, network or file fails; for a hook to throw. */
export function storeFailure(what = 'the store failed (on purpose)'): KeelsonError {
  return new KeelsonError('STORE_FAILED', what)
}
