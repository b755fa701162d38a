/**
 * Wake: learns that another process wrote to the file, without asking again and again.
 *
 * K1. The truth is SQLite's `data_version`; a notice of the file system only says when to look.
 * K2. The log is written before it is flushed and the commit counts, so a notice is followed by looks for a while: a commit
 *     is seen moments after it is made, however long the disk takes, without a notice of its own.
 * K3. While no other worker's lock file is there, nothing is watched but the folder of the locks.
 */
import { mkdirSync, readdirSync, watch, type FSWatcher } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Handle } from './connection.ts'
import { locksOf } from './worker-lock.ts'

/** Should a notice get lost, the next look comes by itself. So long a worker can be dead before its runs are taken over. */
const SAFETY_MS = 2_000
/** When to look again after a notice (K2): each so long after the look before. */
const AGAIN_MS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]

export class Wake {
  readonly #handle: Handle
  readonly #path: string
  readonly #wrote: () => void
  readonly #passed: () => void
  readonly #watchers: FSWatcher[] = []
  #log: FSWatcher | undefined
  #safety: NodeJS.Timeout | undefined
  #again: NodeJS.Timeout | undefined
  #version: number
  #armed = false

  /** `wrote` is called after another connection has committed; `passed` now and then while there are others. */
  constructor(handle: Handle, path: string, wrote: () => void, passed: () => void = () => undefined) {
    this.#passed = passed
    this.#handle = handle
    this.#path = path
    this.#wrote = wrote
    this.#version = this.#read()
    const locks = locksOf(path)
    mkdirSync(locks, { recursive: true })
    this.#watchers.push(quietly(watch(locks, { persistent: false }, () => this.#follow())))
    this.#follow()
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close()
    clearTimeout(this.#again)
    this.#unfollow()
  }

  /** Looks now. */
  look(): void {
    const version = this.#read()
    if (version === this.#version) return
    this.#version = version
    this.#wrote()
  }

  /** Watches the log while there are others. */
  #follow(): void {
    if (this.#isAlone()) this.#unfollow()
    else if (this.#log === undefined) {
      const log = `${basename(this.#path)}-wal`
      const notice = (_: string, name: string | null): void => {
        if (name === null || name === log) this.#soon()
      }
      this.#log = quietly(watch(dirname(this.#path), { persistent: false }, notice))
      this.#safety = setInterval(() => {
        if (!this.#handle.open) return this.close()
        this.look()
        this.#passed()
      }, SAFETY_MS).unref()
    }
    this.#soon()
  }

  #isAlone(): boolean {
    try {
      return readdirSync(locksOf(this.#path)).filter((name) => name.endsWith('.lock')).length <= 1
    } catch {
      return false // the folder went away: it is looked for others in the slow way
    }
  }

  #unfollow(): void {
    this.#log?.close()
    this.#log = undefined
    clearInterval(this.#safety)
  }

  /** Once for the many notices of one commit. */
  #soon(): void {
    if (this.#armed) return
    this.#armed = true
    clearTimeout(this.#again)
    setImmediate(() => {
      this.#armed = false
      this.#lookAgain(0)
    }).unref()
  }

  #lookAgain(round: number): void {
    if (!this.#handle.open) return
    this.look()
    const delay = AGAIN_MS[round]
    if (delay !== undefined) this.#again = setTimeout(() => this.#lookAgain(round + 1), delay).unref()
  }

  #read(): number {
    return this.#handle.pragma('data_version', { simple: true }) as number
  }
}

/** A watch that fails (a folder that went away) leaves the slow look. */
function quietly(watcher: FSWatcher): FSWatcher {
  return watcher.on('error', () => watcher.close())
}
