/**
 * Life: one conductor on one session of the store, until it is stopped or crashes.
 *
 * F1. A dead life does nothing more: its calls to the store and its actions never answer, its timers never fire. No code
 *     of it sees anything thrown.
 * F2. A life gives no sign of life by real time, unless a test sets `beatMs`: on a slow machine one would come amid whatever runs.
 */
import { createConductor, type Conductor, type ConductorOptions } from '@keelson/core'
import type { Connector, Logger, Models } from '@keelson/core'
import { actionsOf, handle, KeelsonError } from '@keelson/core/ports'
import type { AnyAction, Clock, Ids, MemoryStore } from '@keelson/core/ports'
import { alwaysReplay } from '../always-replay.ts'
import type { ManualClock } from '../clock.ts'
import { fakeIn, joined, recipeOf, type Recipe } from '../fake/fake.ts'
import type { Strays } from '../fake/stray.ts'
import type { World } from '../fake/world.ts'
import { intercept, type Detail, type Operation } from '../intercept.ts'
import type { Dropped } from './dropped.ts'

/** A store that has sessions and can lose one as a killed process would. `memoryStore()` is one. */
export interface TestStore {
  session(): MemoryStore
  /** Ends the worker as SIGKILL would. What its session was asked for and has not written is lost. */
  kill(worker: string): void | Promise<void>
}

/** What watches, and disturbs, a life from outside. A promise holds the life up there; a throw is a failed store. */
export interface Probe {
  before?(op: Operation, detail: Detail): void | Promise<void>
  after?(op: Operation, detail: Detail, answer: unknown): void | Promise<void>
  /** Around what is done outside: an action's `run`, `reconcile` or `compensate`, a question (`ask`) to a model. */
  effect?(verb: string, action: string, when: 'before' | 'after'): void | Promise<void>
}

/** What does not change from one life to the next. */
export interface Setting {
  /** Those of the lives that begin from now on: `deploy` sets others. */
  options: Omit<ConductorOptions, 'store' | 'clock' | 'ids' | 'log' | 'connectors' | 'stray'>
  readonly connectors: readonly Connector[]
  /** Actions that no connector brings and that are faked all the same. */
  readonly recipes: readonly Recipe[]
  /** What the test starts is not known yet, so neither is what is faked. */
  readonly discovering?: boolean | undefined
  readonly store: TestStore
  readonly clock: ManualClock
  readonly ids: Ids
  readonly log: Logger
  readonly world: World
  readonly strays: Strays
  readonly dropped: Dropped
  readonly alwaysReplay: boolean
  /** Runs may end without what they asked for. */
  readonly mayDrop: boolean
  readonly skewMs?: number
}

export interface Life {
  readonly keelson: Conductor
  readonly worker: string
  /** Resolves when it has died. */
  readonly died: Promise<void>
  readonly dead: boolean
  /** The store has failed, and the conductor has not yet seen it work again. */
  readonly degraded: boolean
  /** Grows with every call to the store. */
  readonly moves: number
  /** Dies at once. */
  die(): void | Promise<void>
}

/** A life begins; `ready` resolves when its conductor works, unless it dies before. */
export function beginLife(setting: Setting, probe: Probe = {}): { readonly life: Life; readonly ready: Promise<void> } {
  const { promise: died, resolve } = Promise.withResolvers<void>()
  const state = { worker: '', dead: false, degraded: false, moves: 0 }
  const time = setting.clock.process(setting.skewMs)
  let keelson: Conductor | undefined
  const gate: Gate = (hook) => {
    state.moves++
    if (state.dead) return never()
    const held = hook()
    if (held === undefined) return state.dead ? never() : undefined
    return held.then(() => (state.dead ? never() : undefined))
  }
  const begin = async (): Promise<void> => {
    keelson = await conductorOf(setting, {
      gate,
      probe,
      clock: time.clock,
      opened: (worker) => (state.worker = worker),
    })
    if (state.dead) return keelson.abandon()
    keelson.on('run.dropped', setting.dropped.heard)
    keelson.on('store.failed', () => void (state.degraded = true))
    keelson.on('store.recovered', () => void (state.degraded = false))
  }
  const life: Life = {
    get keelson() {
      if (keelson !== undefined) return keelson
      throw new KeelsonError('CONDUCTOR_STOPPED', 'the conductor is just starting', {
        hint: 'Await the harness first.',
      })
    },
    died,
    get worker() {
      return state.worker
    },
    get dead() {
      return state.dead
    },
    get degraded() {
      return state.degraded
    },
    get moves() {
      return state.moves
    },
    die() {
      if (state.dead) return
      state.dead = true
      time.end()
      keelson?.abandon()
      resolve()
      return setting.store.kill(state.worker)
    },
  }
  return { life, ready: Promise.race([begin(), died]) }
}

interface Inner {
  readonly gate: Gate
  readonly probe: Probe
  readonly clock: Clock
  readonly opened: (worker: string) => void
}

function conductorOf(setting: Setting, { gate, probe, clock, opened }: Inner): Promise<Conductor> {
  const session = intercept(setting.store.session(), {
    before(op, detail) {
      if (op === 'open') opened((detail[0] as { worker: string }).worker)
      return gate(() => probe.before?.(op, detail))
    },
    after: (op, detail, answer) => gate(() => probe.after?.(op, detail, answer)),
  })
  const gated = (connector: Connector): Connector => ({
    ...connector,
    actions: actionsOf(connector).map((one) => handle(stopped(one, gate, probe))),
  })
  const real = setting.connectors.filter((one) => recipeOf(one) === undefined)
  const recipes = [...setting.connectors.flatMap((one) => recipeOf(one) ?? []), ...setting.recipes]
  const fakes = joined(recipes).map((recipe) => fakeIn(recipe, setting.world, clock))
  const models: Models = (call) =>
    stopping({ gate, probe }, 'ask', `agent ${call.agent.name}`, () => setting.world.script.models(call))
  return createConductor({
    models,
    ...setting.options,
    limits: { beatMs: 0, ...setting.options.limits },
    connectors: [...real, ...fakes].map(gated),
    stray: setting.strays.refusing,
    store: setting.alwaysReplay ? alwaysReplay(session) : session,
    clock,
    ids: setting.ids,
    log: setting.log,
    keepAlive: false,
  })
}

type Gate = (hook: () => void | Promise<void>) => void | Promise<void>

/** An action with a stop before and behind what it does outside. */
function stopped(action: AnyAction, gate: Gate, probe: Probe): AnyAction {
  const around = <T>(verb: string, work: () => Promise<T> | T): Promise<T> =>
    stopping({ gate, probe }, verb, action.name, work)
  const { run, reconcile, compensate } = action
  return {
    ...action,
    run: (input, options) => around('run', () => run(input, options)),
    reconcile: reconcile === undefined ? undefined : (...call) => around('reconcile', () => reconcile(...call)),
    compensate: compensate === undefined ? undefined : (...call) => around('compensate', () => compensate(...call)),
  }
}

async function stopping<T>(
  { gate, probe }: { readonly gate: Gate; readonly probe: Probe },
  verb: string,
  of: string,
  work: () => Promise<T> | T,
): Promise<T> {
  await gate(() => probe.effect?.(verb, of, 'before'))
  const ended = await Promise.resolve()
    .then(work)
    .then(
      (value) => ({ value }),
      (thrown: unknown) => ({ thrown }),
    )
  await gate(() => probe.effect?.(verb, of, 'after'))
  if ('thrown' in ended) throw ended.thrown
  return ended.value
}

function never(): Promise<never> {
  return new Promise(() => {})
}
