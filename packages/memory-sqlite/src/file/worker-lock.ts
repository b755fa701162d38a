/**
 * WorkerLock: a worker is alive as long as it holds an exclusive transaction on a small file of its own.
 *
 * W1. Only taking the lock proves its death: a process that is stopped, or slow, still holds it.
 * W2. Locks are only ever touched through SQLite: opening such a file by other means would drop this process's locks.
 * W3. Who removes a lock file holds the lock; who takes one makes sure afterwards that it is still the file at the path.
 */
import { mkdirSync, rmSync, statSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import type { Driver, Handle } from './connection.ts'
import { isBusy } from './failure.ts'

export interface WorkerLock {
  /** Gives the lock back and removes its file. */
  release(): void
}

/** The folder of the lock files of a store. */
export function locksOf(path: string): string {
  return `${path}-workers`
}

/**
 * Takes the lock of a worker; undefined: somebody holds it. Waits at most `patienceMs`.
 *
 * `probes` keeps the files of workers that were found alive open, so that asking again costs next to nothing.
 */
export function takeLock(
  Database: Driver,
  path: string,
  worker: string,
  patienceMs: number,
  probes?: Map<string, Probe>,
): WorkerLock | undefined {
  return takeFile(Database, join(locksOf(path), `${fileName(worker)}.lock`), patienceMs, probes)
}

/** The same of any lock file. */
export function takeFile(
  Database: Driver,
  file: string,
  patienceMs: number,
  probes = new Map<string, Probe>(),
): WorkerLock | undefined {
  for (;;) {
    const probe = probes.get(file) ?? openProbe(Database, file, patienceMs)
    probes.delete(file)
    try {
      probe.handle.exec('begin exclusive')
    } catch (error) {
      if (isBusy(error)) {
        probes.set(file, probe)
        return undefined
      }
      probe.handle.close()
      // A file that was removed under an open handle, perhaps before it was looked at: take the one at the path.
      if (probe.identity === undefined || probe.identity !== identity(file)) continue
      throw error
    }
    if (probe.identity !== undefined && probe.identity === identity(file)) return held(probe, file)
    probe.handle.close()
  }
}

export interface Probe {
  readonly handle: Handle
  readonly identity: string | undefined
}

function openProbe(Database: Driver, file: string, patienceMs: number): Probe {
  mkdirSync(dirname(file), { recursive: true })
  const handle = new Database(file, { timeout: patienceMs })
  return { handle, identity: identity(file) }
}

function held({ handle, identity: own }: Probe, file: string): WorkerLock {
  return {
    release() {
      if (!handle.open) return
      try {
        if (identity(file) === own) rmSync(file, { force: true })
      } catch {
        // Windows keeps files that are open; an empty lock file that nobody holds does no harm.
      }
      handle.close()
    },
  }
}

function identity(file: string): string | undefined {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`
}

function fileName(worker: string): string {
  const name = encodeURIComponent(worker).replaceAll('*', '%2A')
  return name.length <= 120 ? name : createHash('sha256').update(worker).digest('hex')
}
