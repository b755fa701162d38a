/** Telling: a store that says, in this process, which runs it has just delivered mail to: one in flight takes it in at once. */
import type { Answer, Delivery, MemoryStore } from '../journal/store.ts'

/** `store`, calling back after each unit that delivered something. */
export function telling(store: MemoryStore, tell: (workspace: string, runs: readonly string[]) => void): MemoryStore {
  const told = async (
    workspace: string,
    deliveries: readonly Delivery[] | undefined,
    answer: Promise<Answer>,
  ): Promise<Answer> => {
    const done = await answer
    if (deliveries !== undefined && deliveries.length > 0 && done.status === 'done')
      tell(
        workspace,
        deliveries.map((one) => one.run),
      )
    return done
  }
  const over: Pick<MemoryStore, 'write' | 'commit'> = {
    write: (workspace, unit) => told(workspace, unit.deliveries, store.write(workspace, unit)),
    commit: (lease, unit) => told(lease.workspace, unit.deliveries, store.commit(lease, unit)),
  }
  return new Proxy(store, {
    get(target, name) {
      if (name === 'write' || name === 'commit') return over[name]
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
