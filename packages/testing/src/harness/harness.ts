/**
 * testConductor: the real conductor on an in-memory store, with time, people and the outside in the hands of a test.
 *
 * Nothing of it is global: tests may run side by side, each with as many as it likes.
 */
import type { Action, Actor, Agent, Conductor, Connector, Decision, EventType, Inbox, Usage } from '@keelson/core'
import type { ConductorOptions, InboxItem, Json, Playbook, Returned, Run, StartOptions } from '@keelson/core'
import { assertKnown, KeelsonError, namesOf } from '@keelson/core/ports'
import { manualClock, milliseconds, type ManualClock } from '../clock.ts'
import type { Asked, Used } from '../fake/script.ts'
import { World, type FaultKind, type Happened } from '../fake/world.ts'
import { testIds } from '../ids.ts'
import { memoryStore } from '../memory-store.ts'
import { Dropped } from './dropped.ts'
import { asTested, handleOf } from './handles.ts'
import { logbook, type LogLine } from './logbook.ts'
import type { Setting, TestStore } from './life.ts'
import { assertFaked, Strays } from '../fake/stray.ts'
import { checkedVerbs } from './given.ts'
import {
  approvalOf,
  decide,
  edited,
  heldOf,
  inBatch,
  itemLike,
  OPERATOR,
  planned,
  questionOf,
  reschedule,
  unknownOf,
  type Picked,
  type PlanDecision,
} from './people.ts'
import { Stage, type StageOptions } from './stage.ts'

export interface HarnessOptions extends Pick<
  ConductorOptions,
  | 'alerts'
  | 'budgets'
  | 'channels'
  | 'credentials'
  | 'entities'
  | 'events'
  | 'limits'
  | 'mayDecide'
  | 'personas'
  | 'policy'
  | 'prices'
  | 'settings'
  | 'trust'
  | 'zone'
> {
  readonly playbooks: readonly Playbook<any, any>[]
  /** Fakes, or real connectors. An action that is neither in one of these nor in `actions` is refused: `ACTION_NOT_FAKED`. */
  readonly connectors?: readonly Connector[]
  /** Actions of no connector that really run in this test: its own, mostly. */
  readonly actions?: readonly Action<any, any>[]
  /** Default: a new in-memory store. */
  readonly store?: TestStore
  /** Of all chance. Default '1'. */
  readonly seed?: string | number
  /** What time it is, as ISO text. Default '2026-01-05T09:00:00Z', a Monday. */
  readonly now?: string
  /** Every outcome ends its pass, so that the code runs again from the journal each time. */
  readonly alwaysReplay?: boolean
  /** Runs may end without what their code asked for: else the test fails with `STEP_NOT_AWAITED`. Default false. */
  readonly mayDrop?: boolean
}

/** The verbs of a test. Each ends when nothing moves any more. */
export interface Harness {
  /** Starts a run and lets it go as far as it can. Its `result()` fails at once when the run waits, and says for what. */
  start<In, Out>(playbook: Playbook<In, Out>, input: NoInfer<In>, options?: Partial<StartOptions>): Promise<Run<Out>>
  /** Lets everything happen that needs no time and nobody. */
  settle(): Promise<void>
  /** Time passes: '90s', '10m', '14d'. */
  advance(duration: string): Promise<void>
  /** `times` of 2: the same event is delivered twice. */
  send<T>(
    event: EventType<T>,
    payload: NoInfer<T>,
    options?: { id?: string; by?: Actor; times?: number },
  ): Promise<void>
  /** Approves the oldest open approval of an action, as it stands or with some fields other: `edit` is that of `inbox.decide`. */
  approve<In>(
    action: Action<In, any>,
    options?: { readonly edit?: Partial<NoInfer<In>>; readonly by?: Actor },
  ): Promise<void>
  reject<In>(action: Action<In, any>, reason: string, options?: { readonly by?: Actor }): Promise<void>
  /** Answers a proposal with words; the playbook's `revise` makes a new one of them. */
  respond<In>(action: Action<In, any>, text: string, options?: { readonly by?: Actor }): Promise<void>
  /** Answers the oldest open question, or the one with this text. */
  answer(value: Json, options?: { readonly question?: string | RegExp; readonly by?: Actor }): Promise<void>
  /** Decides the oldest open plan, or the one of this title: as it stands, or with lines left out or edited. */
  plan(options?: PlanDecision): Promise<void>
  /** Decides the oldest open item that is like this: for whatever has no verb of its own. */
  decide(
    item: Picked,
    decision: Decision | ((item: InboxItem) => Decision),
    options?: { readonly by?: Actor },
  ): Promise<void>
  /** Approves all open items of an action that may be decided together, as one batch. */
  batch<In>(action: Action<In, any>, options?: { readonly by?: Actor }): Promise<void>
  /** Sends the oldest held effect of an action now. */
  sendNow<In>(action: Action<In, any>, options?: { readonly by?: Actor }): Promise<void>
  /** Stops the oldest held effect of an action. */
  cancelHold<In>(action: Action<In, any>, reason: string, options?: { readonly by?: Actor }): Promise<void>
  /** Puts the oldest held effect of an action to another time: '2h' from now, or an instant. */
  reschedule<In>(action: Action<In, any>, to: string, options?: { readonly by?: Actor }): Promise<void>
  /** Says what became of an effect whose outcome nobody knows. */
  outcome<In, Out>(
    action: Action<In, Out>,
    outcome: 'happened' | 'did-not-happen' | 'look-again',
    options?: { readonly output?: Out; readonly by?: Actor },
  ): Promise<void>
  /** The next call of a faked action goes wrong, or the one that is `call` calls away. */
  fault<In>(action: Action<In, any>, kind: FaultKind, options?: { readonly call?: number }): void
  /** What a faked action rests on outside, from now on: what its `fresh` reads. */
  fresh<In>(action: Action<In, any>, value: Json): void
  /** Calls of a faked action take this long from now on. */
  latency<In>(action: Action<In, any>, duration: string): void
  /**
   * What an agent answers from now on: by its input, and by which model is asked and what it is to mend. `usage`: the tokens that the answer has
   * used, as budgets and prices count them; without it, it counts as the most that it may have cost.
   */
  script<In, Out, const R extends Returned<Out>>(
    agent: Agent<In, Out>,
    answer: (input: In, asked: Asked<In>) => R | Promise<R>,
    options?: { readonly usage?: (input: In, asked: Asked<In>) => Usage | undefined },
  ): void
  /** What an agent was asked: each question that a model would have been paid for. */
  asked<In>(agent: Agent<In, any>): readonly Asked<In>[]
  /** What really happened outside, and was not taken back. Throws `ACTION_NOT_FAKED` for an action that is not recorded. */
  world<In, Out>(action: Action<In, Out>): readonly Happened<In, Out>[]
  /** What a host does beyond these verbs. Done again against the next conductor if this one dies meanwhile. */
  host<T>(verb: (keelson: Conductor) => Promise<T>): Promise<T>
  /** The conductor dies as a killed process would; another goes on with its store. */
  crash(): Promise<void>
  /** The same, and the other one has other code or rules: `{ policy: stricter }`. */
  deploy(
    options: Partial<Omit<HarnessOptions, 'connectors' | 'store' | 'seed' | 'now' | 'alwaysReplay' | 'mayDrop'>>,
  ): Promise<void>
  stop(): Promise<void>
  /** The conductor of now: a new one after `crash()`. Runs that it hands out fail at once where they wait, unless given a `timeout`. A call to one that dies never ends: in `exploreCrashes` use `host`. */
  readonly keelson: Conductor
  readonly inbox: Inbox
  readonly clock: ManualClock
  readonly log: readonly LogLine[]
}

const MONDAY = '2026-01-05T09:00:00Z'

const OPTIONS = namesOf<HarnessOptions>({
  ...{ alerts: true, budgets: true, channels: true, credentials: true, entities: true, limits: true, mayDecide: true },
  ...{ personas: true, policy: true, prices: true, settings: true, trust: true, zone: true, playbooks: true },
  ...{
    connectors: true,
    actions: true,
    store: true,
    seed: true,
    now: true,
    alwaysReplay: true,
    mayDrop: true,
    events: true,
  },
})

/** Throws `DEFINITION_INVALID` for an option that a harness does not have. */
function assertHarness(options: object, where: string): void {
  assertKnown(where, options, OPTIONS)
}

/** A conductor for one test. */
export async function testConductor(options: HarnessOptions): Promise<Harness> {
  const { harness, stage } = harnessOf(options)
  await stage.ready()
  return harness
}

/** A harness and what it stands on. */
export function harnessOf(
  options: HarnessOptions,
  more: Pick<Setting, 'discovering'> & Pick<Partial<Setting>, 'recipes'> = {},
  how: StageOptions = {},
): { harness: Harness; stage: Stage } {
  const {
    connectors = [],
    store = memoryStore(),
    seed = '1',
    now = MONDAY,
    alwaysReplay = false,
    mayDrop = false,
    ...given
  } = options
  assertHarness(options, 'the harness')
  const at = Date.parse(now)
  if (!Number.isFinite(at)) {
    throw new KeelsonError('DURATION_INVALID', `"${now}" is not an instant`, { hint: 'Write ISO text with a zone.' })
  }
  const { logger, lines } = logbook()
  const setting: Setting = {
    options: given,
    connectors,
    recipes: more.recipes ?? [],
    discovering: more.discovering,
    store,
    clock: manualClock(at),
    ids: testIds(String(seed)),
    log: logger,
    world: new World(),
    strays: new Strays(),
    dropped: new Dropped(),
    alwaysReplay,
    mayDrop,
  }
  const stage = new Stage(setting, how)
  return { harness: verbsOf(stage, lines), stage }
}

function verbsOf(stage: Stage, log: readonly LogLine[]): Harness {
  const { world, clock } = stage.setting
  return {
    ...starting(stage),
    ...checkedVerbs(deciding(stage)),
    settle: () => stage.settle(),
    advance: (duration) => stage.advance(duration),
    ...checkedVerbs(sending(stage)),
    ...checkedVerbs(outside(stage)),
    asked: (agent) => world.script.asked(agent.name) as readonly Asked<never>[],
    async host(verb) {
      const answer = await stage.perform((keelson) => verb(asTested(stage, keelson)))
      await stage.settle()
      return answer
    },
    async crash() {
      stage.crash()
      await stage.settle()
    },
    async deploy(options) {
      assertHarness(options, 't.deploy')
      await stage.settle()
      stage.crash(options)
      await stage.settle()
    },
    async stop() {
      await stage.stop()
      stage.setting.strays.assertTold()
    },
    get keelson() {
      return asTested(stage, stage.keelson)
    },
    get inbox() {
      return stage.keelson.inbox
    },
    clock,
    log,
  }
}

function sending(stage: Stage): Pick<Harness, 'send'> {
  let events = 0
  return {
    async send(event, payload, { id = `event-${++events}`, by, times = 1 } = {}) {
      for (let i = 0; i < times; i++) {
        await stage.perform((keelson) => keelson.send(event, payload, { id, ...(by === undefined ? {} : { by }) }))
      }
      await stage.settle()
    },
  }
}

function outside({ setting }: Stage): Pick<Harness, 'fault' | 'fresh' | 'latency' | 'script' | 'world'> {
  const { world } = setting
  const faked = (action: { readonly name: string }): string => {
    assertFaked(setting, action)
    return action.name
  }
  return {
    fault: (action, kind, { call = 1 } = {}) => world.fault(faked(action), kind, call),
    fresh: (action, value) => void world.fresh.set(faked(action), value),
    script: (agent, answer, { usage } = {}) =>
      world.script.set(agent.name, answer as (input: unknown, asked: Asked) => unknown, usage as Used | undefined),
    latency: (action, duration) => world.latency(faked(action), milliseconds(duration)),
    world: (action) => world.happened(faked(action)) as readonly Happened<never, never>[],
  }
}

function starting(stage: Stage): Pick<Harness, 'start'> {
  let runs = 0
  return {
    async start<In, Out>(playbook: Playbook<In, Out>, input: NoInfer<In>, options: Partial<StartOptions> = {}) {
      const id = options.id ?? `run-${++runs}`
      await stage.perform((keelson) => keelson.start(playbook, input, { ...options, id }))
      await stage.settle()
      return handleOf<Out>(stage, id)
    },
  }
}

type Deciding =
  | 'approve'
  | 'reject'
  | 'respond'
  | 'answer'
  | 'outcome'
  | 'plan'
  | 'decide'
  | 'batch'
  | 'sendNow'
  | 'cancelHold'
  | 'reschedule'

function deciding(stage: Stage): Pick<Harness, Deciding> {
  return {
    approve: (action, { edit, by = OPERATOR } = {}) => decide(stage, approvalOf(action.name), by, () => edited(edit)),
    reject: (action, reason, { by = OPERATOR } = {}) =>
      decide(stage, approvalOf(action.name), by, () => ({ reject: reason })),
    respond: (action, text, { by = OPERATOR } = {}) =>
      decide(stage, approvalOf(action.name), by, () => ({ respond: text })),
    answer: (value, { question, by = OPERATOR } = {}) =>
      decide(stage, questionOf(question), by, ({ allows }) => answered(value, allows)),
    plan: (options = {}) => {
      const { title, by = OPERATOR } = options
      const wanted = itemLike({ kind: 'plan', ...(title === undefined ? {} : { title }) })
      return decide(stage, wanted, by, () => planned(options))
    },
    decide: (picked, decision, { by = OPERATOR } = {}) =>
      decide(stage, itemLike(picked), by, (item) => (typeof decision === 'function' ? decision(item) : decision)),
    batch: (action, { by = OPERATOR } = {}) => inBatch(stage, action.name, by),
    sendNow: (action, { by = OPERATOR } = {}) => decide(stage, heldOf(action.name), by, () => ({ approve: true })),
    cancelHold: (action, reason, { by = OPERATOR } = {}) =>
      decide(stage, heldOf(action.name), by, () => ({ reject: reason })),
    reschedule: (action, to, { by = OPERATOR } = {}) => reschedule(stage, action.name, to, by),
    outcome: (action, outcome, { output, by = OPERATOR } = {}) =>
      decide(stage, unknownOf(action.name), by, () => ({
        outcome,
        ...(output === undefined ? {} : { output: output as Json }),
      })),
  }
}

/** A plain yes or no answers a question of `ctx.approve`. */
function answered(value: Json, allows: readonly string[]): { approve: true } | { reject: string } | { answer: Json } {
  if (typeof value !== 'boolean' || !allows.includes('approve')) return { answer: value }
  return value ? { approve: true } : { reject: 'no' }
}
