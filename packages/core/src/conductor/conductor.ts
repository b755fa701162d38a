/**
 * Conductor: claims what is due and leads passes over it, as many at once as it may; sleeps until something is due.
 *
 * C1. An idle conductor does nothing: it is woken by the store's word, by its own commits, or by one timer.
 * C2. After a store failure it claims nothing until a probe write has succeeded; failures in a row make it wait longer.
 * C3. `stop` starts nothing new, lets what runs be recorded, and gives the rest back: nothing is lost or counted as a death.
 * C4. When the store works again, what is leased to this worker and led by nobody is given back.
 * C5. A worker that was taken for dead abandons its passes, says so, and goes on under new leases.
 * C6. A suspect is led alone. Under steady load nothing new is claimed for a while, so that its turn comes.
 * C7. When another process has written to a workspace, the runs of it that are led here look for mail: it may be theirs.
 */
import { afterTurn, grace } from '../base/clock.ts'
import { KeelsonError } from '../base/errors.ts'
import { Roster } from '../base/roster.ts'
import { young } from '../base/young.ts'
import type { Claimed, ClaimQuery } from '../journal/store.ts'
import { catalogId } from '../playbook/catalog.ts'
import { standIn, type AnyPlaybook } from '../playbook/playbook.ts'
import { readAgain, setAside, tellCorrupt, wasSetAside } from './corrupt.ts'
import type { Environment } from './environment.ts'
import { Deaths, SUSPECT_AFTER } from './keep.ts'
import { lead, yieldRun } from './lead.ts'
import type { Internals, Pass, PassEnd } from './pass.ts'
import { probe } from './probe.ts'

export interface LoopOptions {
  readonly worker: string
  /** Passes at once. */
  readonly concurrency: number
  readonly workspaces: readonly string[] | undefined
  /** How often, in real milliseconds, the worker says that it lives; 0: never. */
  readonly beatMs: number
  readonly internals: (playbook: string) => Internals | undefined
}

interface Flight {
  readonly claimed: Claimed
  readonly pass: Pass
  readonly done: Promise<void>
}

/** Runs looked at in one go for those to give back. */
const GIVE_BACK_PAGE = 1000
/** Runs at most so many of one claim's answer, so that one turn stays short. */
const CLAIM_MAX = 100
/** Claims that pass over a suspect before way is made for it (C6), and the longest that nothing is claimed for its sake. */
const PASSED_OVER_MAX = 20
const MAKE_WAY_MS = 10_000

export class Loop {
  readonly #env: Environment
  readonly #options: LoopOptions
  readonly #flights = new Roster<Flight>()
  readonly #idle = new Set<() => void>()
  readonly #deaths = new Deaths()
  /** Workspaces of which the runs in flight are about to look for mail. */
  readonly #looking = new Set<string>()
  #asides = 0
  #claiming = false
  #again = false
  #stopping = false
  #degraded = false
  /** Passes that have ended with a failure of the store. */
  #broken = 0
  /** Store failures since a pass last ended well. */
  #failures = 0
  /** The run that is led alone, because its workers died before it had recorded anything. */
  #suspect: Claimed | undefined
  /** Claims in a row that passed over a suspect. */
  #passedOver = 0
  #makingWay: (() => void) | undefined
  #disarm: (() => void) | undefined
  #beating: (() => void) | undefined

  constructor(env: Environment, options: LoopOptions) {
    this.#env = env
    this.#options = options
  }

  start(): void {
    this.#beat()
    this.poke()
  }

  /** Something may be due. */
  poke(): void {
    if (this.#stopping) return
    if (this.#claiming) {
      this.#again = true
      return
    }
    this.#claiming = true
    void this.#claim()
  }

  /** C2. The store failed outside of any pass. */
  failed(error: unknown): void {
    this.#degrade(error)
  }

  /** Mail has come for a run that may be in flight here. */
  mailFor(workspace: string, run: string): void {
    const flight = this.#flights.get(idOf(workspace, run))
    if (flight?.pass.replay !== undefined) void flight.pass.mailbox.absorb()
  }

  /** Something was said of runs: of one that has just been settled or parked here, too, which then is no longer in flight. */
  changed(workspace: string, runs: readonly string[]): void {
    if (runs.length === 0) this.#lookForMail(workspace)
    for (const run of runs) {
      if (this.#flights.has(idOf(workspace, run))) afterTurn(() => this.mailFor(workspace, run))
    }
    this.poke()
  }

  /** C7. Once for all that is said in one turn: another process may say it with each of its commits. */
  #lookForMail(workspace: string): void {
    if (this.#looking.has(workspace)) return
    this.#looking.add(workspace)
    afterTurn(() => {
      this.#looking.delete(workspace)
      for (const { claimed } of this.#flights.values())
        if (claimed.row.workspace === workspace) this.mailFor(workspace, claimed.row.id)
    })
  }

  /** Resolves when nothing is in flight and nothing more is due now. */
  async quiet(): Promise<void> {
    while (!this.#stopping && (this.#claiming || this.#flights.size + this.#asides > 0)) {
      await new Promise<void>((resolve) => this.#idle.add(resolve))
    }
  }

  get inFlight(): number {
    return this.#flights.size
  }

  /** C3. What has not ended after `withinMs` of real time is left: its steps' outcomes are then not recorded. */
  async stop(withinMs: number): Promise<void> {
    this.#rest()
    const flights = [...this.#flights.values()]
    for (const { pass } of flights) void yieldRun(pass, false)
    const limit = grace(withinMs)
    await Promise.race([Promise.all(flights.map((flight) => flight.done)), limit.ended])
    limit.cancel()
    this.abandon()
  }

  /** Lets go of everything at once, as a crash would. */
  abandon(): void {
    this.#rest()
    for (const { pass } of this.#flights.values()) pass.end({ how: 'abandoned' })
    this.#settleIdle()
  }

  /**
   * Ends a cancelled run of which this process does not have the code, and nobody holds it: its code is not resumed anyway.
   * Resolves when that is done, or left to whoever holds the run.
   */
  async endWithoutCode(workspace: string, run: string): Promise<void> {
    const query = { ...this.#query(1), workspaces: [workspace], only: run }
    const [claimed] = (await this.#env.store.claim(query)).claimed
    if (claimed === undefined) return
    const { playbook, version } = claimed.row
    this.#fly(claimed, this.#env.catalog.get(playbook, version) ?? standIn(playbook, version))
    await this.#flights.get(idOf(workspace, run))?.done
  }

  #rest(): void {
    this.#stopping = true
    this.#disarm?.()
    this.#beating?.()
    this.#makingWay?.()
  }

  async #claim(): Promise<void> {
    try {
      do {
        this.#again = false
        await this.#claimOnce()
      } while (this.#again && !this.#stopping)
    } catch (error) {
      this.#claiming = false
      if (!this.#stopping) this.#degrade(error)
      return
    }
    this.#claiming = false
    this.#settleIdle()
  }

  async #claimOnce(): Promise<void> {
    const room = this.#suspect !== undefined || this.#makesWay() ? 0 : this.#options.concurrency - this.#flights.size
    if (room <= 0 || this.#degraded) return
    const limit = Math.min(room, CLAIM_MAX)
    const query = this.#query(limit)
    const { claimed, nextAt, suspects, corrupt } = await this.#env.store.claim(query)
    for (const found of corrupt ?? []) void this.#aside(tellCorrupt(this.#env, found))
    if (this.#stopping) return
    this.#passedOver = suspects === true ? this.#passedOver + 1 : 0
    this.#deaths.tell(this.#env.log, claimed)
    // What others have written of a company by now counts for these passes.
    for (const { row } of claimed) this.#env.company(row.workspace).moved()
    for (const one of claimed) this.#fly(one)
    // The answer ends where it is full, and before one that is one too many of its playbook.
    if (claimed.length >= limit || claimed.some(({ row }) => query.atMost?.has(row.playbook))) this.#again = true
    this.#arm(nextAt)
  }

  #query(limit: number): ClaimQuery {
    return {
      worker: this.#options.worker,
      ...(this.#options.workspaces === undefined ? {} : { workspaces: this.#options.workspaces }),
      ...this.#can(),
      now: this.#env.clock.now(),
      limit,
      suspectAfter: SUSPECT_AFTER,
      alone: this.#flights.size === 0,
    }
  }

  /** C6. What is in flight may end first, for a time; a step that takes hours must not hold up all others. */
  #makesWay(): boolean {
    if (this.#flights.size === 0 || this.#passedOver < PASSED_OVER_MAX) {
      this.#makingWay?.()
      return false
    }
    if (this.#makingWay !== undefined) return true
    const limit = grace(MAKE_WAY_MS)
    this.#makingWay = () => {
      this.#makingWay = undefined
      limit.cancel()
    }
    void limit.ended.then(() => {
      if (this.#makingWay === undefined) return
      this.#makingWay()
      this.#passedOver = 0
      this.poke()
    })
    return true
  }

  /** What may be claimed now: all but what is at its own limit, which is the least that any of its versions says. */
  #can(): Pick<ClaimQuery, 'can' | 'atMost'> {
    const all = this.#env.catalog.all()
    const atMost = new Map<string, number>()
    for (const { name, atOnce } of all)
      if (atOnce !== undefined) atMost.set(name, Math.min(atOnce, atMost.get(name) ?? Infinity))
    if (atMost.size === 0) return { can: all.map((one) => catalogId(one.name, one.version)) }
    for (const { row } of [...this.#flights.values()].map((flight) => flight.claimed)) {
      const left = atMost.get(row.playbook)
      if (left !== undefined) atMost.set(row.playbook, left - 1)
    }
    const free = all.filter(({ name }) => (atMost.get(name) ?? 1) > 0)
    return { can: free.map((one) => catalogId(one.name, one.version)), atMost }
  }

  #fly(claimed: Claimed, code?: AnyPlaybook): void {
    const { row, corrupt } = claimed
    const playbook = code ?? this.#env.catalog.get(row.playbook, row.version)
    const id = idOf(row.workspace, row.id)
    if (corrupt !== undefined) return void this.#aside(setAside(this.#env, claimed, corrupt))
    if (playbook === undefined) return
    if (row.deaths >= SUSPECT_AFTER) this.#suspect = claimed
    try {
      const internals = this.#options.internals(row.playbook)
      const { pass, ended } = lead(this.#env, claimed, playbook, { internals, onProgress: () => this.#clear(claimed) })
      const done = ended.then((end) => this.#landed(id, claimed, end))
      this.#flights.set(id, { ...young, claimed, pass, done })
    } catch (error) {
      void this.#aside(setAside(this.#env, claimed, (error as Error).message))
      this.#clear(claimed)
    }
  }

  /** A suspect that has recorded something is none any more: others may run beside it. */
  #clear(claimed: Claimed): void {
    if (this.#suspect !== claimed) return
    this.#suspect = undefined
    this.poke()
  }

  /** What is not as it was written is put before a person: who waits for quiet waits for that, too. */
  async #aside(told: Promise<void>): Promise<void> {
    this.#asides++
    await told.catch((thrown: unknown) => this.#degrade(thrown))
    this.#asides--
    this.#settleIdle()
  }

  #landed(id: string, claimed: Claimed, end: PassEnd): void {
    // A run that was given back may be in flight again before its old pass has ended.
    if (this.#flights.get(id)?.claimed === claimed) this.#flights.delete(id)
    if (this.#suspect === claimed) this.#suspect = undefined
    if (end.how === 'store' && KeelsonError.is(end.error, 'STORE_CORRUPT')) {
      void this.#aside(setAside(this.#env, claimed, end.error.message))
      this.poke()
    } else if (end.how === 'store') this.#degrade(end.error)
    else {
      this.#failures = 0
      if (wasSetAside(claimed.row, end)) void this.#aside(readAgain(this.#env, claimed.row))
      this.poke()
    }
    this.#settleIdle()
  }

  #arm(nextAt: number | null): void {
    this.#disarm?.()
    this.#disarm = undefined
    if (nextAt === null || this.#stopping) return
    this.#disarm = this.#env.clock.timer(nextAt, () => this.poke(), { keepAlive: false })
  }

  /** C2. */
  #degrade(error: unknown): void {
    this.#broken++
    if (this.#degraded || this.#stopping) return
    this.#degraded = true
    const message = error instanceof Error ? error.message : String(error)
    this.#env.log.error(
      { ...(KeelsonError.is(error) && error.hint !== undefined ? { hint: error.hint } : {}) },
      `the store failed: ${message}`,
    )
    this.#env.emit('store.failed', { message })
    void this.#probe(++this.#failures)
  }

  async #probe(attempt: number): Promise<void> {
    const pause = grace(Math.min(30_000, 50 * 2 ** attempt))
    await pause.ended
    if (this.#stopping) return
    try {
      await probe(this.#env.store, this.#options.worker)
      const before = this.#broken
      await this.#giveBack()
      if (this.#broken !== before) return void this.#probe(attempt + 1) // it led that run still, as it looked
      this.#degraded = false
      this.#env.log.info({}, 'the store works again')
      this.#env.emit('store.recovered', { message: 'the store works again' })
      this.poke()
    } catch {
      void this.#probe(attempt + 1)
    }
  }

  /** C4. What this worker holds and nobody leads: its pass ended with the store's failure, or the claim's answer was lost. */
  async #giveBack(): Promise<void> {
    const { store, clock } = this.#env
    const { worker } = this.#options
    for (const workspace of this.#options.workspaces ?? (await store.workspaces())) {
      for (let after = 0, more = true; more;) {
        const rows = await store.runs(workspace, { state: 'open', after, limit: GIVE_BACK_PAGE })
        for (const row of rows) {
          if (row.worker !== worker || this.#flights.has(idOf(workspace, row.id))) continue
          const lease = { workspace, run: row.id, worker, epoch: row.epoch }
          await store.commit(lease, { next: { to: 'due', status: row.status, at: clock.now() } })
        }
        after = rows.at(-1)?.order ?? after
        more = rows.length === GIVE_BACK_PAGE
      }
    }
  }

  #beat(): void {
    const { beatMs, worker } = this.#options
    if (beatMs <= 0) return
    const pause = grace(beatMs)
    this.#beating = () => pause.cancel()
    void pause.ended.then(async () => {
      if (this.#stopping) return
      const alive = await this.#env.store.beat(worker).catch((error: unknown) => this.#degrade(error))
      if (alive === false && !this.#stopping) await this.#lost()
      for (const { claimed } of this.#flights.values()) this.mailFor(claimed.row.workspace, claimed.row.id) // another process may have written
      this.#beat()
    })
  }

  /** C5. The store has registered it anew; what it led may be led by others by now. */
  async #lost(): Promise<void> {
    const { worker } = this.#options
    const flights = [...this.#flights.values()]
    this.#env.log.error(
      { hint: 'Its lock file was removed, or its session cut: nothing is lost, but steps that ran are run again.' },
      `worker ${worker} was taken for dead: its ${flights.length} passes are abandoned`,
    )
    this.#env.emit('worker.lost', { worker, passes: flights.length })
    for (const { pass } of flights) pass.end({ how: 'fenced' })
    await Promise.all(flights.map((flight) => flight.done))
    await this.#giveBack().catch((error: unknown) => this.#degrade(error))
    this.poke()
  }

  #settleIdle(): void {
    if (!this.#stopping && (this.#claiming || this.#flights.size + this.#asides > 0)) return
    for (const resolve of this.#idle) resolve()
    this.#idle.clear()
  }
}

const idOf = (workspace: string, run: string): string => JSON.stringify([workspace, run])
