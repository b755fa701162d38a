/** Subject: stores on temporary files, as the conformance suite wants them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MemoryStore } from '@keelson/core/ports'
import type { StoreSuite, Subject } from '../../testing/src/store-suite/index.ts'

/** A session whose death can be staged. */
export interface Mortal extends MemoryStore {
  abandon(): unknown
}

/** A folder that is removed by what is answered with it. */
export function temporary(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'keelson-sqlite-'))
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

export function suiteOf(name: string, session: (folder: string) => Mortal, feeds = true): StoreSuite {
  return {
    name,
    abilities: { persistent: true, twoSessions: true, artifacts: true, feeds },
    open: async () => subject(session),
  }
}

function subject(session: (folder: string) => Mortal): Subject {
  const { folder, remove } = temporary()
  const sessions: { store: Mortal; worker: string }[] = []
  const add = (): Mortal => {
    const store = session(folder)
    const entry = { store, worker: '' }
    sessions.push(entry)
    const open: MemoryStore['open'] = (options) => {
      entry.worker = options.worker
      return store.open(options)
    }
    return { ...store, open }
  }
  const closeAll = async (): Promise<void> => {
    for (const { store } of sessions.splice(0)) await store.close()
  }
  return {
    store: add(),
    second: async () => add(),
    async kill(worker) {
      await sessions.find((each) => each.worker === worker)?.store.abandon()
      const undertaker = session(folder)
      await undertaker.open({ worker: 'undertaker', now: () => 1000 })
      await undertaker.close()
    },
    async reopen() {
      await closeAll()
      return add()
    },
    async close() {
      await closeAll()
      remove()
    },
  }
}
