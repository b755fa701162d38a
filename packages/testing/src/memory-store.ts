/**
 * memoryStore: the MemoryStore port in Maps, written to be read as its specification.
 *
 * The data is shared; each session on it stands for one process. A unit is judged and applied in one synchronous piece,
 * in the order of the calls, and answered in a microtask.
 *
 * M1. Nothing is applied before everything was judged, so a conflict leaves no trace (S1, S2).
 * M2. A run that is due later than now is parked until then, however it came to be so.
 * M3. A run's place in a lane is fixed when it starts, and again when it is reopened: that of its family's open runs in
 *     the lane, else behind all. So a child never queues behind whoever waits for its parent.
 * M4. Nothing that was handed in or out is shared with the caller: rows are frozen copies.
 */
import { createHash } from 'node:crypto'
import { deepFreeze, KeelsonError } from '@keelson/core/ports'
import type { Answer, StoreChange, Conflict, Delivery, Entry, Instant, Lease, MemoryStore } from '@keelson/core/ports'
import type { NewRun, Next, PassUnit, RecordRow, RecordWrite, RunRow } from '@keelson/core/ports'
import { claim } from './memory/claim.ts'
import { byCodePoint, emptyData, emptySpace, ofLane, type Data, type Run, type Space } from './memory/data.ts'
import { purge } from './memory/purge.ts'
import { entriesOf, findRecords, findRuns, readOn } from './memory/read.ts'

export interface MemoryStoreSession extends MemoryStore {
  /** Another process on the same data; open it under a worker of its own. */
  session(): MemoryStoreSession
  /** Ends a worker (this session's, or any) as SIGKILL would: its runs are claimable at once, with one more death. */
  kill(worker?: string): void
}

/** An empty store and the first session on it. */
export function memoryStore(): MemoryStoreSession {
  return session(emptyData())
}

type Refused = Extract<Answer, { status: 'done' }>['refused'][number]

function session(shared: Data): MemoryStoreSession {
  let open: { worker: string; now: () => Instant } | undefined
  const own = (): NonNullable<typeof open> => {
    if (open !== undefined) return open
    throw new KeelsonError('STORE_CLOSED', 'the store is not open', { hint: 'Call open() first.' })
  }
  const data = (): Data => (own(), shared)
  const space = (workspace: string): Space => data().spaces.get(workspace) ?? emptySpace(workspace)
  return {
    kind: 'memory',
    feeds: true,
    async open(options) {
      open = options
      shared.alive.add(options.worker)
      return { frozen: [] }
    },
    async close() {
      if (open === undefined) return
      const { worker } = open
      open = undefined
      for (const [listener, owner] of shared.listeners) if (owner === worker) shared.listeners.delete(listener)
      release(shared, worker, (row) => ({ ...row, claims: Math.max(0, row.claims - 1) }))
    },
    workspaces: async () => [...data().spaces.keys()].sort(byCodePoint),
    write: async (workspace, unit) => perform(data(), space(workspace), unit, undefined, own().now()),
    claim: async (query) => claim(data(), query),
    async commit(lease, unit) {
      const run = leased(data(), lease)
      return run === undefined ? { status: 'fenced' } : perform(shared, space(lease.workspace), unit, run, own().now())
    },
    async beat(worker) {
      const alive = data().alive.has(worker)
      shared.alive.add(worker)
      return alive
    },
    async mail(of, after) {
      const run = 'epoch' in of ? leased(data(), of) : space(of.workspace).runs.get(of.run)
      return run?.mail.filter((mail) => mail.row > after) ?? []
    },
    runs: async (workspace, query) => findRuns(space(workspace), query),
    entries: async (workspace, stream, after = 0, limit = Infinity) =>
      entriesOf(space(workspace), stream).slice(after, after + limit),
    records: async (workspace, query) => findRecords(space(workspace), query),
    tail: async (workspace, after, limit) => readOn(space(workspace), after, limit),
    getArtifact: async (workspace, sha256) => space(workspace).artifacts.get(sha256)?.slice(),
    watch(listener) {
      const each = (change: StoreChange): void => queueMicrotask(() => shared.listeners.has(each) && listener(change))
      shared.listeners.set(each, own().worker)
      return () => void shared.listeners.delete(each)
    },
    adopt: async () => void data(),
    session: () => session(shared),
    kill: (worker = own().worker) => release(shared, worker, (row) => ({ ...row, deaths: row.deaths + 1 })),
  }
}

/* a unit */

function perform(data: Data, space: Space, unit: PassUnit, run: Run | undefined, now: Instant): Answer {
  const rows = conflicts(space, unit)
  if (rows.length > 0) return { status: 'conflict', rows }
  const refused: Refused[] = []
  const changed = new Set<string>()
  purge(space, unit.purge ?? {})
  append(space, unit.entries ?? [])
  for (const write of unit.records ?? []) putRecord(space, write)
  for (const bytes of unit.artifacts ?? [])
    space.artifacts.set(createHash('sha256').update(bytes).digest('hex'), Uint8Array.from(bytes))
  for (const start of unit.starts ?? []) {
    const replaces = unit.restoring === true && space.runs.get(start.id)?.row.worker === null
    if (space.runs.has(start.id) && !replaces) refused.push({ start: start.id, why: 'exists' })
    else changed.add(begin(space, start, now))
  }
  for (const touch of unit.touch ?? []) {
    const touched = space.runs.get(touch.run)!
    if (touch.state === 'due' && touched.row.state === 'settled') touched.place = placeOf(space, touched.row)
    if (touch.version !== undefined) touched.row = Object.freeze({ ...touched.row, version: touch.version })
    if (touch.state === 'due') makeDue(touched, now, now)
    changed.add(touch.run)
  }
  for (const delivery of unit.deliveries ?? []) {
    const why = deliver(space, delivery)
    if (why !== undefined) refused.push({ delivery: delivery.onceKey, why })
    else changed.add(delivery.run)
  }
  if (run !== undefined) {
    const moved = advance(space, run, unit, now)
    if (unit.next !== undefined) changed.add(moved)
  }
  if (space.runs.size + space.log.length + space.records.size + space.artifacts.size > 0)
    data.spaces.set(space.name, space)
  tell(data, space, changed)
  return { status: 'done', refused }
}

/** What does not hold, each row once, with the version that it has. */
function conflicts(space: Space, unit: PassUnit): Conflict[] {
  const rows = new Map<string, Conflict>()
  const check = (holds: boolean, row: Conflict): unknown => holds || rows.set(JSON.stringify(row), row)
  const versions = new Map<string, number>()
  const heads = new Map<string, number>()
  for (const expect of unit.expect ?? []) {
    const row = 'seq' in expect ? headOf(space, expect.stream) : versionOf(space, expect.record, expect.id)
    check(('seq' in row ? row.seq : row.version) === ('seq' in expect ? expect.seq : expect.version), row)
  }
  for (const { kind, id, version, data } of unit.records ?? []) {
    const row = versionOf(space, kind, id)
    const key = JSON.stringify([kind, id])
    const before = versions.get(key) ?? row.version
    check(before === version - 1 || (unit.restoring === true && before <= version), row)
    versions.set(key, data === null ? 0 : version)
  }
  for (const { stream, seq } of entriesToWrite(space, unit)) {
    const row = headOf(space, stream)
    check((heads.get(stream) ?? row.seq) === seq - 1, row)
    heads.set(stream, seq)
  }
  for (const { run } of unit.touch ?? []) check(space.runs.get(run)?.row.worker === null, { run })
  for (const run of unit.purge?.runs ?? []) check((space.runs.get(run)?.row.state ?? 'settled') === 'settled', { run })
  return [...rows.values()]
}

const versionOf = (space: Space, record: string, id: string) => {
  return { record, id, version: space.records.get(record)?.get(id)?.version ?? 0 }
}
const headOf = (space: Space, stream: string) => ({ stream, seq: space.streams.get(stream)?.length ?? 0 })

function entriesToWrite(space: Space, unit: PassUnit): Entry[] {
  const started = new Set<string>()
  const starts = (unit.starts ?? []).filter(({ id }) => !space.runs.has(id) && !started.has(id) && started.add(id))
  const continued = unit.next?.to === 'continued' ? unit.next.entries : []
  return [...(unit.entries ?? []), ...starts.flatMap((start) => start.entries), ...continued]
}

function append(space: Space, entries: readonly Entry[]): void {
  for (const entry of entries) {
    const position = space.log.push(Object.freeze({ ...entry, position: space.log.length + 1 }))
    const positions = space.streams.get(entry.stream) ?? []
    positions.push(position)
    space.streams.set(entry.stream, positions)
  }
}

function putRecord(space: Space, { kind, id, version, data, index, ...write }: RecordWrite): void {
  const sort = write.sort === 'position' ? space.log.length : write.sort
  const ofKind = space.records.get(kind) ?? new Map<string, RecordRow>()
  space.records.set(kind, ofKind)
  if (data === null) ofKind.delete(id)
  else ofKind.set(id, deepFreeze({ kind, id, version, data, index: { ...index }, sort }))
}

/* a run */

function begin(space: Space, start: NewRun, now: Instant): string {
  const { entries, dueAt, settled, ...given } = start
  const order = space.runs.get(start.id)?.row.order ?? space.runs.size + 1
  const row: RunRow = {
    ...{ ...given, workspace: space.name, order, state: 'due', wakeAt: null, status: '' },
    ...{ epoch: 0, worker: null, deaths: 0, claims: 0, settledAt: null },
  }
  const run: Run = { row, dueAt, place: placeOf(space, row), mail: [], onceKeys: new Set(), shown: 0 }
  space.runs.set(start.id, run)
  makeDue(run, dueAt, now)
  if (settled !== undefined)
    run.row = Object.freeze({
      ...run.row,
      state: 'settled',
      wakeAt: null,
      status: settled.status,
      settledAt: settled.at,
    })
  append(space, entries)
  return start.id
}

/** M3. Asked before the run itself is open. */
function placeOf(space: Space, { lane, root, order }: RunRow): number {
  const open = ofLane(space, lane)
  const family = open.filter(({ row }) => row.root === root).map(({ place }) => place)
  if (family.length > 0) return Math.min(...family)
  return Math.max(order, ...open.map(({ place }) => place + 1))
}

/** Due since `at`; parked until then when that is still to come (M2). */
function makeDue(run: Run, at: Instant, now: Instant): void {
  const later = at > now
  run.dueAt = at
  run.row = Object.freeze({ ...run.row, state: later ? 'parked' : 'due', wakeAt: later ? at : null, settledAt: null })
}

/** Puts mail into the run's box and wakes it unless it is leased (S4). Answers why not. */
function deliver(space: Space, delivery: Delivery): 'closed' | 'unknown' | 'duplicate' | undefined {
  const run = space.runs.get(delivery.run)
  if (run === undefined) return 'unknown'
  if (run.onceKeys.has(delivery.onceKey)) return 'duplicate'
  if (run.row.state === 'settled') return 'closed'
  run.onceKeys.add(delivery.onceKey)
  run.mail.push(Object.freeze({ ...delivery, row: ++space.mailRow }))
  if (run.row.worker === null && run.row.state !== 'due') makeDue(run, delivery.at, delivery.at)
  return undefined
}

/** The part of a pass's unit that concerns its own run. */
function advance(space: Space, run: Run, unit: PassUnit, now: Instant): string {
  const { entries = [], consumed = [], again = false, next } = unit
  run.mail = run.mail.filter((mail) => !consumed.includes(mail.row))
  const taken = again ? 0 : entries.length + consumed.length
  if (taken > 0 || next?.to === 'continued') run.row = { ...run.row, deaths: 0, claims: 0 }
  if (next !== undefined) move(space, run, next, now)
  return Object.freeze(run.row).id
}

function move(space: Space, run: Run, next: Next, now: Instant): void {
  run.row = { ...run.row, worker: null, wakeAt: null }
  if (next.to === 'continued') {
    const { stream, playbook, version } = next
    run.row = { ...run.row, stream, playbook, version }
    append(space, next.entries)
    return makeDue(run, next.at, now)
  }
  const version = (next.to === 'due' ? next.version : undefined) ?? run.row.version
  run.row = { ...run.row, status: next.status, version }
  if (next.to === 'due') {
    run.row = { ...run.row, claims: Math.max(0, run.row.claims - 1) }
    return makeDue(run, next.at, now)
  }
  if (next.to === 'settled') {
    run.mail = []
    return void (run.row = { ...run.row, state: 'settled', settledAt: next.at })
  }
  // S4: mail that the pass has not seen leaves the run due. A pass that holds has seen what its claim brought.
  const unseen = run.mail.find((mail) => mail.row > (next.to === 'parked' ? next.seenMail : run.shown))
  if (unseen !== undefined) return makeDue(run, unseen.at, unseen.at)
  const wakeAt = next.to === 'parked' ? next.wakeAt : null
  run.dueAt = wakeAt ?? run.dueAt
  run.row = { ...run.row, state: next.to, wakeAt }
}

/** The run under a lease that still holds (S3). */
function leased(data: Data, lease: Lease): Run | undefined {
  const run = data.spaces.get(lease.workspace)?.runs.get(lease.run)
  const holds = run?.row.worker === lease.worker && run.row.epoch === lease.epoch && data.alive.has(lease.worker)
  return holds ? run : undefined
}

/** Takes a worker away, and frees its runs as `change` says. */
function release(data: Data, worker: string, change: (row: RunRow) => RunRow): void {
  if (!data.alive.delete(worker)) return
  for (const space of data.spaces.values()) {
    const freed = [...space.runs.values()].filter(({ row }) => row.worker === worker)
    for (const run of freed) run.row = Object.freeze({ ...change(run.row), worker: null })
    tell(data, space, new Set(freed.map(({ row }) => row.id)))
  }
}

function tell(data: Data, space: Space, runs: ReadonlySet<string>): void {
  if (runs.size === 0) return
  const rows = [...runs].flatMap((run) => space.runs.get(run)?.row ?? [])
  const settled = new Map(rows.filter(({ state }) => state === 'settled').map((row) => [row.id, row]))
  const change = { workspace: space.name, runs: [...runs], ...(settled.size === 0 ? {} : { settled }) }
  for (const [listener, owner] of data.listeners) if (data.alive.has(owner)) listener(change)
}
