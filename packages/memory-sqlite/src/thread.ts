/**
 * Thread: file stores in a thread of their own, so that waiting for the disk does not hold up the host.
 *
 * T1. When the thread dies, another takes its place. Writes that were under way are looked up first: what landed is
 *     answered as done, only the rest is written again.
 * T2. Leases do not outlive the thread, because a claim may have landed whose answer nobody got: they are freed as by
 *     `close`, and passes under way find themselves fenced.
 * T3. The thread keeps the process alive only while a call is under way, and ends with its last open file.
 */
import { existsSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import {
  KeelsonError,
  reviveError,
  Roster,
  type StoreChange,
  type Instant,
  type Lease,
  type PassUnit,
} from '@keelson/core/ports'
import type { BackupProgress } from './file/backup.ts'
import { closed } from './file/failure.ts'
import type { FileOptions, FileStore } from './file/store.ts'
import { gathered, THREAD, type Reply, type Request } from './keelson-sqlite-worker.ts'

interface Pending {
  readonly request: Request
  readonly progress?: ((at: BackupProgress) => void) | undefined
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/** A file of the thread, as its host knows it. */
interface Remote {
  readonly id: number
  readonly path: string
  readonly options: FileOptions
  readonly listeners: Set<(change: StoreChange) => void>
  session: { readonly worker: string; readonly now: () => Instant } | undefined
}

type Method = Request['method']

export class Thread {
  readonly #keeps: boolean
  readonly #files = new Map<number, Remote>()
  readonly #pending = new Roster<Pending, number>()
  #worker: Worker | undefined
  #send: (request: Request) => void = () => undefined
  #ids = 0

  /** `keeps`: it outlives its last file, and waits for the next. */
  constructor(options: { keeps?: boolean } = {}) {
    this.#keeps = options.keeps ?? false
  }

  file(path: string, options: FileOptions): FileStore {
    const file: Remote = { id: ++this.#ids, path, options, listeners: new Set(), session: undefined }
    const call =
      <M extends Exclude<Method, 'watch'>>(method: M): ((...args: Parameters<FileStore[M]>) => Promise<never>) =>
      (...args) =>
        this.#call(file, method, args)
    return {
      kind: 'sqlite',
      feeds: true,
      open: (session) => this.#open(file, session),
      close: () => this.#close(file),
      watch: (listener) => this.#watch(file, listener),
      backup: (to, progress) => this.#call(file, 'backup', [to], progress),
      compact: call('compact'),
      abandon: () => void this.#call(file, 'abandon', []),
      landed: call('landed'),
      soonest: call('soonest'),
      leased: call('leased'),
      workspaces: call('workspaces'),
      write: call('write'),
      claim: call('claim'),
      commit: call('commit'),
      beat: call('beat'),
      mail: call('mail'),
      runs: call('runs'),
      entries: call('entries'),
      records: call('records'),
      tail: call('tail'),
      getArtifact: call('getArtifact'),
      adopt: call('adopt'),
    }
  }

  /** Ends the thread at once, whatever is under way. */
  async terminate(): Promise<void> {
    await this.#worker?.terminate()
  }

  async #open(file: Remote, session: NonNullable<Remote['session']>): ReturnType<FileStore['open']> {
    file.session = session
    this.#files.set(file.id, file)
    try {
      return await this.#call(file, 'open', [session.worker])
    } catch (error) {
      await this.#forget(file)
      throw error
    }
  }

  async #close(file: Remote): Promise<void> {
    if (file.session === undefined) return
    const closing = this.#call(file, 'close', [])
    file.session = undefined
    file.listeners.clear()
    await closing.finally(() => this.#forget(file))
  }

  async #forget(file: Remote): Promise<void> {
    file.session = undefined
    this.#files.delete(file.id)
    if (this.#files.size > 0 || this.#keeps) return
    const worker = this.#worker
    this.#worker = undefined
    await worker?.terminate()
  }

  #watch(file: Remote, listener: (change: StoreChange) => void): () => void {
    if (file.session === undefined) throw closed(file.path)
    if (file.listeners.size === 0) this.#call(file, 'watch', []).catch(() => undefined)
    const each = (change: StoreChange): void => listener(change)
    file.listeners.add(each)
    return () => void file.listeners.delete(each)
  }

  #call(file: Remote, method: Method, args: readonly unknown[], progress?: Pending['progress']): Promise<never> {
    const { id, path, session } = file
    if (session === undefined) return Promise.reject(closed(path))
    return new Promise<never>((resolve, reject) => {
      const opens = method === 'open' ? { opens: { path, options: file.options } } : {}
      this.#post({
        request: { id: ++this.#ids, file: id, method, args, now: session.now(), ...opens },
        ...{ progress, resolve, reject },
      })
    })
  }

  #post(pending: Pending): void {
    if (this.#worker === undefined) this.#spawn()
    this.#pending.set(pending.request.id, pending)
    this.#worker!.ref()
    this.#send(pending.request)
  }

  #spawn(): void {
    const worker = new Worker(codeOfThread(), { workerData: THREAD })
    worker.unref()
    worker.on('message', (replies: readonly Reply[]) => replies.forEach((reply) => this.#hear(reply)))
    // An error is followed by an exit.
    worker.on('error', () => undefined)
    worker.on('exit', () => void this.#lost(worker))
    this.#worker = worker
    this.#send = gathered((batch) => worker.postMessage(batch))
  }

  #hear(reply: Reply): void {
    if ('change' in reply) {
      const listeners = this.#files.get(reply.file)?.listeners ?? []
      for (const listener of listeners) listener(reply.change)
      return
    }
    const pending = this.#pending.get(reply.id)
    if (pending === undefined) return
    if ('progress' in reply) return pending.progress?.(reply.progress)
    this.#pending.delete(reply.id)
    if (this.#pending.size === 0) this.#worker?.unref()
    if ('error' in reply) pending.reject(reviveError(reply.error))
    else pending.resolve(reply.value as never)
  }

  /** Opens in another thread what was open in this one, and finishes there what was under way (T1). */
  async #lost(worker: Worker): Promise<void> {
    if (this.#worker !== worker) return
    this.#worker = undefined
    const orphans = [...this.#pending.values()]
    this.#pending.clear()
    const opening = new Set(
      orphans.filter(({ request }) => request.method === 'open').map(({ request }) => request.file),
    )
    const files = [...this.#files.values()].filter(({ id }) => !opening.has(id))
    await Promise.all(
      files.map((file) =>
        this.#reopen(
          file,
          orphans.filter(({ request }) => request.file === file.id),
        ),
      ),
    )
    for (const { request, reject } of orphans) if (opening.has(request.file)) reject(gone())
  }

  async #reopen(file: Remote, orphans: readonly Pending[]): Promise<void> {
    const { path, session } = file
    if (session === undefined) return orphans.forEach(({ resolve }) => resolve(undefined as never))
    try {
      const opens = { path, options: { ...file.options, after: 'thread' as const } }
      await new Promise<never>((resolve, reject) => {
        const args = [session.worker]
        this.#post({
          request: { id: ++this.#ids, file: file.id, method: 'open', args, now: session.now(), opens },
          ...{ resolve, reject },
        })
      })
      if (file.listeners.size > 0) await this.#call(file, 'watch', [])
      for (const orphan of orphans) await this.#finish(file, orphan)
    } catch (error) {
      for (const { reject } of orphans) reject(error)
    }
  }

  async #finish(file: Remote, orphan: Pending): Promise<void> {
    const { method, args } = orphan.request
    if (method === 'backup' || method === 'compact') return orphan.reject(gone())
    const [place, unit] = args as [Lease | string, PassUnit]
    if (method === 'write' || method === 'commit') {
      const asked = typeof place === 'string' ? [place, unit] : [place.workspace, unit, place]
      if (await this.#call(file, 'landed', asked)) return orphan.resolve({ status: 'done', refused: [] } as never)
    }
    this.#call(file, method, args).then(orphan.resolve, orphan.reject)
  }
}

/** A name of its own: a bundle looks beside itself, where an app may have a worker.js of its own. */
const CODE = 'keelson-sqlite-worker'

/** Beside this file, as source or as built. Throws `STORE_FAILED` in a bundle that did not bring it along. */
function codeOfThread(): URL {
  const here = import.meta.url as string | undefined // a bundle of CommonJS has none
  const code = here === undefined ? undefined : new URL(`./${CODE}${here.endsWith('.ts') ? '.ts' : '.js'}`, here)
  if (code !== undefined && existsSync(code)) return code
  throw new KeelsonError('STORE_FAILED', `the code of the store's thread, ${CODE}.js, is not beside what was bundled`, {
    hint: 'Leave @keelson/memory-sqlite out of the bundle, or bundle @keelson/memory-sqlite/worker as an ES module of that name beside it.',
  })
}

function gone(): KeelsonError {
  return new KeelsonError('STORE_FAILED', 'the thread of the store ended', { hint: 'Try again.' })
}
