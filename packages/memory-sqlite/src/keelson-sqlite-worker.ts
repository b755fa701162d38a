/** The thread's side of `thread: 'worker'`: file stores that are called by messages. Not for import by hosts. */
import { parentPort, workerData } from 'node:worker_threads'
import { storeError, type StoreChange, type StoredError } from '@keelson/core/ports'
import type { BackupProgress } from './file/backup.ts'
import { fileStore, type FileOptions, type FileStore } from './file/store.ts'

/** What the thread is started with, to tell it from any other. */
export const THREAD = 'keelson.memory-sqlite'

export interface Request {
  readonly id: number
  /** The file it concerns. */
  readonly file: number
  readonly method: Exclude<keyof FileStore, 'kind' | 'feeds'>
  readonly args: readonly unknown[]
  /** The host's time when it called. */
  readonly now: number
  /** With `open`: what to open. */
  readonly opens?: { readonly path: string; readonly options: FileOptions }
}

export type Reply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: StoredError }
  | { readonly id: number; readonly progress: BackupProgress }
  | { readonly file: number; readonly change: StoreChange }

/** Passes on in one message what gathers in one turn of the event loop. */
export function gathered<T>(send: (batch: T[]) => void): (item: T) => void {
  let batch: T[] = []
  return (item) => {
    batch.push(item)
    if (batch.length > 1) return
    queueMicrotask(() => {
      const full = batch
      batch = []
      send(full)
    })
  }
}

/** Importing this file anywhere else does nothing. */
if (parentPort !== null && workerData === THREAD) serve(parentPort)

function serve(port: NonNullable<typeof parentPort>): void {
  const stores = new Map<number, { store: FileStore; now: number }>()
  const reply = gathered<Reply>((batch) => port.postMessage(batch))
  const perform = async ({ id, file, method, args, now, opens }: Request): Promise<unknown> => {
    if (opens !== undefined) stores.set(file, { store: fileStore(opens.path, opens.options), now })
    const session = stores.get(file)!
    session.now = now
    const { store } = session
    if (method === 'watch') return void store.watch((change) => reply({ file, change }))
    if (method === 'open') return store.open({ worker: args[0] as string, now: () => session.now })
    if (method === 'backup') return store.backup(args[0] as string, (progress) => reply({ id, progress }))
    if (method === 'close') stores.delete(file)
    return (store[method] as (...args: readonly unknown[]) => unknown)(...args)
  }
  port.on('message', (requests: readonly Request[]) => {
    for (const request of requests) {
      perform(request).then(
        (value) => reply({ id: request.id, value }),
        (error: unknown) => reply({ id: request.id, error: storeError(error) }),
      )
    }
  })
}
