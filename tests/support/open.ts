/** Opens conductors over one in-memory store, and closes them when the test ends. */
import { onTestFinished } from 'vitest'
import { z } from 'zod'
import {
  createConductor,
  definePlaybook,
  type Actor,
  type Changes,
  type Conductor,
  type ConductorOptions,
  type Context,
  type Playbook,
} from '@keelson/core'
import { memoryStore, type MemoryStoreSession } from '@keelson/testing'

export const me: Actor = { kind: 'person', id: 'me' }

const quiet = { info: () => {}, warn: () => {}, error: () => {} }

type Options = Partial<ConductorOptions> & { playbooks: readonly Playbook<any, any>[] }

/** A conductor on a session of its own. Divergence is judged after 20 ms of real rest. */
export async function open(store: MemoryStoreSession, options: Options): Promise<Conductor> {
  const conductor = await createConductor({
    store: store.session(),
    keepAlive: false,
    log: quiet,
    ...options,
    limits: { stallMs: 20, ...options.limits },
  })
  onTestFinished(() => conductor.stop({ withinMs: 100 }))
  return conductor
}

export function store(): MemoryStoreSession {
  return memoryStore()
}

/** A playbook of one name and version whose code differs from test to test. */
export function code(
  run: (ctx: Context) => Promise<unknown>,
  options: { version?: number; changes?: Changes; name?: string } = {},
): Playbook<Record<string, never>, unknown> {
  const { version = 1, changes, name = 'work' } = options
  return definePlaybook({
    name,
    version,
    input: z.object({}),
    output: z.json(),
    ...(changes === undefined ? {} : { changes }),
    run: async (ctx) => ((await run(ctx)) ?? null) as never,
  })
}

/** Resolves when the run has come to rest: parked, held or settled. */
export async function rest(conductor: Conductor): Promise<void> {
  await conductor.quiet()
}
