/**
 * Fleet: the worker processes of a soak: started, killed at random moments, started again at once.
 *
 * T1. A worker is killed when it has recorded something, but for a few that die while they start or with another: on a slow
 *     machine all would otherwise die before they had come to anything, and a soak would measure that alone.
 * T2. Some live longer than the settle window: that something did not happen is sure only once one process has looked for it so
 *     long. Were there none, each sending that nobody heard of would stay open as long as workers are killed, and an order with it.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { SETTLE_MS } from './playbooks.ts'

export interface FleetOptions {
  readonly file: string
  readonly url: string
  readonly log: string
  readonly random: () => number
  /** Kills in all. */
  readonly kills: number
  readonly onKill: (kills: number) => void
}

/** One process, from its start to its end. */
interface Worker {
  readonly name: string
  readonly process: ChildProcess
  /** It is open; it has recorded something. */
  readonly ready: Promise<void>
  readonly recorded: Promise<void>
  readonly ended: Promise<unknown>
}

const SLOTS = 2
/** Of a hundred kills: those that also take the other worker, that hit a worker before it is open, and that let it live long. */
const BOTH = 12
const EARLY = 10
const LATE = 6
/** The longest that a worker is let live after it first recorded something, before it is open, and where it lives long. */
const LIFE_MS = 1200
const BOOT_MS = 350
const LONG_MS = 4 * SETTLE_MS

export class Fleet {
  /** When each worker that was killed was killed. */
  readonly killed = new Map<string, number>()
  /** Ends that nobody asked for. */
  readonly surprises: string[] = []
  both = 0
  early = 0
  /** How often a worker said that it has recorded something. */
  records = 0
  readonly #options: FleetOptions
  readonly #slots: Worker[] = []
  readonly #over = Promise.withResolvers<void>()
  #launched = 0

  constructor(options: FleetOptions) {
    this.#options = options
    for (let slot = 0; slot < SLOTS; slot++) this.#slots.push(this.#launch(slot))
  }

  get kills(): number {
    return this.killed.size
  }

  /** Kills until there were as many as asked for. The last workers live. */
  async rampage(): Promise<void> {
    const haunts = this.#slots.map((_, slot) => this.#haunt(slot))
    await Promise.race(haunts)
    this.#over.resolve()
    await Promise.all(haunts)
  }

  /** Lets the workers end their passes, and end. */
  async stop(): Promise<void> {
    await Promise.all(
      this.#slots.map(async (worker) => {
        await Promise.race([worker.ready, worker.ended])
        if (worker.process.connected) worker.process.send('stop')
        await worker.ended
      }),
    )
  }

  /** Ends everything, whatever it is doing. */
  end(): void {
    for (const { process } of this.#slots) process.kill('SIGKILL')
  }

  async #haunt(slot: number): Promise<void> {
    const { random, kills, onKill } = this.#options
    while (this.kills < kills) {
      const kind = random() * 100
      const early = kind < EARLY
      const life = random() * (early ? BOOT_MS : kind < EARLY + LATE ? LONG_MS : LIFE_MS)
      const worker = this.#slots[slot]!
      if (!early) await Promise.race([worker.recorded, worker.ended, this.#over.promise])
      await new Promise((resolve) => setTimeout(resolve, life))
      if (this.kills >= kills) return
      const both = random() * 100 < BOTH
      if (early) this.early++
      if (both) this.both++
      await Promise.all((both ? [...this.#slots.keys()] : [slot]).map((one) => this.#kill(one)))
      onKill(this.kills)
    }
  }

  async #kill(slot: number): Promise<void> {
    const worker = this.#slots[slot]!
    if (this.killed.has(worker.name)) return
    this.killed.set(worker.name, Date.now())
    worker.process.kill('SIGKILL')
    await worker.ended
    this.#slots[slot] = this.#launch(slot)
  }

  #launch(slot: number): Worker {
    const { file, url, log } = this.#options
    const name = `worker-${slot}-${++this.#launched}`
    const child = fork(join(import.meta.dirname, 'worker.ts'), [file, url, log, name], {
      execArgv: ['--conditions=@keelson/source'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    let said = ''
    child.stderr?.on('data', (data: Buffer) => (said = (said + data.toString()).slice(-2000)))
    const ended = once(child, 'exit').then(([code]) => {
      if (code !== 0 && !this.killed.has(name)) this.surprises.push(`${name} ended with ${code}: ${said.trim()}`)
    })
    const ready = Promise.withResolvers<void>()
    const recorded = Promise.withResolvers<void>()
    child.on('message', (said) => {
      if (said === 'recorded') this.records++
      ;(said === 'recorded' ? recorded : ready).resolve()
    })
    return { name, process: child, ready: ready.promise, recorded: recorded.promise, ended }
  }
}
