/** Context: the verbs of playbook code, bound to one pass and one place in the run. */
import { canonical, parseStored } from '../base/json.ts'
import { young } from '../base/young.ts'
import type { Logger } from '../base/log.ts'
import type { Json } from '../base/value.ts'
import type { Context } from '../playbook/context.ts'
import { settingsFrom, type Settings } from '../policy/settings.ts'
import { memoryOf, personasOf } from './behalf.ts'
import { deskOf, heldTo, type Desk } from './memory/desk.ts'
import { orHeld } from './ops/fitting.ts'
import { actOp } from './ops/act.ts'
import { all } from './ops/all.ts'
import { approve, ask } from './ops/ask.ts'
import { artifacts } from './ops/artifacts.ts'
import { continueAsNew } from './ops/continue.ts'
import { delegate } from './ops/delegate.ts'
import { drawing } from './ops/draws.ts'
import { entities } from './ops/entities.ts'
import { Keys } from './ops/keys.ts'
import { memory } from './ops/memory.ts'
import type { Perform, Place } from './ops/place.ts'
import { intend, propose } from './ops/plan.ts'
import { given } from './ops/options.ts'
import { step } from './ops/step.ts'
import { taxonomy, templates } from './ops/templates.ts'
import { assertEvent, call, emit, lengthOf, sleep, waitFor, type WaitOptions } from './ops/waits.ts'
import { located } from './located.ts'
import type { Pass } from './pass.ts'

export { loadTexts } from './ops/memory-texts.ts'

export function contextOf(
  pass: Pass,
  place: Place = { ...young, keys: new Keys(), memory: new WeakMap(), ended: false },
): Context {
  const { keys, memory: acts } = place
  const { unheard } = pass.work
  const drawn = drawing(pass, keys.prefix)
  const perform: Perform = (name, start) => {
    if (place.ended) return never()
    return named(pass, place, name, start)
  }
  const files = once(() => unheard.verbs(artifacts(pass, perform, acts), 'artifacts'))
  const context: Omit<Context, 'step' | 'waitFor' | keyof Rare> & { step: unknown; waitFor: unknown } = {
    ...working(pass, place, perform),
    ask: (question, options) => ask(pass, perform, question, options) as never,
    approve: (question, options) =>
      perform('approve', (key) => approve(pass, key, question, given('approve', options))),
    intend: (action, input, options) => intend(pass, acts, action, input, options),
    propose: (title, plan, options) => propose(pass, place, perform, title, plan, options),
    sleep: (duration) => {
      const since = (name: string): boolean => [...pass.history.ops.keys()].some((key) => key.includes(`sleep ${name}`))
      return perform(`sleep ${lengthOf(duration, since)}`, (key) => sleep(pass, key, duration))
    },
    waitFor: (event: { name: string }, options?: WaitOptions) => {
      assertEvent(event)
      return perform(event.name, (key) =>
        waitFor(pass, key, event, given('waitFor', options, pass.history.ops.has(key))),
      )
    },
    emit: (event, payload) => perform(`emit ${nameOf(event)}`, (key) => emit(pass, key, event, payload)),
    checkpoint: (name) => perform(`checkpoint ${name}`, (key) => checkpoint(pass, key, name)),
    continueAsNew: (input) => continueAsNew(pass, input),
    taxonomy: () => taxonomy(pass, perform),
    entities: (type) => entities(pass, perform, acts, () => deskIn(pass), type),
    now: () => pass.replay!.handed.at,
    random: () => drawn().random(),
    id: () => drawn().id(),
    log: logger(pass),
  }
  return withRare(unheard.verbs(context), {
    ...young,
    artifacts: files,
    templates: once(() => unheard.verbs(templates(pass, perform, files()), 'templates')),
    memory: once(() => unheard.verbs(memory(pass, perform, acts, deskIn(pass)), 'memory')),
    settings: () => settingsAt(pass),
  })
}

/** What most runs never ask for: it is made when it is. */
type Rare = Pick<Context, 'artifacts' | 'templates' | 'memory' | 'settings'>

const RARE = Symbol('rare')

/** The same getters for all runs: one of its own would keep its run alive long after its end (see base/young.ts). */
const getters = Object.fromEntries(
  (['artifacts', 'templates', 'memory', 'settings'] as const).map((name) => {
    const get = function (this: { readonly [RARE]: { readonly [K in keyof Rare]: () => Rare[K] } }): unknown {
      return this[RARE][name]()
    }
    return [name, { enumerable: true, get }]
  }),
)

function withRare(context: object, rare: { readonly [K in keyof Rare]: () => Rare[K] }): Context {
  // Not among what code sees that lists or copies its verbs.
  Object.defineProperty(context, RARE, { value: rare })
  return Object.defineProperties(context, getters) as Context
}

function once<T>(make: () => T): () => T {
  let made: { readonly one: T } | undefined
  return () => (made ??= { one: make() }).one
}

/** The company's, or the scopes to which the personas hold it that it runs for. */
function deskIn(pass: Pass): Desk {
  const desk = deskOf(pass.task.env, pass.task.claimed.row.workspace)
  const scopes = memoryOf(personasOf(pass.history.start))
  return scopes === undefined ? desk : heldTo(desk, scopes)
}

/** The verbs that do work of their own. */
function working(
  pass: Pass,
  place: Place,
  perform: Perform,
): Pick<Context, 'act' | 'effect' | 'delegate' | 'call' | 'all'> & { readonly step: unknown } {
  const acts = place.memory
  return {
    step: (name: string, work: Parameters<typeof step>[2], options: Parameters<typeof step>[3]) =>
      perform(name, (key) => step(pass, key, work, given('step', options, pass.history.ops.has(key)))),
    act: async (action, input, options) => (await actOp(pass, perform, acts, action, input, options)).output,
    effect: (action, input, options) => actOp(pass, perform, acts, action, input, options),
    delegate: (agent, input, options) =>
      perform(nameOf(agent), (key) =>
        delegate(pass, key, agent, input, given('delegate', options) ?? {}, acts),
      ) as never,
    call: (playbook, input) => perform(nameOf(playbook), (key) => call(pass, key, playbook, input)) as never,
    all: (items, key, branch, options) => all(pass, place, (own) => contextOf(pass, own), items, key, branch, options),
  }
}

/** Of what may not be what it should be: the operation itself says so, with its place. */
function nameOf(thing: { readonly name: string } | undefined): string {
  return typeof thing?.name === 'string' ? thing.name : 'unknown'
}

/** Gives an operation its key; until it has its outcome, another of its name is refused. */
function named<T>(pass: Pass, { keys, memory }: Place, name: string, start: (key: string) => Promise<T>): Promise<T> {
  let answer: Promise<T>
  let key: string
  try {
    key = renamed(pass, keys.next(name))
    answer = start(key)
  } catch (thrown) {
    const error = located(pass.task.playbook, thrown, name, new Error()) as Error
    return Promise.reject(error)
  }
  keys.hold(name)
  answer.then(
    (value) => {
      keys.release(name)
      if (typeof value === 'object' && value !== null) memory.set(value, key)
    },
    () => keys.release(name), // what the code does not await must not end the process
  )
  return answer
}

function renamed(pass: Pass, key: string): string {
  const { renamed } = pass.task.playbook.changes
  if (renamed === undefined) return key
  for (const [before, now] of Object.entries(renamed)) {
    if (now === key && pass.history.ops.has(before)) return before
  }
  return key
}

function checkpoint(pass: Pass, key: string, name: string): Promise<void> {
  const live = async (): Promise<void> => {
    await pass.work.run(() => pass.writer.append([{ kind: 'checkpoint.completed', key, data: { ok: name } }]))
  }
  return pass.operation<void>({ key, kind: 'checkpoint', live, value: () => undefined })
}

function settingsAt(pass: Pass): Settings {
  const { settings, start } = pass.history
  const seen = settings.findLast((one) => one.seq <= pass.replay!.handed.seq)
  const { value = {}, schema = 1 } = seen?.data ?? ((start.settings ?? {}) as { value?: Json; schema?: number })
  const shape = pass.task.env.settings
  return orHeld(pass, 'settings', () => settingsFrom(shape, parseStored(canonical(value)), schema))
}

/** Speaks where the run is new. */
function logger(pass: Pass): Logger {
  const { row } = pass.task.claimed
  const say =
    (level: keyof Logger) =>
    (fields: object, message?: string): void => {
      const about = { workspace: row.workspace, run: row.id, playbook: row.playbook, ...fields }
      const speak = (): void => void (pass.work.aborted || pass.task.env.log[level](about, message))
      pass.replay?.say(speak)
    }
  return { ...young, info: say('info'), warn: say('warn'), error: say('error') }
}

export function never<T>(): Promise<T> {
  return new Promise(() => {})
}
