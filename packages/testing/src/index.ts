/** The test kit of Keelson. */

// the harness
export { testConductor, type Harness, type HarnessOptions } from './harness/harness.ts'
export type { Picked, PlanDecision } from './harness/people.ts'
export type { TestStore } from './harness/life.ts'
export type { LogLine } from './harness/logbook.ts'
export { manualClock, type ManualClock } from './clock.ts'

// the outside
export { fake } from './fake/fake.ts'
export type { Asked } from './fake/script.ts'
export type { Answer, Answers, AnswersOf, FaultKind, Happened } from './fake/world.ts'

// stores
export { memoryStore, type MemoryStoreSession } from './memory-store.ts'
export { intercept, storeFailure, type Detail, type Hooks, type Operation } from './intercept.ts'
export { alwaysReplay } from './always-replay.ts'

// crashes
export { exploreCrashes, type Explored, type ExploreOptions } from './crash/explore.ts'
export type { CrashStore } from './crash/schedule.ts'

// simulations
export { simulate, type Simulated, type SimulateOptions, type SimulateResult } from './simulate.ts'
