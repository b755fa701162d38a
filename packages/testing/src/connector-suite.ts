/** connectorConformance: what every connector keeps, as checks, for any connector of anyone. */
import type { Action, Connector } from '@keelson/core'
import { actionsOf, type AnyAction } from '@keelson/core/ports'
import { describe, expect, it, onTestFinished } from 'vitest'

/** An outside that can be looked at. */
export interface Outside {
  readonly connector: Connector
  /** All that is there, as a value that is equal when nothing has changed. */
  state(): unknown
  /** What the host's `credentials` would answer. */
  readonly credential?: unknown
  close?(): Promise<void> | void
}

export interface ConnectorCase<In = never> {
  readonly action: Action<In, any>
  /** Fits, and can be executed on a fresh outside. */
  readonly input: In
  /** Inputs that its schema refuses. */
  readonly refused?: readonly unknown[]
}

export interface ConnectorSuite {
  readonly name: string
  /** A fresh outside. */
  open(): Promise<Outside>
  readonly cases: readonly ConnectorCase<any>[]
}

interface Desk {
  readonly action: AnyAction
  readonly input: unknown
  readonly state: () => Promise<unknown>
  readonly run: (key: string) => Promise<{ output: unknown; undo?: unknown }>
  readonly config: unknown
}

const SAFE: ReadonlySet<string> = new Set(['key', 'id', 'precondition'])
const { signal } = new AbortController()

/** Registers the suite with vitest. Call it in a test file. */
export function connectorConformance(suite: ConnectorSuite): void {
  describe(`${suite.name} as a Connector`, () => {
    for (const one of suite.cases) {
      describe(one.action.name, () => {
        const check = (title: string, body: (desk: Desk) => Promise<void>): void =>
          it(title, async () => {
            const outside = await suite.open()
            onTestFinished(async () => outside.close?.())
            await body(await deskOf(outside, one))
          })
        checks(check, one)
      })
    }
  })
}

type Check = (title: string, body: (desk: Desk) => Promise<void>) => void

function checks(check: Check, { refused = [] }: ConnectorCase<any>): void {
  check('answers what its output schema takes', async ({ action, run }) => {
    const { output, undo } = await run('one')
    expect(action.output.safeParse(output).error).toBeUndefined()
    if (action.undo !== undefined) expect(action.undo.safeParse(undo).error).toBeUndefined()
  })
  check('changes nothing if it is a read, and something if it is not', async ({ action, run, state }) => {
    const before = await state()
    await run('one')
    if (action.effect === 'read') expect(await state()).toEqual(before)
    else expect(await state()).not.toEqual(before)
  })
  check('happens once under one key, where it says so', async ({ action, run, state }) => {
    if (!SAFE.has(action.idempotency.by) || action.effect === 'read') return
    await run('one')
    const once = await state()
    await run('one').catch(() => {})
    expect(await state()).toEqual(once)
  })
  check('finds by its key what happened, and does not find what did not', async ({ action, input, run, config }) => {
    if (action.reconcile === undefined) return
    const look = { key: 'one', since: 0, signal, config }
    expect((await action.reconcile(input, look)).state).not.toBe('done')
    await run('one')
    const found = await action.reconcile(input, look)
    expect(found.state).toBe('done')
    if (found.state === 'done') expect(action.output.safeParse(found.output).error).toBeUndefined()
  })
  check('is taken back by its undo token, twice as well as once', async ({ action, run, state, config }) => {
    if (action.compensate === undefined) return
    const before = await state()
    const { undo } = await run('one')
    await action.compensate(undo, { key: 'undo', signal, config })
    expect(await state()).toEqual(before)
    await action.compensate(undo, { key: 'undo', signal, config }).catch(() => {})
    expect(await state()).toEqual(before)
  })
  if (refused.length === 0) return
  check('refuses input that is wrong', async ({ action }) => {
    for (const wrong of refused) expect(action.input.safeParse(wrong).success, JSON.stringify(wrong)).toBe(false)
  })
}

async function deskOf(outside: Outside, { action: held, input }: ConnectorCase<any>): Promise<Desk> {
  const { connector, credential } = outside
  const action = actionsOf(connector).find((one) => one.name === held.name)
  if (action === undefined) throw new Error(`connector ${connector.name} has no action ${held.name}`)
  const config = await connector.config?.({ workspace: 'default', account: 'default', credential })
  const parsed: unknown = action.input.parse(input)
  const run = (key: string): Promise<{ output: unknown; undo?: unknown }> =>
    action.run(parsed, { key, signal, attempt: 1, config, since: Date.now() })
  return { action, input: parsed, state: async () => structuredClone(await outside.state()), run, config }
}
