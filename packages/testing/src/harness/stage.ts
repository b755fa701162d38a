/**
 * Stage: what a harness stands on: one life after the other on one store, one clock, one world.
 *
 * G1. Time moves by `advance` only; but while a running pass waits for a short time and nothing else moves, `settle`
 *     lets that time pass.
 * G2. A verb that was pending when its conductor died goes on against the next one.
 * G3. What waits for something that does not come fails at once, and says what it waits for.
 * G4. Nothing that the test did not pass was done outside: `settle` throws when a stray was asked to.
 * G5. Nothing that a run asked for was dropped: `settle` throws when one ended without it, unless the test says `mayDrop`.
 */
import { KeelsonError, turn, type Instant } from '@keelson/core/ports'
import type { Conductor } from '@keelson/core'
import { milliseconds } from '../clock.ts'
import { beginLife, type Life, type Probe, type Setting } from './life.ts'

/** How a stage differs from that of a plain test. */
export interface StageOptions {
  readonly probe?: Probe
  /** People and hosts that come back: a verb that met a failed store, or found nothing to decide yet, is tried again. */
  readonly patient?: boolean
  /** Called when all is quiet; answers true when it did something. */
  readonly onQuiet?: (keelson: Conductor) => Promise<boolean>
}

/** Turns of the event loop without any movement after which something only waits. */
const IDLE_TURNS = 12
/** Turns after which what still moves is taken to go in circles. */
const TURNS_MAX = 20_000
/** Delays up to this are of retries; longer ones are time limits, which wait for what may still answer. */
const SHORT_MS = 5000
/** Real time without movement before a time limit is taken to have come. */
const LIMIT_AFTER_MS = 25
/** Real time without movement, and nothing to wait for, before it is taken to hang. */
const HANGS_AFTER_MS = 10_000

export class Stage {
  readonly setting: Setting
  readonly #options: StageOptions
  #living: Promise<Life>
  #life!: Life
  #stopped = false
  #verbs = 0

  constructor(setting: Setting, options: StageOptions = {}) {
    this.setting = setting
    this.#options = options
    this.#living = this.#begin()
  }

  /** The conductor of now. */
  get keelson(): Conductor {
    return this.#life.keelson
  }

  get stopped(): boolean {
    return this.#stopped
  }

  /** Whether a verb of the harness is under way. */
  get busy(): boolean {
    return this.#verbs > 0
  }

  get patient(): boolean {
    return this.#options.patient === true
  }

  async ready(): Promise<void> {
    await this.#living
  }

  /** The conductor dies here and now, as a killed process would; another begins on the same store, perhaps with other options. */
  crash(options: Partial<Setting['options']> = {}): void {
    this.setting.options = { ...this.setting.options, ...options }
    const life = this.#life
    if (life.dead) return
    const killed = life.die()
    this.#living = (async () => {
      await killed
      return this.#begin()
    })()
    this.#living.catch(() => {})
  }

  async stop(): Promise<void> {
    this.#stopped = true
    const life = await this.#living
    if (!life.dead) await life.keelson.stop()
  }

  /** Does what a host does; goes on against the next conductor if this one dies meanwhile. */
  async perform<T>(verb: (keelson: Conductor) => Promise<T>): Promise<T> {
    return this.#during(() => this.#perform(verb))
  }

  async #during<T>(verb: () => Promise<T>): Promise<T> {
    this.#verbs++
    try {
      return await verb()
    } finally {
      this.#verbs--
    }
  }

  async #perform<T>(verb: (keelson: Conductor) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const life = await this.#living
      const asked = verb(life.keelson).then(
        (value) => ({ value }),
        (thrown: unknown) => ({ thrown }),
      )
      const ended = await Promise.race([asked, life.died.then(() => undefined)])
      if (ended === undefined) continue
      if ('value' in ended) return ended.value
      const again = this.patient && tries < 5 && KeelsonError.is(ended.thrown, 'STORE_FAILED')
      if (!life.dead && !again) throw ended.thrown
    }
  }

  /** Until nothing moves any more. Not `strictly`: whatever came of it (G4, G5). */
  async settle(strictly = true): Promise<void> {
    await this.#during(() => this.#settle())
    if (!strictly) return
    this.setting.strays.assertNone()
    if (!this.setting.mayDrop) this.setting.dropped.assertNone()
  }

  async #settle(): Promise<void> {
    let idle = fresh(-1)
    for (let turns = 0; !this.#stopped; turns++) {
      if (turns > TURNS_MAX) throw await hanging((await this.#living).keelson)
      const life = await this.#living
      if ((await isQuiet(life)) && (await isQuiet(life))) {
        if (!(await this.perform(async (keelson) => this.#options.onQuiet?.(keelson) ?? false))) return
        continue
      }
      const moves = this.#moves(life)
      if (moves !== idle.moves) idle = fresh(moves)
      else if (++idle.turns >= IDLE_TURNS) await this.#pass(life, idle)
    }
  }

  /** Time passes: what falls due on the way happens at its own instant. */
  async advance(duration: string): Promise<void> {
    const { clock } = this.setting
    await this.settle()
    const target = clock.now() + milliseconds(duration)
    while (await this.skip(target)) await this.settle()
    clock.to(target)
    await this.settle()
  }

  /** To the next instant at which something is due, if that is not after `target`. */
  async skip(target: Instant): Promise<boolean> {
    const next = this.setting.clock.next()
    if (next === undefined || next > target) return false
    this.setting.clock.to(next)
    return true
  }

  async #begin(): Promise<Life> {
    const { life, ready } = beginLife(this.setting, this.#options.probe)
    this.#life = life
    await ready
    return life.dead ? this.#living : life
  }

  #moves(life: Life): number {
    const { clock, world } = this.setting
    return life.moves + clock.moves + world.moves + world.script.moves
  }

  /** Nothing moves, yet something is in flight: what it waits for is time, or outside. */
  async #pass(life: Life, idle: Idle): Promise<void> {
    const { clock } = this.setting
    const next = clock.next('waited')
    const sinceMs = performance.now() - idle.since
    if (next !== undefined && (next - clock.now() <= SHORT_MS || sinceMs >= LIMIT_AFTER_MS)) return clock.to(next)
    if (next === undefined && sinceMs >= HANGS_AFTER_MS) throw await hanging(life.keelson)
    await realMs(1)
  }
}

interface Idle {
  readonly moves: number
  readonly since: number
  turns: number
}

function fresh(moves: number): Idle {
  return { moves, since: performance.now(), turns: 0 }
}

async function isQuiet(life: Life): Promise<boolean> {
  if (life.degraded) await realMs(5)
  if (life.dead || life.degraded) {
    await turn()
    return false
  }
  let quiet = false
  life.keelson.quiet().then(
    () => (quiet = true),
    () => {},
  )
  await turn()
  return quiet && !life.dead && !life.degraded
}

export function realMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function hanging(keelson: Conductor): Promise<KeelsonError> {
  const text = await whatWaits(keelson)
  return new KeelsonError('RUN_WAITING', `something runs and does not end:\n${text}`, {
    hint: 'A step or a real action awaits something that never answers. Fake the action, or give the step a timeout.',
  })
}

/** Every open run of a user's playbooks and what it waits for, for messages. */
export async function whatWaits(keelson: Conductor): Promise<string> {
  const { runs } = await keelson.runs.list({ state: 'open', limit: 500 })
  const own = runs.filter((run) => !run.playbook.startsWith('keelson.'))
  const texts = await Promise.all(own.map((run) => keelson.why(run.id)))
  return texts.length === 0 ? 'no run is open' : texts.join('\n')
}
