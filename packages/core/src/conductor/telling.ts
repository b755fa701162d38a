/** Telling: a store that says, in this process, which runs it has just delivered mail to: one in flight takes it in at once. */
import { KeelsonError } from '../base/errors.ts'
import type { Answer, Delivery, MemoryStore } from '../journal/store.ts'

/** `store`, calling back after each unit that delivered something. */
export function telling(store: MemoryStore, tell: (workspace: string, runs: readonly string[]) => void): MemoryStore {
  const told = async (workspace: string, deliveries: readonly Delivery[], answer: Promise<Answer>): Promise<Answer> => {
    const done = await answer
    if (done.status === 'done') {
      const runs = deliveries.map((one) => one.run)
      tell(workspace, runs)
    }
    return done
  }
  // Nearly every unit delivers nothing: its answer is handed on as it is.
  const over: Pick<MemoryStore, 'write' | 'commit'> = {
    write(workspace, unit) {
      const answer = store.write(workspace, unit)
      return unit.deliveries === undefined || unit.deliveries.length === 0
        ? answer
        : told(workspace, unit.deliveries, answer)
    },
    commit(lease, unit) {
      const answer = store.commit(lease, unit)
      return unit.deliveries === undefined || unit.deliveries.length === 0
        ? answer
        : told(lease.workspace, unit.deliveries, answer)
    },
  }
  const bound = new Map<string | symbol, unknown>(Object.entries(over))
  let closed = false
  bound.set('close', async () => {
    await store.close()
    closed = true
  })
  return new Proxy(store, {
    get(target, name) {
      if (closed && name !== 'close' && typeof Reflect.get(target, name, target) === 'function') return stopped
      const known = bound.get(name)
      if (known !== undefined) return known
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const method = value.bind(target) as unknown
      bound.set(name, method)
      return method
    },
  })
}

async function stopped(): Promise<never> {
  throw new KeelsonError('CONDUCTOR_STOPPED', 'this conductor was stopped, and its store is closed', {
    hint: 'Create another one on the same store: what was started goes on there.',
  })
}
