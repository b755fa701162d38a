/** State: what entries say of streams, records and runs, as far as they have been read; enough to write their lines. */
import { dataOf, prunedIn, type Entry, type Placed } from '../journal/entry.ts'
import { putsOf } from '../journal/records.ts'
import { statusIn } from '../conductor/settle.ts'

/** One run as its entries tell it: the newest of its streams. */
export interface RunState {
  readonly id: string
  stream: string
  /** Undefined where the entry that says it was erased: its row knows. */
  playbook: string | undefined
  version: number
  /** `status` undefined where it was erased. */
  settled: { at: number; status: string | undefined } | undefined
}

/** Where a record was last put, or that it has ended. */
export interface RecordState {
  readonly kind: string
  readonly id: string
  readonly version: number
  readonly position: number
  readonly ended: boolean
}

export interface State {
  /** Entries of the workspace, from its beginning. */
  readonly count: Count
  /** Position of the last one that was read. */
  position: number
  readonly heads: Map<string, number>
  readonly records: Map<string, RecordState>
  readonly runs: Map<string, RunState>
  /** Runs whose journals were taken away: their rows say how they ended, for good. */
  readonly pruned: Set<string>
}

/** How many entries a workspace ever had: those that were pruned count where an entry says that they were. */
export class Count {
  #all = 0
  /** Of each stream, by the hash of its first entry: how many of it were seen. */
  readonly #seen = new Map<string, number>()
  readonly #firsts = new Map<string, string>()

  get all(): number {
    return this.#all
  }

  take(entry: Entry): void {
    this.#all++
    if (entry.seq === 1) this.#firsts.set(entry.stream, entry.hash)
    const first = this.#firsts.get(entry.stream)
    if (first !== undefined) this.#seen.set(first, entry.seq)
    if (entry.kind !== 'stream.pruned' || entry.payload === null) return
    const { streams } = dataOf(entry as Entry & { kind: 'stream.pruned' })
    for (const { first, seq } of streams) this.#all += seq - (this.#seen.get(first) ?? 0)
  }
}

export function emptyState(): State {
  return {
    ...{ count: new Count(), position: 0, heads: new Map(), records: new Map(), runs: new Map(), pruned: new Set() },
  }
}

const RUN_STREAM = /^run:(.*):\d+$/s

export function take(state: State, entry: Placed): void {
  state.count.take(entry)
  state.position = entry.position
  state.heads.set(entry.stream, entry.seq)
  for (const { kind, id, version, data } of putsOf(entry)) {
    state.records.set(`${kind}/${id}`, { kind, id, version, position: entry.position, ended: data === null })
  }
  for (const run of prunedIn(entry)) {
    state.pruned.add(run)
    state.runs.delete(run)
  }
  const run = RUN_STREAM.exec(entry.stream)?.[1]
  if (run !== undefined) takeRun(state, run, entry)
}

function takeRun(state: State, id: string, entry: Placed): void {
  const run = state.runs.get(id)
  switch (entry.kind) {
    case 'run.started': {
      const { playbook, version = 0 } = entry.payload === null ? {} : dataOf(entry as Placed & { kind: 'run.started' })
      state.runs.set(id, { id, stream: entry.stream, playbook, version, settled: undefined })
      return
    }
    case 'run.settled':
      if (run !== undefined) run.settled = { at: entry.at, status: statusIn(entry as Placed & { kind: 'run.settled' }) }
      return
    case 'run.reopened':
    case 'run.rewound':
      if (run !== undefined) run.settled = undefined
      return
    case 'run.moved':
      if (run !== undefined && entry.payload !== null)
        run.version = dataOf(entry as Placed & { kind: 'run.moved' }).version
      return
    default:
  }
}
