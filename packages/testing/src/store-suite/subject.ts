/** Subject: the store that the suite examines, and how a check gets at it. */
import { expect, it, onTestFinished } from 'vitest'
import type { MemoryStore } from '@keelson/core/ports'

/** What an adapter is asked to do. Declared, never sniffed; what is declared false is not checked. */
export interface Abilities {
  /** Data outlives `close()`: a later session finds all that was acknowledged. */
  readonly persistent: boolean
  /** Several sessions may be open on the same data at once, as several processes would. */
  readonly twoSessions: boolean
  /** Units bring bytes and `getArtifact` gives them back. */
  readonly artifacts: boolean
  /** Records written with sort 'position' come in the order of their commits (S8): what the store says by `feeds`. */
  readonly feeds: boolean
}

/** One set of data and the ways to it. The suite itself calls `open` on every session that it is given. */
export interface Subject {
  readonly store: MemoryStore
  /** Another session on the same data. */
  second(): Promise<MemoryStore>
  /** Makes a worker dead without `close()`, as SIGKILL would; its session may still be called, as a late answer would. */
  kill(worker: string): Promise<void>
  /** Ends every session gracefully and answers with a new one on the same data. */
  reopen(): Promise<MemoryStore>
  /** Ends everything and removes the data. */
  close(): Promise<void>
}

export interface StoreSuite {
  readonly name: string
  /** Fresh, empty data. */
  open(): Promise<Subject>
  readonly abilities: Abilities
}

/** A subject at the beginning of a check: one session is open as worker `one`, the time is 1000. */
export interface Desk {
  readonly store: MemoryStore
  readonly clock: { now: number }
  /** Opens another session as `worker`. */
  readonly another: (worker?: string) => Promise<MemoryStore>
  readonly kill: (worker: string) => Promise<void>
  /** Ends all sessions and opens one as worker `again`. */
  readonly reopen: () => Promise<MemoryStore>
}

/** `it` on a fresh desk, left out when `when` is false. */
export function checks(suite: StoreSuite, when = true): (title: string, body: (desk: Desk) => Promise<void>) => void {
  return (title, body) =>
    it.runIf(when)(title, async () => {
      expect.hasAssertions()
      const subject = await suite.open()
      onTestFinished(() => subject.close())
      await body(await openDesk(subject))
    })
}

/** `checks` that need a second session. */
export function checksOfTwo(suite: StoreSuite): ReturnType<typeof checks> {
  return checks(suite, suite.abilities.twoSessions)
}

export async function openDesk(subject: Subject): Promise<Desk> {
  const clock = { now: 1000 }
  const opened = async (store: MemoryStore, worker: string): Promise<MemoryStore> => {
    await store.open({ worker, now: () => clock.now })
    return store
  }
  return {
    store: await opened(subject.store, 'one'),
    clock,
    another: async (worker = 'two') => opened(await subject.second(), worker),
    kill: (worker) => subject.kill(worker),
    reopen: async () => opened(await subject.reopen(), 'again'),
  }
}
