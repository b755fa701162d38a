/**
 * memoryStore: the MemoryStore port in Maps, written to be read as its specification.
 *
 * The data is shared; each session on it stands for one process. A unit is judged and applied in one synchronous piece,
 * in the order of the calls, and answered in a microtask.
 *
 * M1. Nothing is applied before everything was judged, so a conflict leaves no trace (S1, S2).
 * M2. A run that is due later than now is parked until then, however it came to be so.
 * M3. A run's place in a lane is fixed when it starts: that of its family's open runs in the lane, else its own order.
 *     So a child never queues behind whoever waits for its parent.
 * M4. Nothing that was handed in or out is shared with the caller: rows are frozen copies.
 */
import { createHash } from 'node:crypto'
import { deepFreeze, KeelsonError } from '@keelson/core/ports'
import type {
  Answer,
  Change,
  ClaimAnswer,
  ClaimQuery,
  Claimed,
  Conflict,
  Delivery,
  Entry,
  Instant,
  Lease,
  Mail,
  MemoryStore,
  NewRun,
  Next,
  PassUnit,
  Placed,
  RecordQuery,
  RecordRow,
  RecordWrite,
  RunQuery,
  RunRow,
} from '@keelson/core/ports'

export interface MemoryStoreSession extends MemoryStore {
  /** Another process on the same data; open it under a worker of its own. */
  session(): MemoryStoreSession
  /** Ends a worker (this session's, or any) as SIGKILL would: its runs are claimable at once, with one more death. */
  kill(worker?: string): void
}

/** An empty store and the first session on it. */
export function memoryStore(): MemoryStoreSession {
  return session({ spaces: new Map(), alive: new Set(), listeners: new Map(), served: 0 })
}

interface Data {
  readonly spaces: Map<string, Space>
  readonly alive: Set<string>
  readonly listeners: Map<(change: Change) => void, string>
  /** Counts claims, to serve next whoever was served longest ago. */
  served: number
}

interface Space {
  readonly name: string
  readonly runs: Map<string, Run>
  /** Every entry in commit order; position n is at n - 1. */
  readonly log: Placed[]
  /** Positions of each stream's entries; seq n is at n - 1. */
  readonly streams: Map<string, number[]>
  readonly records: Map<string, Map<string, RecordRow>>
  readonly artifacts: Map<string, Uint8Array>
  mailRow: number
  served: number
}

interface Run {
  row: RunRow
  /** Since when it is due: its turn among the due. */
  dueAt: Instant
  readonly place: number
  mail: Mail[]
  readonly onceKeys: Set<string>
  /** The highest mail row when it was last claimed. */
  shown: number
}

type Refused = Extract<Answer, { status: 'done' }>['refused'][number]

function session(data: Data): MemoryStoreSession {
  let open: { worker: string; now: () => Instant } | undefined
  const opened = (): { worker: string; now: () => Instant } => {
    if (open === undefined) {
      throw new KeelsonError('STORE_CLOSED', 'the store is not open', {
        hint: 'Call open() first, and nothing after close().',
      })
    }
    return open
  }
  const space = (workspace: string): Space => {
    opened()
    return data.spaces.get(workspace) ?? emptySpace(workspace)
  }
  return {
    kind: 'memory',
    async open(options) {
      open = options
      data.alive.add(options.worker)
      return { frozen: [] }
    },
    async close() {
      if (open === undefined) return
      release(data, open.worker, (row) => ({ ...row, claims: Math.max(0, row.claims - 1) }))
      open = undefined
    },
    async workspaces() {
      opened()
      return [...data.spaces.values()]
        .filter(holdsAnything)
        .map((each) => each.name)
        .sort(byCodePoint)
    },
    async write(workspace, unit) {
      return perform(data, space(workspace), unit, undefined, opened().now())
    },
    async claim(query) {
      opened()
      return claim(data, query)
    },
    async commit(lease, unit) {
      const { now } = opened()
      const run = leased(data, lease)
      return run === undefined ? { status: 'fenced' } : perform(data, space(lease.workspace), unit, run, now())
    },
    async beat(worker) {
      opened()
      return data.alive.has(worker)
    },
    async mail(lease, after) {
      opened()
      return leased(data, lease)?.mail.filter((mail) => mail.row > after) ?? []
    },
    runs: async (workspace, query) => findRuns(space(workspace), query),
    entries: async (workspace, stream, after = 0, limit) =>
      entriesOf(space(workspace), stream, after, limit === undefined ? undefined : after + limit),
    records: async (workspace, query) => findRecords(space(workspace), query),
    tail: async (workspace, after, limit) => space(workspace).log.slice(after, after + limit),
    async putArtifact(workspace, bytes) {
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      const into = space(workspace)
      into.artifacts.set(sha256, Uint8Array.from(bytes))
      data.spaces.set(workspace, into)
      return sha256
    },
    async getArtifact(workspace, sha256) {
      const bytes = space(workspace).artifacts.get(sha256)
      return bytes === undefined ? undefined : Uint8Array.from(bytes)
    },
    watch(listener) {
      const own = (change: Change): void => listener(change)
      data.listeners.set(own, opened().worker)
      return () => void data.listeners.delete(own)
    },
    async adopt() {
      opened()
    },
    session: () => session(data),
    kill(worker = opened().worker) {
      release(data, worker, (row) => ({ ...row, deaths: row.deaths + 1 }))
    },
  }
}

/* a unit */

function perform(data: Data, space: Space, unit: PassUnit, run: Run | undefined, now: Instant): Answer {
  const rows = conflicts(space, unit)
  if (rows.length > 0) return { status: 'conflict', rows }
  data.spaces.set(space.name, space)
  const before = run?.row
  const refused: Refused[] = []
  const changed = new Set<string>()
  append(space, unit.entries ?? [])
  for (const write of unit.records ?? []) putRecord(space, write)
  for (const start of unit.starts ?? []) {
    if (space.runs.has(start.id)) refused.push({ start: start.id, why: 'exists' })
    else changed.add(begin(space, start, now))
  }
  for (const delivery of unit.deliveries ?? []) {
    const why = deliver(space, delivery)
    if (why !== undefined) refused.push({ delivery: delivery.onceKey, why })
    else if (space.runs.get(delivery.run)?.row.worker === null) changed.add(delivery.run)
  }
  for (const { stream, seq } of unit.purge?.payloads ?? []) erase(space, stream, seq)
  for (const touch of unit.touch ?? []) {
    const touched = space.runs.get(touch.run)!
    if (touch.version !== undefined) touched.row = Object.freeze({ ...touched.row, version: touch.version })
    if (touch.state === 'due') makeDue(touched, now, now)
    changed.add(touch.run)
  }
  if (run !== undefined) {
    advance(space, run, unit, now)
    changed.add(run.row.id)
  }
  tell(data, space, changed, before)
  return { status: 'done', refused }
}

/** What does not hold, each row once, with the version that it has. */
function conflicts(space: Space, unit: PassUnit): Conflict[] {
  const rows = new Map<string, Conflict>()
  const add = (row: Conflict): unknown => rows.set(JSON.stringify(row), row)
  const version = (kind: string, id: string): number => space.records.get(kind)?.get(id)?.version ?? 0
  for (const expect of unit.expect ?? []) {
    if ('record' in expect) {
      const found = version(expect.record, expect.id)
      if (found !== expect.version) add({ record: expect.record, id: expect.id, version: found })
    } else if (head(space, expect.stream) !== expect.seq) {
      add({ stream: expect.stream, seq: head(space, expect.stream) })
    }
  }
  const versions = new Map<string, number>()
  for (const { kind, id, version: next, data } of unit.records ?? []) {
    const key = JSON.stringify([kind, id])
    if ((versions.get(key) ?? version(kind, id)) !== next - 1) add({ record: kind, id, version: version(kind, id) })
    versions.set(key, data === null ? 0 : next)
  }
  const heads = new Map<string, number>()
  for (const { stream, seq } of entriesToWrite(space, unit)) {
    if ((heads.get(stream) ?? head(space, stream)) !== seq - 1) add({ stream, seq: head(space, stream) })
    heads.set(stream, seq)
  }
  for (const { run } of unit.touch ?? []) {
    if (space.runs.get(run)?.row.worker !== null) add({ run })
  }
  return [...rows.values()]
}

function entriesToWrite(space: Space, unit: PassUnit): Entry[] {
  const started = new Set(space.runs.keys())
  const starts = (unit.starts ?? []).filter(({ id }) => !started.has(id) && started.add(id))
  const continued = unit.next?.to === 'continued' ? unit.next.entries : []
  return [...(unit.entries ?? []), ...starts.flatMap((start) => start.entries), ...continued]
}

function append(space: Space, entries: readonly Entry[]): void {
  for (const entry of entries) {
    const position = space.log.length + 1
    space.log.push(Object.freeze({ ...entry, position }))
    const stream = space.streams.get(entry.stream)
    if (stream === undefined) space.streams.set(entry.stream, [position])
    else stream.push(position)
  }
}

function erase(space: Space, stream: string, seq: number): void {
  const position = space.streams.get(stream)?.[seq - 1]
  if (position === undefined) return
  space.log[position - 1] = Object.freeze({ ...space.log[position - 1]!, payload: null, salt: null })
}

function putRecord(space: Space, { kind, id, version, data, index, sort }: RecordWrite): void {
  const ofKind = space.records.get(kind) ?? new Map<string, RecordRow>()
  space.records.set(kind, ofKind)
  if (data === null) ofKind.delete(id)
  else ofKind.set(id, deepFreeze({ kind, id, version, data, index: { ...index }, sort }))
}

/* a run */

function begin(space: Space, start: NewRun, now: Instant): string {
  const { id, stream, playbook, version, lane, root, laneWhileRunning, createdAt } = start
  const order = space.runs.size + 1
  const family = [...space.runs.values()].filter(
    ({ row }) => lane !== null && row.lane === lane && row.root === root && row.state !== 'settled',
  )
  const row: RunRow = {
    ...{ workspace: space.name, id, stream, playbook, version, lane, root, laneWhileRunning, createdAt, order },
    ...{ state: 'due', wakeAt: null, status: '', epoch: 0, worker: null, deaths: 0, claims: 0, settledAt: null },
  }
  const place = Math.min(order, ...family.map((each) => each.place))
  const run: Run = { row, dueAt: 0, place, mail: [], onceKeys: new Set(), shown: 0 }
  space.runs.set(id, run)
  makeDue(run, start.dueAt, now)
  append(space, start.entries)
  return id
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
function advance(space: Space, run: Run, unit: PassUnit, now: Instant): void {
  const consumed = new Set(unit.consumed)
  run.mail = run.mail.filter((mail) => !consumed.has(mail.row))
  const next = unit.next
  if ((unit.entries?.length ?? 0) > 0 || next?.to === 'continued') run.row = { ...run.row, deaths: 0, claims: 0 }
  if (next !== undefined) move(space, run, next, now)
  Object.freeze(run.row)
}

function move(space: Space, run: Run, next: Next, now: Instant): void {
  run.row = { ...run.row, worker: null, status: next.to === 'continued' ? run.row.status : next.status }
  switch (next.to) {
    case 'parked':
    case 'held': {
      // S4: mail that the pass has not seen leaves the run due. A pass that holds has seen what its claim brought.
      const unseen = run.mail.find((mail) => mail.row > (next.to === 'parked' ? next.seenMail : run.shown))
      if (unseen !== undefined) return makeDue(run, unseen.at, unseen.at)
      run.row = { ...run.row, state: next.to, wakeAt: next.to === 'parked' ? next.wakeAt : null }
      return
    }
    case 'due':
      return makeDue(run, next.at, now)
    case 'settled':
      run.mail = []
      run.row = { ...run.row, state: 'settled', wakeAt: null, settledAt: next.at }
      return
    case 'continued': {
      const { stream, playbook, version } = next
      run.row = { ...run.row, stream, playbook, version }
      append(space, next.entries)
      return makeDue(run, next.at, now)
    }
  }
  next satisfies never
}

/** The run under a lease that still holds (S3). */
function leased(data: Data, lease: Lease): Run | undefined {
  const run = data.spaces.get(lease.workspace)?.runs.get(lease.run)
  const holds = run?.row.worker === lease.worker && run.row.epoch === lease.epoch && data.alive.has(lease.worker)
  return holds ? run : undefined
}

/** Takes a worker and its listeners away, and frees its runs as `change` says. */
function release(data: Data, worker: string, change: (row: RunRow) => RunRow): void {
  if (!data.alive.delete(worker)) return
  for (const [listener, owner] of data.listeners) if (owner === worker) data.listeners.delete(listener)
  for (const space of data.spaces.values()) {
    const freed = [...space.runs.values()].filter(({ row }) => row.worker === worker)
    for (const run of freed) run.row = Object.freeze({ ...change(run.row), worker: null })
    if (freed.length > 0) tell(data, space, new Set(freed.map(({ row }) => row.id)))
  }
}

/* claiming */

function claim(data: Data, query: ClaimQuery): ClaimAnswer {
  if (!data.alive.has(query.worker)) return { claimed: [], nextAt: null }
  const can = new Set(query.can)
  const scope = query.workspaces === undefined ? undefined : new Set(query.workspaces)
  const spaces = [...data.spaces.values()].filter((space) => scope?.has(space.name) ?? true)
  const mine = (space: Space): Run[] =>
    [...space.runs.values()].filter(({ row }) => row.worker === null && can.has(`${row.playbook}@${row.version}`))
  const claimed = take(
    data,
    spaces.map((space) => ({ space, due: dueRuns(mine(space), query.now) })),
    query,
  )
  const wakes = spaces.flatMap(mine).flatMap(({ row }) => (row.state === 'parked' ? (row.wakeAt ?? []) : []))
  const later = wakes.filter((at) => at > query.now)
  return { claimed, nextAt: later.length === 0 ? null : later.reduce((a, b) => Math.min(a, b)) }
}

/** Oldest first: by the instant since when they are due, then in the order of starting. */
function dueRuns(runs: readonly Run[], now: Instant): Run[] {
  const at = ({ row, dueAt }: Run): Instant | null => (row.state === 'due' ? dueAt : row.wakeAt)
  return runs
    .filter(({ row }) => row.state === 'due' || (row.state === 'parked' && row.wakeAt !== null && row.wakeAt <= now))
    .sort((a, b) => at(a)! - at(b)! || a.row.order - b.row.order)
}

/** One run from each workspace in turn, beginning with the one that was served longest ago. */
function take(data: Data, queues: { space: Space; due: Run[] }[], query: ClaimQuery): Claimed[] {
  const claimed: Claimed[] = []
  const round = queues.sort((a, b) => a.space.served - b.space.served || byCodePoint(a.space.name, b.space.name))
  while (claimed.length < query.limit && round.some(({ due }) => due.length > 0)) {
    for (const { space, due } of round) {
      const suspect = ({ row }: Run): boolean => row.deaths >= query.suspectAfter
      const at = due.findIndex(
        (run) => !laneTaken(space, run) && (!suspect(run) || (query.alone && claimed.length === 0)),
      )
      const run = due.splice(0, at === -1 ? due.length : at + 1).at(-1)
      if (at === -1 || run === undefined || claimed.length >= query.limit) continue
      const alone = suspect(run)
      claimed.push(grab(space, run, query.worker))
      space.served = ++data.served
      if (alone) return claimed
    }
  }
  return claimed
}

/** Another family holds the run's lane, or stands before it in the queue. */
function laneTaken(space: Space, run: Run): boolean {
  if (run.row.lane === null) return false
  return [...space.runs.values()].some(({ row, place }) => {
    if (row.lane !== run.row.lane || row.root === run.row.root || row.state === 'settled') return false
    return row.worker !== null || (!row.laneWhileRunning && place < run.place)
  })
}

function grab(space: Space, run: Run, worker: string): Claimed {
  const { wakeAt, epoch, claims } = run.row
  if (wakeAt !== null) run.dueAt = wakeAt
  run.row = Object.freeze({ ...run.row, state: 'due', wakeAt: null, worker, epoch: epoch + 1, claims: claims + 1 })
  run.shown = run.mail.at(-1)?.row ?? run.shown
  const lease = { workspace: space.name, run: run.row.id, worker, epoch: epoch + 1 }
  return { lease, row: run.row, entries: entriesOf(space, run.row.stream, 0), mail: [...run.mail] }
}

/* reading */

function findRuns(space: Space, query: RunQuery): RunRow[] {
  const { state, playbook, after } = query
  const ids = query.ids === undefined ? undefined : new Set(query.ids)
  const down = query.order === 'descending'
  const rows = [...space.runs.values()].map((run) => run.row)
  return (down ? rows.reverse() : rows)
    .filter((row) => ids?.has(row.id) ?? true)
    .filter((row) => state === undefined || (state === 'open' ? row.state !== 'settled' : row.state === state))
    .filter((row) => playbook === undefined || row.playbook === playbook)
    .filter((row) => after === undefined || (down ? row.order < after : row.order > after))
    .slice(0, query.limit)
}

function findRecords(space: Space, query: RecordQuery): RecordRow[] {
  const { where, after, from } = query
  const ids = query.ids === undefined ? undefined : new Set(query.ids)
  const sign = query.order === 'descending' ? -1 : 1
  type Place = Pick<RecordRow, 'sort' | 'id'>
  const compare = (a: Place, b: Place): number =>
    sign * ((where === undefined ? 0 : a.sort - b.sort) || byCodePoint(a.id, b.id))
  return [...(space.records.get(query.kind)?.values() ?? [])]
    .filter((row) => ids?.has(row.id) ?? true)
    .filter(
      (row) => where === undefined || (Object.hasOwn(row.index, where.field) && row.index[where.field] === where.value),
    )
    .filter((row) => from === undefined || row.sort >= from)
    .filter((row) => after === undefined || compare(row, after) > 0)
    .sort(compare)
    .slice(0, query.limit)
}

function entriesOf(space: Space, stream: string, after: number, to?: number): Placed[] {
  return (space.streams.get(stream) ?? []).slice(after, to).map((position) => space.log[position - 1]!)
}

function head(space: Space, stream: string): number {
  return space.streams.get(stream)?.length ?? 0
}

/* the rest */

function emptySpace(name: string): Space {
  return {
    ...{ name, runs: new Map(), log: [], streams: new Map(), records: new Map(), artifacts: new Map() },
    ...{ mailRow: 0, served: 0 },
  }
}

function holdsAnything({ runs, log, artifacts, records }: Space): boolean {
  return runs.size + log.length + artifacts.size > 0 || [...records.values()].some((ofKind) => ofKind.size > 0)
}

/** Names, of `changed`, the runs that are due or settled; an empty list when only the next wake-up or a lane moved. */
function tell(data: Data, space: Space, changed: ReadonlySet<string>, before?: RunRow): void {
  if (changed.size === 0) return
  const rows = [...changed].flatMap((id) => space.runs.get(id)?.row ?? [])
  const runs = rows.filter((row) => row.worker === null && (row.state === 'due' || row.state === 'settled'))
  const parked = rows.some((row) => row.state === 'parked' && row.id !== before?.id)
  const laneFreed = before !== undefined && before.lane !== null && space.runs.get(before.id)!.row.worker === null
  if (runs.length === 0 && !parked && !laneFreed) return
  const change: Change = deepFreeze({ workspace: space.name, runs: runs.map((row) => row.id) })
  for (const listener of [...data.listeners.keys()]) {
    queueMicrotask(() => {
      if (data.listeners.has(listener)) listener(change)
    })
  }
}

/** The order of databases (UTF-8 bytes), which is not that of `<` beyond U+FFFF. */
function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
