/** OpenOnce: a store is opened by one conductor at a time: what the one is told, and closes, another would miss. */
import { KeelsonError } from '../base/errors.ts'
import type { MemoryStore } from '../journal/store.ts'

const inUse = new WeakSet<MemoryStore>()

/** Opens it. Throws `STORE_IN_USE` where another conductor of this process has this very store open. */
export async function openOnce<T>(store: MemoryStore, open: () => Promise<T>): Promise<T> {
  if (inUse.has(store)) {
    throw new KeelsonError('STORE_IN_USE', 'another conductor of this process has this very store open', {
      hint: "Make a store for each; they may be on the same file: store: sqlite('app.db'). Or stop() the other one first.",
    })
  }
  inUse.add(store)
  try {
    return await open()
  } catch (error) {
    inUse.delete(store)
    throw error
  }
}

/** Another conductor may open it. */
export function released(store: MemoryStore): void {
  inUse.delete(store)
}

/** Goes on with a store that was opened; where that fails, it is closed again. */
export async function orClosed<T>(store: MemoryStore, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await store.close().catch(() => {})
    released(store)
    throw error
  }
}
