/**
 * Files: stores on SQLite for `exploreCrashes`: a new file each time, and sessions that can be killed.
 *
 * A killed session loses its connection and the lock that proves it alive. What was queued for the flush at the end of the
 * turn is lost with it: units that share a transaction all die in it, as in a crash inside the flush.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MemoryStore } from '@keelson/core/ports'
import type { Handle } from '../file/connection.ts'
import { fileStore } from '../file/store.ts'
import { onBlank } from './blank.ts'

/** What `exploreCrashes({ stores })` takes. */
export interface KillableStores {
  readonly name: string
  /** A new, empty one. */
  open(): Promise<{
    /** As one process opens it. */
    session(): MemoryStore
    /** The process of that worker is gone: what was not committed is lost, and its lock is free. */
    kill(worker: string): void
  }>
}

/**
 * Stores on SQLite files for tests that die: `exploreCrashes(test, { stores: [sqliteFiles()] })`.
 *
 * Files are in a new folder within `folder` (default: the system's for temporary files; one in memory is quickest), which goes with
 * the process. They survive the death of a process, not a power cut: a test has none.
 */
export function sqliteFiles({ folder = tmpdir() }: { readonly folder?: string } = {}): KillableStores {
  let root: string | undefined
  let files = 0
  return {
    name: 'sqlite',
    async open() {
      root ??= made(folder)
      return killable(join(root, `${++files}.db`))
    },
  }
}

/** A dead session may still write its mark a moment later, so the folder stays until the process ends. */
function made(folder: string): string {
  const root = mkdtempSync(join(folder, 'keelson-crash-'))
  if (roots.length === 0)
    process.once('exit', () => roots.forEach((one) => rmSync(one, { recursive: true, force: true })))
  roots.push(root)
  return root
}

const roots: string[] = []

function killable(path: string): Awaited<ReturnType<KillableStores['open']>> {
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
}
