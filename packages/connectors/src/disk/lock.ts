/**
 * Lock: one holder at a time among all processes of a machine that ask for the same path.
 *
 * L1. Everyone who wants the lock creates a file of a name of its own beside the path, then lists those files. Whoever
 *     sees another live one takes its own away and tries again later. Of two holders the later one to list would have
 *     seen the other's file, so there are never two.
 * L2. A file is dead when its process is: then anyone may remove it. Its name is unique, so nobody removes a live one.
 * L3. What cannot be told (another host, a process id in use again) counts as alive: the wait ends with an error that
 *     names the file, never with two holders.
 */
import { randomBytes } from 'node:crypto'
import { open, readdir, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { ActionError } from '@keelson/core'
import pRetry from 'p-retry'
import { errorCode, sha256Hex } from './atomic.ts'

/** About half a minute in all, less than an action may take. */
const PACE = { retries: 60, minTimeout: 5, factor: 1.2, maxTimeout: 250, randomize: true }

/** Those of this thread wait for each other here, so that only one of them competes for the file. */
const queues = new Map<string, Promise<void>>()

/** Runs `work` while holding the lock of `path`. Throws class 'retry' when others hold it for too long. */
export async function withLock<T>(path: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const before = queues.get(path) ?? Promise.resolve()
  const turn = before.then(() => hold(path, signal, work))
  const over = turn.then(
    () => undefined,
    () => undefined,
  )
  queues.set(path, over)
  void over.then(() => queues.get(path) === over && queues.delete(path))
  return turn
}

async function hold<T>(path: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted()
  const own = await take(path, signal)
  try {
    return await work()
  } finally {
    await drop(own)
  }
}

const HELD = new Error('held')

async function take(path: string, signal: AbortSignal): Promise<string> {
  let last = ''
  const tries = async (): Promise<string> => {
    const { own, other } = await attempt(path)
    if (other === undefined) return own
    last = other
    throw HELD
  }
  // Not stopped by the signal in the middle of a try: one that succeeds unheeded would leave a lock that nobody drops.
  const shouldRetry = ({ error }: { error: Error }): boolean => error === HELD && !signal.aborted
  try {
    const own = await pRetry(tries, { ...PACE, shouldRetry })
    if (!signal.aborted) return own
    await drop(own)
  } catch (error) {
    if (error !== HELD) throw error
  }
  signal.throwIfAborted()
  throw new ActionError({ class: 'retry' }, `another process holds the lock ${last}`, {
    data: { hint: 'If no process is using the file any more, delete that lock file.' },
  })
}

async function attempt(path: string): Promise<{ own: string; other?: string }> {
  const folder = dirname(path)
  const prefix = `.${basename(path)}.lock-`
  const name = `${prefix}${HOST}-${process.pid}-${STARTED}-${randomBytes(6).toString('hex')}`
  await (await open(join(folder, name), 'wx')).close()
  const own = join(folder, name)
  try {
    const names = await readdir(folder)
    for (const other of names.filter((found) => found.startsWith(prefix) && found !== name)) {
      if (alive(other.slice(prefix.length))) {
        await drop(own)
        return { own, other: join(folder, other) }
      }
      await unlink(join(folder, other)).catch(ignoreMissing)
    }
    return { own }
  } catch (error) {
    await drop(own)
    throw error
  }
}

async function drop(own: string): Promise<void> {
  await unlink(own).catch(ignoreMissing)
}

/** Hosts are told apart by a short hash, as their names may hold anything. */
const HOST = sha256Hex(hostname()).slice(0, 12)
/** When this process began, in seconds: a container's next process often has the same id. */
const STARTED = Math.round(Date.now() / 1000 - process.uptime())

function alive(owner: string): boolean {
  const [host, pid, started] = owner.split('-')
  if (host !== HOST) return true
  if (Number(pid) === process.pid) return Math.abs(Number(started) - STARTED) <= 5
  try {
    process.kill(Number(pid), 0)
    return true
  } catch (error) {
    return errorCode(error) !== 'ESRCH'
  }
}

function ignoreMissing(error: unknown): void {
  if (errorCode(error) !== 'ENOENT') throw error
}
