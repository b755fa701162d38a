/**
 * FileStore: the port on one SQLite file.
 *
 * Writes go through the group commit; reads run at once on the same connection, between two groups.
 */
import { turn, type Compacted, type Lease, type MemoryStore, type PassUnit } from '@keelson/core/ports'
import { claimRuns, soonest, type Soonest, type Turns } from '../sql/claim.ts'
import { findWorkspace } from '../sql/context.ts'
import { readEntries, readTail } from '../sql/entries.ts'
import { unreadMail } from '../sql/mail.ts'
import { migrations } from '../sql/migrations.ts'
import { getBytes } from '../sql/artifacts.ts'
import { listWorkspaces, readRuns } from '../sql/reads.ts'
import { readRecords } from '../sql/records.ts'
import { findRun } from '../sql/runs.ts'
import { commitUnit, holds, landed, writeUnit } from '../sql/unit.ts'
import { holders, isWorker } from '../sql/workers.ts'
import { backupTo, type BackupProgress } from './backup.ts'
import { compact } from './compact.ts'
import type { Durability } from './connection.ts'
import { closed } from './failure.ts'
import { Hot } from './hot.ts'
import { thaw } from './identity.ts'
import { OpenFile, type OpenOptions } from './open-file.ts'
import type { Proof } from './proof.ts'
import type { Migrations } from './schema.ts'

/** The port, and what the package itself asks of a file. */
export interface FileStore extends Omit<MemoryStore, 'upkeep'> {
  backup(path: string, progress?: (at: BackupProgress) => void): Promise<Proof>
  compact(): Promise<Compacted>
  /** The worker counts as dead from now on; the session can still be called, as a late answer would. */
  abandon(): void
  /** Does the store hold what the unit says? Asked when nobody knows what came of a write. */
  landed(workspace: string, unit: PassUnit, lease?: Lease): Promise<boolean>
  /** Since or from when on the first of its runs is due that may be claimed; frees those of dead workers first. */
  soonest(can: readonly string[]): Promise<Soonest>
  /** Does any worker hold a run of it? */
  leased(): Promise<boolean>
}

export interface FileOptions {
  readonly durability: Durability
  readonly migrations?: Migrations
  readonly after?: OpenOptions['after']
  /** Is handed each connection before it is used. For tests: to make it fail. */
  readonly tamper?: OpenOptions['tamper']
}

/** More rows than one answer may hold. */
const ALL = 2_147_483_647

export function fileStore(path: string, options: FileOptions): FileStore {
  let open: OpenFile | undefined
  const file = (): OpenFile => {
    if (open === undefined) throw closed(path)
    return open
  }
  return {
    kind: 'sqlite',
    feeds: true,
    async open({ worker, now }) {
      const steps = options.migrations ?? migrations('sqlite')
      const { durability, after = 'death', tamper } = options
      const opened = await OpenFile.open(path, { durability, migrations: steps, worker, now, after, tamper })
      open = opened.file
      return { frozen: opened.frozen }
    },
    async close() {
      const closing = open
      open = undefined
      await closing?.close()
    },
    abandon: () => void file().lives(undefined),
    landed: async (workspace, unit, lease) => file().read(landed(file().context, workspace, unit, lease), 'remembered'),
    async soonest(can) {
      const { context, db } = file()
      return file().submitAfterDeaths(() => soonest(context, db, can))
    },
    leased: async () => file().read(holders(file().context)).length > 0,
    watch: (listener) => file().watch(listener),
    backup: async (to, progress) => backupTo(file().handle, to, progress),
    compact: async () => compact(file().handle, path),
    ...writes(file, path, () => open !== undefined),
    ...reads(file),
  }
}

type Writes = Pick<MemoryStore, 'write' | 'claim' | 'commit' | 'adopt'>

function writes(file: () => OpenFile, path: string, isOpen: () => boolean): Writes {
  const turns: Turns = { count: 0, served: new Map(), asked: new Map() }
  let hot: Hot | undefined
  return {
    async write(workspace, unit) {
      const { context, now, handle } = file()
      const at = now()
      const answer = await file().submit({
        work: () => writeUnit(context, workspace, unit, at),
        landed: () => landed(context, workspace, unit),
      })
      // What was purged may still stand in the log; a reader elsewhere can keep it there until the file is idle.
      if (unit.purge !== undefined) handle.pragma('wal_checkpoint(TRUNCATE)')
      return answer
    },
    commit(lease, unit) {
      if (!isOpen()) return Promise.reject(closed(path))
      const { context, handle, now } = file()
      if (hot?.context !== context) hot = new Hot(handle, context)
      const short = hot
      const at = now()
      // Not async: the promise of the group is the only one on the hot path.
      return file().submit({
        hot: () => short.commit(lease, unit),
        work: () => commitUnit(context, lease, unit, at),
        landed: () => landed(context, lease.workspace, unit, lease),
      })
    },
    async claim(query) {
      const { context, db, now } = file()
      // What the group wrote before it may be due a moment after it was asked for.
      return file().submitAfterDeaths(() =>
        claimRuns(context, db, turns, { ...query, now: Math.max(query.now, now()) }),
      )
    },
    async adopt(workspace) {
      const { context } = file()
      await file().submit({ work: () => thaw(context, workspace) })
    },
  }
}

type Reads = Omit<MemoryStore, keyof Writes | 'kind' | 'feeds' | 'upkeep' | 'open' | 'close' | 'watch'>

function reads(file: () => OpenFile): Reads {
  return {
    workspaces: async () => file().read(listWorkspaces(file().context)),
    async beat(worker) {
      const alive = file().read(isWorker(file().context, worker))
      if (!alive) await file().lives(worker)
      return alive
    },
    async mail(of, after) {
      const { context } = file()
      const space = file().read(findWorkspace(context, of.workspace))
      const row = space === undefined ? undefined : file().read(findRun(context, space, of.run), 'remembered')
      if (space === undefined || row === undefined || ('epoch' in of && !holds(row, of))) return []
      return file().read(unreadMail(context, space, of.run, after))
    },
    runs: async (workspace, query) => file().read(readRuns(file().context, file().db, workspace, query), 'remembered'),
    async entries(workspace, stream, after = 0, limit = ALL) {
      const space = file().read(findWorkspace(file().context, workspace))
      return space === undefined ? [] : file().read(readEntries(file().context, space, stream, after, limit))
    },
    async records(workspace, query) {
      const space = file().read(findWorkspace(file().context, workspace))
      return space === undefined ? [] : file().read(readRecords(file().context, file().db, space, query))
    },
    async tail(workspace, after, limit) {
      file()
      // Who reads in a loop until something comes must leave this event loop a turn in which to write it.
      await turn()
      const space = file().read(findWorkspace(file().context, workspace))
      if (space === undefined) return []
      return file().read(readTail(file().context, space, after, Number.MAX_SAFE_INTEGER, limit))
    },
    getArtifact: async (workspace, sha256) => file().read(getBytes(file().context, workspace, sha256)),
  }
}
