/** The in-memory store against the definition of its port. */
import { memoryStore } from '../src/memory-store.ts'
import { storeConformance } from '../src/store-suite/index.ts'

storeConformance({
  name: 'memoryStore',
  abilities: { persistent: true, twoSessions: true, artifacts: true, feeds: true },
  async open() {
    const store = memoryStore()
    const sessions = [store]
    const session = (): typeof store => {
      const next = store.session()
      sessions.push(next)
      return next
    }
    const close = async (): Promise<void> => {
      await Promise.all(sessions.splice(0).map((each) => each.close()))
    }
    return {
      store,
      second: async () => session(),
      kill: async (worker) => store.kill(worker),
      async reopen() {
        await close()
        return session()
      },
      close,
    }
  },
})
