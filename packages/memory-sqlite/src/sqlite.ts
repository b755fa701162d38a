/** sqlite: the store of a host, on one file or on one file per workspace, in its own thread or in that of the host. */
import {
  assertCount,
  assertKnown,
  assertOneOf,
  KeelsonError,
  namesOf,
  type Backup,
  type MemoryStore,
  type Upkeep,
} from '@keelson/core/ports'
import type { BackupProgress } from './file/backup.ts'
import { assertPath } from './file/failure.ts'
import { fileStore, type FileStore } from './file/store.ts'
import { PerWorkspace } from './per-workspace.ts'
import { Thread } from './thread.ts'
import { backUp, nameOf, sum } from './upkeep.ts'

export interface SqliteOptions {
  /** 'disk' (default): what was answered survives a power cut. 'process': only the death of the process. */
  readonly durability?: 'disk' | 'process'
  /** 'worker' takes the waiting for the disk off the host's event loop. */
  readonly thread?: 'main' | 'worker'
  /** With a file per workspace: how many are open at once, leased ones aside. Default 32. */
  readonly openFiles?: number
}

export interface BackupOptions {
  /** With a file per workspace: whose. */
  readonly workspace?: string
  readonly progress?: (at: BackupProgress) => void
}

export interface SqliteStore extends MemoryStore {
  readonly upkeep: Upkeep
  /** Copies the store to `path` while it is in use, and checks the copy before it counts. */
  backup(path: string, options?: BackupOptions): Promise<void>
}

/**
 * The default MemoryStore. All workspaces share the file at `path`, or each has the one that the function names. A file
 * that was copied, or is older than what was already seen of it, opens frozen: see `MemoryStore.adopt`.
 */
export function sqlite(path: string | ((workspace: string) => string), options: SqliteOptions = {}): SqliteStore {
  assertGiven(path, options)
  const { durability = 'disk', thread = 'main', openFiles = 32 } = options
  const host = thread === 'worker' ? new Thread() : undefined
  const make = (file: string): FileStore => host?.file(file, { durability }) ?? fileStore(file, { durability })
  if (typeof path === 'function') return manyFiles(new PerWorkspace(path, make, openFiles))
  const store = make(path)
  return {
    ...store,
    upkeep: {
      backup: (request) => backUp(store, nameOf(path), request),
      compact: () => store.compact(),
    },
    async backup(to, { workspace, progress } = {}) {
      if (workspace !== undefined) {
        throw new KeelsonError('INPUT_INVALID', 'a workspace that shares its file cannot be backed up alone', {
          hint: 'Leave `workspace` out to copy the whole file, or export a bundle of the workspace.',
        })
      }
      await store.backup(to, progress)
    },
  }
}

const NAMES = namesOf<SqliteOptions>({ durability: true, thread: true, openFiles: true })

/** Throws `DEFINITION_INVALID` for what is no path, and for options that there are not: the disk would not be waited for. */
function assertGiven(path: unknown, options: SqliteOptions): void {
  assertKnown('sqlite', options, NAMES)
  assertOneOf('"durability" of sqlite', options.durability, ['disk', 'process'])
  assertOneOf('"thread" of sqlite', options.thread, ['main', 'worker'])
  assertCount('"openFiles" of sqlite', options.openFiles)
  if (typeof path !== 'function') assertPath(path)
}

export function manyFiles(files: PerWorkspace): SqliteStore & Pick<PerWorkspace, 'abandon'> {
  const none = { answer: [] }
  return {
    kind: 'sqlite',
    feeds: true,
    open: (session) => files.open(session),
    close: () => files.close(),
    abandon: () => files.abandon(),
    workspaces: () => files.workspaces(),
    claim: (query) => files.claim(query),
    beat: (worker) => files.beat(worker),
    watch: (listener) => files.watch(listener),
    write: (workspace, unit) => files.on(workspace, (store) => store.write(workspace, unit)),
    commit: (lease, unit) =>
      files.on(lease.workspace, (store) => store.commit(lease, unit), { answer: { status: 'fenced' } }),
    mail: (lease, after) => files.on(lease.workspace, (store) => store.mail(lease, after), none),
    runs: (workspace, query) => files.on(workspace, (store) => store.runs(workspace, query), none),
    entries: (workspace, ...rest) => files.on(workspace, (store) => store.entries(workspace, ...rest), none),
    records: (workspace, query) => files.on(workspace, (store) => store.records(workspace, query), none),
    tail: (workspace, after, limit) => files.on(workspace, (store) => store.tail(workspace, after, limit), none),
    getArtifact: (workspace, sha256) =>
      files.on(workspace, (store) => store.getArtifact(workspace, sha256), { answer: undefined }),
    adopt: (workspace) => files.on(workspace, (store) => store.adopt(workspace), { answer: undefined }),
    upkeep: upkeepOf(files),
    async backup(to, { workspace, progress } = {}) {
      if (workspace === undefined) {
        throw new KeelsonError('INPUT_INVALID', 'say whose file to back up: each workspace has its own', {
          hint: 'backup(path, { workspace })',
        })
      }
      await files.on(workspace, (store) => store.backup(to, progress))
    },
  }
}

/** Each workspace has a file of its own: what is done for all is done for one after the other. */
function upkeepOf(files: PerWorkspace): Upkeep {
  const named = async (workspace: string | undefined): Promise<readonly string[]> =>
    workspace === undefined ? files.workspaces() : [workspace]
  return {
    async backup(request) {
      const made: Backup[] = []
      for (const workspace of await named(request.workspace))
        made.push(await files.on(workspace, (store) => backUp(store, encodeURIComponent(workspace), request)))
      return sum(made)
    },
    async compact({ workspace } = {}) {
      let [before, after] = [0, 0]
      for (const one of await named(workspace)) {
        const done = await files.on(one, (store) => store.compact())
        before += done.before
        after += done.after
      }
      return { before, after }
    },
  }
}
