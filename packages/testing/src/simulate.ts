/**
 * simulate: seeded interleavings of several conductors on one store, with crashes, people, time and clocks that differ.
 *
 * Everything that could happen in another order does, as a seed says: calls to the store wait for turns of the event loop,
 * conductors die and others begin, commands come early or late. The same seed is the same simulation.
 */
import type { Action, Conductor } from '@keelson/core'
import { assertKnown, namesOf, seeded, turn } from '@keelson/core/ports'
import { manualClock, milliseconds } from './clock.ts'
import { assertFaked, Strays } from './fake/stray.ts'
import { World, type Happened } from './fake/world.ts'
import { Dropped } from './harness/dropped.ts'
import type { HarnessOptions } from './harness/harness.ts'
import { beginLife, type Life, type Setting } from './harness/life.ts'
import { answerTruly } from './harness/people.ts'
import { testIds } from './ids.ts'
import { memoryStore } from './memory-store.ts'

/** What commands and checks are given. */
export interface Simulated {
  /** One of the conductors. It may die before it answers: the command is then done again on another. */
  readonly keelson: Conductor
  random(): number
  /** Says that a named state was reached. */
  sometimes(name: string): void
  world<In, Out>(action: Action<In, Out>): readonly Happened<In, Out>[]
}

export interface SimulateOptions {
  /** Made anew for each seed. */
  readonly harness: () => Omit<HarnessOptions, 'store' | 'seed'>
  /** What hosts and people do. Each is done, some time, in an order that the seed says; done twice it must do once. */
  readonly commands: readonly ((s: Simulated) => Promise<void>)[]
  /** Must hold at the end of each simulation, when nothing is due any more. Throws where it does not. */
  readonly check: (s: Simulated) => Promise<void> | void
  /** How many simulations, or exactly which. Default 20. */
  readonly seeds?: number | readonly (number | string)[]
  /** Conductors at once. Default 3. */
  readonly workers?: number
  /** Things that happen before the end. Default 60. */
  readonly steps?: number
  /** How far clocks may differ. Default '0s'. */
  readonly skew?: string
  /** Some conductors lose their leases without knowing and go on for a while, as after a long pause. Default false. */
  readonly zombies?: boolean
  /**
   * Names that some simulation must reach: a simulation that never does proves nothing. 'crash', 'zombie', 'slow clock' and
   * 'fast clock' are reached by the simulation itself.
   */
  readonly sometimes?: readonly string[]
}

export interface SimulateResult {
  readonly simulations: number
  readonly sometimes: Readonly<Record<string, number>>
  /** One text for each seed of what each store call was, in order: equal for equal seeds. */
  readonly traces: readonly string[]
}

const OPTIONS = namesOf<SimulateOptions>({
  ...{ harness: true, commands: true, check: true, seeds: true, workers: true, steps: true, skew: true, zombies: true },
  ...{ sometimes: true },
})

/** Throws at the first seed that breaks `check` or the audit, naming the seed; and when a name was never reached. */
export async function simulate(options: SimulateOptions): Promise<SimulateResult> {
  assertKnown('simulate', options, OPTIONS, 'INPUT_INVALID')
  const { seeds = 20 } = options
  const reached: Record<string, number> = {}
  const traces: string[] = []
  const list = typeof seeds === 'number' ? Array.from({ length: seeds }, (_, i) => i + 1) : seeds
  for (const seed of list) {
    const one = new Simulation(options, String(seed), reached)
    try {
      traces.push(await one.play())
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause)
      throw new Error(`simulate: seed ${seed}: ${text}\nreproduce with simulate({ …, seeds: ['${seed}'] })`, { cause })
    }
  }
  const never = (options.sometimes ?? []).filter((name) => reached[name] === undefined)
  if (never.length > 0)
    throw new Error(`simulate: in ${list.length} simulations these were never reached: ${never.join(', ')}`)
  return { simulations: list.length, sometimes: reached, traces }
}

const MONDAY = '2026-01-05T09:00:00Z'
/** Turns without movement after which only time can go on. */
const IDLE_TURNS = 16
/** Turns after which time goes on although a command still asks whether what it waits for is there. */
const ASKING_TURNS = 64
const TURNS_MAX = 50_000

class Simulation {
  readonly #options: SimulateOptions
  readonly #reached: Record<string, number>
  readonly #random: () => number
  readonly #setting: Omit<Setting, 'skewMs'>
  readonly #lives: Life[] = []
  readonly #zombies: Life[] = []
  readonly #pending = new Set<Promise<void>>()
  readonly #trace: string[] = []
  #holding = true
  #begun = 0

  constructor(options: SimulateOptions, seed: string, reached: Record<string, number>) {
    const { connectors = [], now = MONDAY, alwaysReplay = false, mayDrop = false, ...given } = options.harness()
    this.#options = options
    this.#reached = reached
    this.#random = seeded(`simulate ${seed}`)
    const silent = { info: () => {}, warn: () => {}, error: () => {} }
    this.#setting = {
      ...{ options: given, connectors, recipes: [], store: memoryStore(), world: new World(), alwaysReplay },
      strays: new Strays(),
      dropped: new Dropped(),
      mayDrop,
      ...{ clock: manualClock(Date.parse(now)), ids: testIds(seed), log: silent },
    }
  }

  async play(): Promise<string> {
    const { workers = 3, steps = 60 } = this.#options
    for (let i = 0; i < workers; i++) this.#lives.push(await this.#begin())
    const commands = [...this.#options.commands]
    for (let step = 0; step < steps || commands.length > 0; step++) {
      if (commands.length > 0 && this.#random() < 0.3) {
        const [command] = commands.splice(Math.floor(this.#random() * commands.length), 1)
        this.#command(command!)
      } else await this.#something()
      for (let turns = Math.floor(this.#random() * 12); turns > 0; turns--) await turn()
    }
    this.#holding = false
    for (const zombie of this.#zombies) await zombie.die()
    await this.#comeToRest()
    this.#setting.strays.assertNone()
    const simulated = this.#simulated()
    const { faults } = await simulated.keelson.audit.verify()
    if (faults.length > 0) throw new Error(`audit.verify(): ${faults.join('; ')}`)
    await this.#options.check(simulated)
    for (const life of this.#lives) await life.keelson.stop()
    return this.#trace.join('\n')
  }

  async #something(): Promise<void> {
    const chance = this.#random()
    if (chance < 0.2) return this.#crash()
    if (chance < 0.5) return this.#advance()
    if (chance < 0.6) await this.#truth()
  }

  async #crash(): Promise<void> {
    const at = Math.floor(this.#random() * this.#lives.length)
    const held = this.#lives[at]!
    this.#trace.push(`crash ${held.worker}`)
    const zombie = this.#options.zombies === true && this.#random() < 0.5
    this.#sometimes(zombie ? 'zombie' : 'crash')
    if (zombie) {
      await this.#setting.store.kill(held.worker)
      this.#zombies.push(held)
    } else await held.die()
    this.#lives[at] = await this.#begin()
  }

  #advance(): void {
    const { clock } = this.#setting
    const next = clock.next()
    const some = clock.now() + Math.floor(this.#random() * 60_000)
    clock.to(next !== undefined && this.#random() < 0.5 ? next : Math.min(next ?? some, some))
    this.#trace.push(`time ${clock.now()}`)
  }

  async #begin(): Promise<Life> {
    const skew = milliseconds(this.#options.skew ?? '0s')
    const skewMs = Math.round((this.#random() * 2 - 1) * skew)
    if (skewMs < 0) this.#sometimes('slow clock')
    if (skewMs > 0) this.#sometimes('fast clock')
    const name = ++this.#begun
    const { life, ready } = beginLife(
      { ...this.#setting, skewMs },
      {
        before: (op, detail) => {
          this.#trace.push(`${name} ${op} ${(detail[0] as { run?: string } | undefined)?.run ?? ''}`)
          return this.#hold()
        },
        after: () => this.#hold(),
        effect: (verb, action, when) => {
          this.#trace.push(`${name} ${when} ${verb} ${action}`)
          return this.#hold()
        },
      },
    )
    await ready
    return life
  }

  /** Some turns in which others may go first. */
  #hold(): Promise<void> | undefined {
    const turns = this.#holding ? Math.floor(this.#random() * 4) : 0
    if (turns === 0) return undefined
    return (async () => {
      for (let i = 0; i < turns; i++) await turn()
    })()
  }

  #command(command: (s: Simulated) => Promise<void>): void {
    const work = (async () => {
      for (;;) {
        const life = this.#pick()
        const ended = await Promise.race([
          command(this.#simulated(life)).then(
            () => 'done' as const,
            (thrown: unknown) => ({ thrown }),
          ),
          life.died.then(() => 'died' as const),
        ])
        if (ended === 'done') return
        if (ended !== 'died' && !life.dead) throw ended.thrown
      }
    })()
    this.#pending.add(work)
    work.then(
      () => this.#pending.delete(work),
      () => {},
    )
  }

  async #truth(): Promise<void> {
    const life = this.#pick()
    await Promise.race([answerTruly(life.keelson, this.#setting.world), life.died])
  }

  /** Until nothing is due: everything that waits for time gets it. */
  async #comeToRest(): Promise<void> {
    const { clock } = this.#setting
    for (let idle = 0, moves = -1, turns = 0; ; turns++) {
      if (turns > TURNS_MAX) throw new Error('it never comes to rest')
      await turn()
      const now = this.#lives.reduce((sum, life) => sum + life.moves, clock.moves + this.#setting.world.moves)
      idle = now === moves ? idle + 1 : 0
      moves = now
      const isAsking = this.#pending.size > 0 && turns % ASKING_TURNS === 0
      if (idle < IDLE_TURNS && !isAsking) continue
      if (await answerTruly(this.#pick().keelson, this.#setting.world)) continue
      const next = clock.next()
      if (next === undefined) {
        if (isAsking) continue
        break
      }
      clock.to(next)
    }
    await Promise.all(this.#pending)
  }

  #pick(): Life {
    return this.#lives[Math.floor(this.#random() * this.#lives.length)]!
  }

  #sometimes(name: string): void {
    this.#reached[name] = (this.#reached[name] ?? 0) + 1
  }

  #simulated(life = this.#lives[0]!): Simulated {
    return {
      keelson: life.keelson,
      random: this.#random,
      sometimes: (name) => this.#sometimes(name),
      world: (action) => {
        assertFaked(this.#setting, action)
        return this.#setting.world.happened(action.name) as readonly Happened<never, never>[]
      },
    }
  }
}
