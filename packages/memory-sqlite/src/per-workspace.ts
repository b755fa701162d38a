/**
 * perWorkspace: the port over many files, one for each workspace.
 *
 * F1. At most so many files are open at once, by last use; one in which a run is leased, or a call is under way, stays.
 * F2. A file is only made by a write; a question about a workspace without one is answered with nothing.
 * F3. A closed file is asked for work when it was changed since it was closed, or when its next timer is due.
 */
import { mkdirSync, statSync, watch, type FSWatcher } from 'node:fs'
import { join } from 'node:path'
import { KeelsonError } from '@keelson/core/ports'
import type { StoreChange, ClaimAnswer, ClaimQuery, Claimed, MemoryStore, Opened } from '@keelson/core/ports'
import { assertPath, closed } from './file/failure.ts'
import type { FileStore } from './file/store.ts'
import type { Soonest } from './sql/claim.ts'
import { folderOf, listing, type PathOf } from './listing.ts'

type Session = Parameters<MemoryStore['open']>[0]

interface File {
  readonly workspace: string
  readonly path: string
  store: Promise<FileStore> | undefined
  /** Calls under way. */
  calls: number
  /** Number of its last use. */
  used: number
  served: number
  /** True once it was seen to hold something. */
  holds: boolean
  /** While closed: how the file looked, and when something in it is due for whom. */
  closing: Promise<void> | undefined
  seen: { readonly stamp: string; readonly soonest: Soonest; readonly can: string } | undefined
}

export class PerWorkspace {
  readonly #pathOf: PathOf
  readonly #make: (path: string) => FileStore
  readonly #openFiles: number
  readonly #files = new Map<string, File>()
  /** Whose file lies at a path. */
  readonly #owners = new Map<string, string>()
  readonly #listeners = new Set<(change: StoreChange) => void>()
  readonly #watched = new WeakSet<FileStore>()
  #session: Session | undefined
  #abandoned = false
  #folder: FSWatcher | undefined
  #can: readonly string[] = []
  #clock = 0

  constructor(pathOf: PathOf, make: (path: string) => FileStore, openFiles: number) {
    this.#pathOf = pathOf
    this.#make = make
    this.#openFiles = openFiles
  }

  /** Opens every file that can be found, to learn whether one of them is frozen. */
  async open(session: Session): Promise<Opened> {
    this.#session = session
    const frozen: Opened['frozen'][number][] = []
    for (const workspace of listing(this.#pathOf)) {
      const file = this.#file(workspace)
      await this.#use(file, async () => undefined, frozen)
    }
    return { frozen }
  }

  async close(): Promise<void> {
    this.#session = undefined
    this.#listeners.clear()
    this.#folder?.close()
    this.#folder = undefined
    const open = [...this.#files.values()].flatMap(({ store }) => store ?? [])
    this.#files.clear()
    for (const store of open) await (await store).close()
  }

  async workspaces(): Promise<readonly string[]> {
    this.#assertOpen()
    for (const workspace of listing(this.#pathOf)) this.#file(workspace)
    for (const file of this.#files.values()) {
      if (file.holds || !exists(file.path)) continue
      file.holds = await this.#use(file, async (store) => (await store.workspaces()).includes(file.workspace))
    }
    const names = [...this.#files.values()].filter(({ holds }) => holds).map(({ workspace }) => workspace)
    return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  }

  /** Calls the store of a workspace. Where there is none, `otherwise` is the answer, unless the call may make one. */
  async on<T>(
    workspace: string,
    call: (store: FileStore) => Promise<T>,
    otherwise?: { readonly answer: T },
  ): Promise<T> {
    this.#assertOpen()
    const file = this.#file(workspace)
    if (otherwise !== undefined && !exists(file.path)) return otherwise.answer
    return this.#use(file, call)
  }

  async beat(worker: string): Promise<boolean> {
    const { worker: own } = this.#assertOpen()
    const open = [...this.#files.values()].filter(({ store }) => store !== undefined)
    const beats = await Promise.all(open.map((file) => this.#use(file, (store) => store.beat(worker))))
    const abandoned = this.#abandoned
    this.#abandoned = false
    return !abandoned && (open.length === 0 ? worker === own : beats.every(Boolean))
  }

  watch(listener: (change: StoreChange) => void): () => void {
    this.#assertOpen()
    const each = (change: StoreChange): void => void (this.#listeners.has(each) && listener(change))
    this.#listeners.add(each)
    this.#folder ??= this.#watchFolder()
    for (const { store } of this.#files.values()) store?.then((opened) => this.#follow(opened)).catch(() => undefined)
    return () => void this.#listeners.delete(each)
  }

  /** The worker counts as dead from now on, in every file. */
  async abandon(): Promise<void> {
    this.#abandoned = true
    for (const { store } of this.#files.values()) (await store)?.abandon()
  }

  async claim(query: ClaimQuery): Promise<ClaimAnswer> {
    this.#assertOpen()
    if (this.#abandoned) return { claimed: [], nextAt: null }
    this.#can = query.can
    const due: { file: File; at: number }[] = []
    let nextAt: number | null = null
    for (const file of this.#asked(query)) {
      const soonest = query.only === undefined ? await this.#soonest(file, query) : ONE
      const at = sinceWhen(soonest, query.now)
      if (at !== undefined) due.push({ file, at })
      else if (soonest.parked !== null && (nextAt === null || soonest.parked < nextAt)) nextAt = soonest.parked
    }
    due.sort((a, b) => a.file.served - b.file.served || a.at - b.at)
    const claimed: Claimed[] = []
    const corrupt: NonNullable<ClaimAnswer['corrupt']>[number][] = []
    let suspects = false
    let left = due.map(({ file }) => file)
    while (left.length > 0 && claimed.length < query.limit) {
      const dry = new Set<File>()
      for (const file of left.slice(0, query.limit - claimed.length)) {
        const taken = await this.#claimOne(file, query, claimed)
        if (taken.nextAt !== null && (nextAt === null || taken.nextAt < nextAt)) nextAt = taken.nextAt
        if (taken.claimed.length === 0) dry.add(file)
        else file.served = ++this.#clock
        claimed.push(...taken.claimed)
        corrupt.push(...(taken.corrupt ?? []))
        suspects ||= taken.suspects === true
        if (taken.claimed.some(({ row }) => row.deaths >= query.suspectAfter))
          return { claimed, nextAt, ...(corrupt.length > 0 ? { corrupt } : {}) }
      }
      left = left.filter((file) => !dry.has(file))
    }
    return { claimed, nextAt, ...(suspects ? { suspects } : {}), ...(corrupt.length > 0 ? { corrupt } : {}) }
  }

  #claimOne(file: File, query: ClaimQuery, taken: readonly Claimed[]): Promise<ClaimAnswer> {
    const alone = query.alone && taken.length === 0
    const own = { ...query, workspaces: [file.workspace], limit: 1, alone, ...leftOf(query, taken) }
    return this.#use(file, (store) => store.claim(own))
  }

  #asked({ workspaces }: ClaimQuery): File[] {
    const names = workspaces ?? [...listing(this.#pathOf), ...this.#files.keys()]
    return [...new Set(names)].map((workspace) => this.#file(workspace)).filter(({ path }) => exists(path))
  }

  async #soonest(file: File, { can }: ClaimQuery): Promise<Soonest> {
    const { seen } = file
    const known = file.store === undefined && seen?.can === can.join() && seen.stamp === stampOf(file.path)
    return known ? seen.soonest : this.#use(file, (store) => store.soonest(can))
  }

  #assertOpen(): Session {
    if (this.#session === undefined) throw closed('of many files')
    return this.#session
  }

  #file(workspace: string): File {
    const known = this.#files.get(workspace)
    if (known !== undefined) return known
    const path = this.#pathFor(workspace)
    const nothing = {
      store: undefined,
      calls: 0,
      used: 0,
      served: 0,
      holds: false,
      closing: undefined,
      seen: undefined,
    }
    const file: File = { workspace, path, ...nothing }
    this.#files.set(workspace, file)
    return file
  }

  /** Throws `DEFINITION_INVALID` for what is no path, or is that of another workspace: they would be one company. */
  #pathFor(workspace: string): string {
    const path = this.#pathOf(workspace)
    assertPath(path, `, given to sqlite() for the file of workspace "${workspace}"`)
    const other = this.#owners.get(path) ?? workspace
    this.#owners.set(path, other)
    if (other === workspace) return path
    throw new KeelsonError(
      'DEFINITION_INVALID',
      `sqlite() puts workspaces "${other}" and "${workspace}" into one file`,
      {
        hint: 'Write sqlite((workspace) => `data/${workspace}.db`), or one path for all: sqlite(path).',
        data: { path },
      },
    )
  }

  async #use<T>(file: File, call: (store: FileStore) => Promise<T>, frozen?: Opened['frozen'][number][]): Promise<T> {
    file.calls++
    file.used = ++this.#clock
    try {
      file.store ??= this.#openFile(file, frozen)
      return await call(await file.store)
    } finally {
      file.calls--
      await this.#trim()
    }
  }

  async #openFile(file: File, frozen?: Opened['frozen'][number][]): Promise<FileStore> {
    try {
      await file.closing
      const store = this.#make(file.path)
      const opened = await store.open(this.#assertOpen())
      frozen?.push(...opened.frozen)
      if (this.#listeners.size > 0) this.#follow(store)
      return store
    } catch (error) {
      file.store = undefined
      throw error
    }
  }

  #follow(store: FileStore): void {
    if (this.#watched.has(store)) return
    this.#watched.add(store)
    store.watch((change) => this.#listeners.forEach((listener) => listener(change)))
  }

  /** Notices what others write to files that are not open here, and files that they make. */
  #watchFolder(): FSWatcher | undefined {
    const folder = folderOf(this.#pathOf)
    if (folder === undefined) return undefined
    mkdirSync(folder, { recursive: true })
    const watcher = watch(folder, { persistent: false }, (_, name) => {
      const path = name === null ? undefined : join(folder, name.replace(/-wal$/, ''))
      for (const workspace of listing(this.#pathOf)) {
        const file = this.#file(workspace)
        if (file.store !== undefined || (path !== undefined && !file.path.startsWith(path))) continue
        for (const listener of this.#listeners) listener({ workspace, runs: [] })
      }
    })
    return watcher.on('error', () => watcher.close())
  }

  /** Closes what was not used for longest (F1). */
  async #trim(): Promise<void> {
    const open = [...this.#files.values()].filter(({ store }) => store !== undefined)
    const idle = open.filter(({ calls }) => calls === 0).sort((a, b) => a.used - b.used)
    for (let over = open.length - this.#openFiles; over > 0 && idle.length > 0;) {
      const file = idle.shift()!
      file.calls++
      const store = await file.store
      const leased = store === undefined || (await store.leased())
      file.calls--
      if (leased || file.calls > 0 || file.store === undefined) continue
      over--
      await this.#closeFile(file, store)
    }
  }

  async #closeFile(file: File, store: FileStore): Promise<void> {
    const can = this.#can
    const closing = (async () => {
      const soonest = await store.soonest(can)
      await store.close()
      return soonest
    })()
    file.store = undefined
    file.closing = closing.then(
      () => undefined,
      () => undefined,
    )
    const soonest = await closing
    if (file.store === undefined) file.seen = { stamp: stampOf(file.path), soonest, can: can.join() }
  }
}

/** A run that is asked for by its name is looked for. */
const ONE: Soonest = { due: 0, parked: null }

/** Since when something may be claimed; undefined: nothing may. */
function sinceWhen({ due, parked }: Soonest, now: number): number | undefined {
  const ripe = parked !== null && parked <= now ? parked : null
  return due === null || ripe === null ? (due ?? ripe ?? undefined) : Math.min(due, ripe)
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

/** Changes whenever anybody writes to the file. */
function stampOf(path: string): string {
  return ['', '-wal']
    .map((suffix) => statSync(path + suffix, { bigint: true, throwIfNoEntry: false }))
    .map((stat) => (stat === undefined ? '' : `${stat.mtimeNs} ${stat.size}`))
    .join()
}

/** Of what was taken from the files before, so many less. */
function leftOf({ atMost }: ClaimQuery, taken: readonly Claimed[]): Pick<ClaimQuery, 'atMost'> {
  if (atMost === undefined) return {}
  const left = new Map(atMost)
  for (const { row } of taken) if (left.has(row.playbook)) left.set(row.playbook, left.get(row.playbook)! - 1)
  return { atMost: left }
}
