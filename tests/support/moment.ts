/** A harness store in which something happens in the very moment in which an entry of a kind is about to be committed. */
import type { PassUnit } from '@keelson/core/ports'
import { intercept, memoryStore, type TestStore } from '@keelson/testing'

/** `what` happens before the first commit of an entry of this kind (and key), or before the `nth`. */
export function inTheMomentOf(
  { kind, key, nth = 1 }: { kind: string; key?: string; nth?: number },
  what: () => Promise<unknown>,
): TestStore {
  const store = memoryStore()
  let seen = 0
  return {
    kill: (worker) => store.kill(worker),
    session: () =>
      intercept(store.session(), {
        before(op, detail) {
          const { entries = [] } = op === 'commit' ? (detail[1] as PassUnit) : {}
          if (!entries.some((entry) => entry.kind === kind && (key ?? entry.key) === entry.key) || ++seen !== nth)
            return
          return what().then(() => {})
        },
      }),
  }
}
