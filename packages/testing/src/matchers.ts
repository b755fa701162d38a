/** Matchers: what vitest's `expect` learns from '@keelson/testing/vitest'. */
import type { Audit, Conductor, Run, WaitInfo } from '@keelson/core'
import { expect } from 'vitest'
import type { Explored } from './crash/explore.ts'
import type { Happened } from './fake/world.ts'

interface Answer {
  readonly pass: boolean
  readonly message: () => string
}

declare module 'vitest' {
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown> {
    /** Of `t.world(action)`: one effect happened, once; with these fields of its input, where they are given. */
    toHaveExecutedOnce(input?: T extends readonly Happened<infer In, unknown>[] ? Partial<In> : object): R
    /** Of a harness, conductor or audit: every chain and record of the workspace holds. */
    toVerify(): Promise<void>
    /** Of a run: it waits, for this kind of thing. */
    toBeWaitingFor(kind: WaitInfo['kind']): Promise<void>
    /** Of what `exploreCrashes` answers: so many schedules at least, and each of these things was done. */
    toHaveExplored(wanted: { readonly min?: number; readonly sometimes?: readonly string[] }): R
  }
}

/** Teaches them to `expect`. Importing '@keelson/testing/vitest' does it. */
export function addMatchers(): void {
  expect.extend({
    toHaveExecutedOnce: (world: readonly Happened[], input?: object) => executedOnce(world, input),
    toVerify: (of: Verifiable) => verifies(of),
    toBeWaitingFor: (run: Run<unknown>, kind: string) => waitsFor(run, kind),
    toHaveExplored: (explored: Explored, wanted: { min?: number; sometimes?: readonly string[] }) =>
      hasExplored(explored, wanted),
  })
}

function executedOnce(world: readonly Happened[], input: object | undefined): Answer {
  const fits = (one: Happened): boolean =>
    Object.entries(input ?? {}).every(
      ([field, value]) => JSON.stringify((one.input as Record<string, unknown>)[field]) === JSON.stringify(value),
    )
  const found = world.filter(fits)
  const times = found.reduce((sum, one) => sum + one.times, 0)
  const seen = world.map((one) => `  ${one.times} × ${JSON.stringify(one.input)}`).join('\n')
  return { pass: times === 1, message: () => `it happened ${times} times; in the world:\n${seen || '  nothing'}` }
}

type Verifiable = Audit | { readonly audit: Audit } | { readonly keelson: Conductor }

async function verifies(of: Verifiable): Promise<Answer> {
  const audit = 'keelson' in of ? of.keelson.audit : 'audit' in of ? of.audit : of
  const { ok, faults, entries } = await audit.verify()
  return {
    pass: ok,
    message: () =>
      ok ? `all ${entries} entries hold` : `it does not hold:\n${faults.map((one) => `  ${one}`).join('\n')}`,
  }
}

async function waitsFor(run: Run<unknown>, kind: string): Promise<Answer> {
  const status = await run.status()
  const kinds = status.state === 'waiting' ? status.for.map((one) => one.kind as string) : []
  const now = status.state === 'waiting' ? `waits for ${kinds.join(', ')}` : `is ${status.state}`
  return { pass: kinds.includes(kind), message: () => `run ${run.id} ${now}` }
}

function hasExplored(explored: Explored, wanted: { min?: number; sometimes?: readonly string[] }): Answer {
  const never = (wanted.sometimes ?? []).filter((what) => (explored.sometimes[what] ?? 0) === 0)
  const enough = explored.schedules >= (wanted.min ?? 1)
  return {
    pass: enough && never.length === 0,
    message: () =>
      `${explored.schedules} schedules were explored${never.length === 0 ? '' : `; never: ${never.join(', ')}`} (of: ${Object.keys(explored.sometimes).join(', ')})`,
  }
}
