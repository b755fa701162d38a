/** intercept: any MemoryStore with a stop before and behind each of its operations, for tests that crash or fail there. */
import { KeelsonError, type MemoryStore } from '@keelson/core/ports'

export type Operation = Exclude<keyof MemoryStore, 'kind' | 'feeds' | 'upkeep' | 'watch'>

/** The arguments of a call, as the port has them: `[lease, unit]` of a commit, `[workspace, unit]` of a write. */
export type Detail = Parameters<MemoryStore[Operation]>

export interface Hooks {
  /** Runs before the store sees the call. A throw here is a failure that wrote nothing; a promise holds the call back. */
  before?(op: Operation, detail: Detail): void | Promise<void>
  /** Runs when the store has answered, before the caller knows. A throw here is an answer that was lost. */
  after?(op: Operation, detail: Detail, answer: unknown): void | Promise<void>
}

/** `store` behind `hooks`. A hook that answers no promise keeps the calls of one turn in one turn. */
export function intercept(store: MemoryStore, hooks: Hooks): MemoryStore {
  const wrap = <K extends Operation>(op: K): MemoryStore[K] => {
    const call = store[op].bind(store) as (...detail: Detail) => Promise<unknown>
    const wrapped = async (...detail: Detail): Promise<unknown> => {
      const held = hooks.before?.(op, detail)
      if (held !== undefined) await held
      const answer = await call(...detail)
      const kept = hooks.after?.(op, detail, answer)
      if (kept !== undefined) await kept
      return answer
    }
    return wrapped as MemoryStore[K]
  }
  return {
    kind: store.kind,
    feeds: store.feeds,
    ...(store.upkeep === undefined ? {} : { upkeep: store.upkeep }),
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
    getArtifact: wrap('getArtifact'),
    adopt: wrap('adopt'),
    watch: (listener) => store.watch(listener),
  }
}

/** What a store throws when its disk, network or file fails; for a hook to throw. */
export function storeFailure(what = 'the store failed (on purpose)'): KeelsonError {
  return new KeelsonError('STORE_FAILED', what)
}
