/**
 * Host: a process with a conductor on a SQLite file, for tests that stop, continue and kill it. It tells what happens.
 *
 * `hold` waits in its second step until the process is told to release it; `poison` does there what ends a process, or hangs it.
 */
import { flushCompileCache } from 'node:module'
import { z } from 'zod'
import { createConductor, definePlaybook } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'

const Empty = z.object({})

/** What a host tells: it is open, a run is in its second step, something happened to a run. */
export interface Told {
  readonly what: 'open' | 'inside' | 'run.quarantined' | 'run.settled' | 'store.failed' | 'stopped'
  readonly run?: string
}

/** The playbooks of a process that does in the second step of `hold` and `poison` what it is handed. */
export function playbooksOf(inside: { hold(): Promise<string>; poison(): string | Promise<string> }) {
  const hold = definePlaybook({
    name: 'hold',
    version: 1,
    input: Empty,
    output: z.string(),
    async run(ctx) {
      await ctx.step('first', () => 1)
      return ctx.step('second', () => inside.hold())
    },
  })
  const poison = definePlaybook({
    name: 'poison',
    version: 1,
    input: Empty,
    output: z.string(),
    async run(ctx) {
      await ctx.step('first', () => 1)
      return ctx.step('second', () => inside.poison())
    },
  })
  const quick = definePlaybook({
    name: 'quick',
    version: 1,
    input: z.object({ n: z.number() }),
    output: z.number(),
    async run(ctx, { n }) {
      const one = await ctx.step('first', () => n)
      await ctx.sleep('0.02s')
      return ctx.step('second', () => one * 2)
    },
  })
  return { hold, poison, quick, all: [hold, poison, quick] }
}

/** What code can do to its process. */
const POISONS = {
  exit: () => process.exit(1),
  rejection: () => {
    void Promise.reject(new Error('nobody listens'))
    return new Promise<never>(() => {})
  },
  memory: () => {
    for (const all: unknown[] = []; ;) all.push(new Array(4_000_000).fill(all.length))
  },
  loop: () => {
    for (;;);
  },
}

if (process.argv[1] === import.meta.filename)
  await main(process.argv[2]!, process.argv[3]!, (process.argv[4] ?? 'exit') as keyof typeof POISONS)

async function main(file: string, name: string, poison: keyof typeof POISONS): Promise<void> {
  const tell = (told: Told): void => void process.send!(told)
  const released = Promise.withResolvers<void>()
  const { all } = playbooksOf({
    async hold() {
      tell({ what: 'inside' })
      await released.promise
      return `done by ${name}`
    },
    async poison() {
      await new Promise<void>((told) => process.send!({ what: 'inside' } satisfies Told, () => told()))
      return POISONS[poison]()
    },
  })
  const log = { info() {}, warn() {}, error() {} }
  const keelson = await createConductor({ store: sqlite(file), playbooks: all, name, log })
  for (const what of ['run.quarantined', 'run.settled'] as const) keelson.on(what, ({ run }) => tell({ what, run }))
  keelson.on('store.failed', () => tell({ what: 'store.failed' }))
  process.on('message', (order) => {
    if (order === 'release') released.resolve()
    else void keelson.stop().then(() => process.disconnect())
  })
  process.on('disconnect', () => process.exit(0))
  // What is killed leaves no translation of its sources to the next unless it does so itself.
  flushCompileCache()
  tell({ what: 'open' })
}
