/**
 * SQLite for the crash matrix: a new file each time, and sessions that can be killed.
 *
 * A killed session loses its connection and the lock that proves it alive. What was queued for the flush at the end of the
 * turn is lost with it: units that share a transaction all die in it, as in a crash inside the flush.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MemoryStore } from '@keelson/core/ports'
import type { CrashStore } from '@keelson/testing'
import type { Handle } from '../packages/memory-sqlite/src/file/connection.ts'
import { fileStore } from '../packages/memory-sqlite/src/file/store.ts'
import { onBlank } from '../packages/memory-sqlite/test/blank.ts'

const root = mkdtempSync(join(tmpdir(), 'keelson-crash-'))
// A dead session may still write its mark a moment later, so the folder stays until the process ends.
process.on('exit', () => rmSync(root, { recursive: true, force: true }))
let files = 0

export const sqliteFiles: CrashStore = {
  name: 'sqlite',
  async open() {
    const path = join(root, `${++files}.db`)
    const kills = new Map<string, () => void>()
    return {
      session() {
        let close = (): void => {}
        const tamper = (handle: Handle): void => void (close = () => handle.close())
        const store = onBlank(path, fileStore(path, { durability: 'process', tamper }))
        const open: MemoryStore['open'] = async (options) => {
          const opened = await store.open(options)
          kills.set(options.worker, () => {
            store.abandon()
            close()
          })
          return opened
        }
        return { ...store, open }
      },
      kill: (worker) => kills.get(worker)?.(),
    }
  },
}
