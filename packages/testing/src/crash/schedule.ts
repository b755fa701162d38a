/** Schedule: one run of a test with crashes at given points, from an empty store to rest. */
import { actionsOf, KeelsonError, playbookOf, type AnyAction, type Placed } from '@keelson/core/ports'
import { recipeFor, type Recipe } from '../fake/fake.ts'
import type { World } from '../fake/world.ts'
import { harnessOf, type Harness, type HarnessOptions } from '../harness/harness.ts'
import type { TestStore } from '../harness/life.ts'
import { answerTruly } from '../harness/people.ts'
import { realMs, type Stage } from '../harness/stage.ts'
import { awaited } from './awaited.ts'
import { more, observe, type Ended, type Observed } from './observe.ts'
import { Points, probeAt, type Schedule } from './points.ts'

/** A kind of store to explore on. */
export interface CrashStore {
  readonly name: string
  /** A new, empty one. */
  open(): Promise<TestStore & { close?(): Promise<void> }>
}

export interface Test {
  readonly run: (t: Harness) => Promise<unknown>
  /** Made anew for each schedule. */
  readonly harness: () => HarnessOptions
  readonly invariant: ((t: Harness) => Promise<void> | void) | undefined
}

export interface Outcome {
  readonly points: Points
  readonly observed: Observed
  readonly entries: readonly Placed[]
  /** What the invariant threw. */
  readonly broken: unknown
}

/** Steps of time after which a run that is still open is taken to stay so. */
const STEPS_MAX = 200
/** Real time in which a test that met a crash does nothing with its harness, before it is taken to hang: five seconds. */
const ABANDONED_TURNS = 500
const TURN_MS = 10

export async function runSchedule(
  test: Test,
  kind: CrashStore,
  schedule: Schedule,
  without: Observed | undefined,
): Promise<Outcome> {
  const store = await kind.open()
  const points = new Points(schedule)
  const given = test.harness()
  const { harness, stage } = harnessOf(
    { ...given, store },
    { recipes: fakesOf(given) },
    {
      patient: true,
      probe: probeAt(points, () => stage.crash()),
      onQuiet: (keelson) => answerTruly(keelson, stage.setting.world),
    },
  )
  const giveUp = async (why: unknown): Promise<never> => {
    await stage.stop()
    await store.close?.()
    throw why
  }
  await stage.ready()
  const { harness: heard, ...begun } = awaited(harness)
  const ended = await Promise.race([
    test.run(heard).then(
      (value): Ended => ({ value }),
      (thrown: unknown): Ended => ({ thrown }),
    ),
    abandoned(stage, points),
  ]).catch(giveUp)
  try {
    if ('thrown' in ended) begun.leave()
    else begun.assertEnded()
  } catch (why) {
    await giveUp(why)
  }
  if ('thrown' in ended && KeelsonError.is(ended.thrown, 'ACTION_NOT_FAKED')) await giveUp(ended.thrown)
  const { world } = stage.setting
  const observed = await comeToRest(stage, world, ended, without).catch(giveUp)
  const broken = await (async () => test.invariant?.(harness))().then(
    () => undefined,
    (thrown: unknown) => thrown ?? new Error('the invariant does not hold'),
  )
  const entries = await journal(store, stage)
  await stage.stop()
  await store.close?.()
  return { points, observed, entries, broken }
}

/** A call that the test made past the harness died with its conductor, and nobody will ever answer it. */
async function abandoned(stage: Stage, points: Points): Promise<Ended> {
  for (let idle = 0; idle < ABANDONED_TURNS; idle++) {
    await realMs(TURN_MS)
    if (stage.stopped) return { value: undefined }
    if (stage.busy || points.fired.length === 0) idle = 0
  }
  throw new KeelsonError('RUN_WAITING', 'the test goes no further: it waits for a call to a conductor that died', {
    hint: 'Call through the harness: await t.host((keelson) => …) instead of t.keelson. It is done again by the next.',
    data: { points: points.fired.map(({ label }) => label) },
  })
}

/** Lets time pass as long as something is open that would not be without a crash. */
async function comeToRest(stage: Stage, world: World, ended: Ended, without: Observed | undefined): Promise<Observed> {
  for (let steps = 0; ; steps++) {
    await stage.settle()
    const observed = await stage.perform((keelson) => observe(keelson, world, ended))
    if (without === undefined || steps >= STEPS_MAX || more(observed.open, without.open).length === 0) return observed
    if (!(await stage.skip(Infinity))) return observed
  }
}

/** The actions that playbooks declare and no connector brings. */
export function fakesOf({ playbooks, connectors = [], actions = [] }: HarnessOptions): Recipe[] {
  const brought = new Set(connectors.flatMap((one) => actionsOf(one)).map(({ name }) => name))
  const real = new Set(actions.map(({ name }) => name))
  const missing = new Map<string, AnyAction>()
  for (const action of playbooks.flatMap((one) => playbookOf(one).usedActions)) {
    if (!brought.has(action.name) && !real.has(action.name)) missing.set(action.name, action)
  }
  return [...missing.values()].map((action) => recipeFor(action))
}

async function journal(store: TestStore, stage: Stage): Promise<Placed[]> {
  const session = store.session()
  await session.open({ worker: 'reader', now: () => stage.setting.clock.now() })
  const all: Placed[] = []
  for (const workspace of await session.workspaces()) all.push(...(await session.tail(workspace, 0, 100_000)))
  await session.close()
  return all
}
