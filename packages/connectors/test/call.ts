/** Calls actions as core does: input parsed and canonical, output and undo token parsed and stored. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ActionError, type Connector, type Failure } from '@keelson/core'
import { definitionOf, stored, type AnyAction } from '@keelson/core/ports'
import { onTestFinished } from 'vitest'

export interface Use {
  readonly key?: string
  readonly signal?: AbortSignal
  readonly attempt?: number
  readonly since?: number
  readonly config?: unknown
}

/** What `connect` made for one workspace and account. */
export function configOf(
  connector: Connector,
  use: { workspace?: string; account?: string; credential?: unknown } = {},
): unknown {
  const { workspace = 'default', account = 'default', credential } = use
  return connector.config?.({ workspace, account, credential })
}

const optionsOf = ({
  key = 'key-1',
  signal = new AbortController().signal,
  attempt = 1,
  config,
  since = 1_780_000_000_000,
}: Use) => ({
  key,
  signal,
  attempt,
  since,
  config,
})

const inputOf = (made: AnyAction, input: unknown): unknown => stored(made.input.parse(input))

export async function run<Out = any, Undo = any>(
  action: { name: string },
  input: unknown,
  use: Use,
): Promise<{ output: Out; undo: Undo }> {
  const made = definitionOf(action)
  const { output, undo } = await made.run(inputOf(made, input), optionsOf(use))
  return {
    output: stored(made.output.parse(output)) as Out,
    undo: (made.undo ? stored(made.undo.parse(undo)) : undefined) as Undo,
  }
}

export async function reconcile(action: { name: string }, input: unknown, use: Use & { since?: number }) {
  const made = definitionOf(action)
  const found = await made.reconcile!(inputOf(made, input), { ...optionsOf(use), since: use.since ?? 0 })
  if (found.state !== 'done') return found
  return {
    ...found,
    output: made.output.parse(found.output),
    ...(made.undo ? { undo: made.undo.parse(found.undo) } : {}),
  }
}

export async function compensate(action: { name: string }, undo: unknown, use: Use): Promise<void> {
  const made = definitionOf(action)
  await made.compensate!(made.undo!.parse(stored(undo)), optionsOf(use))
}

/** The class that core would give what was thrown. */
export async function failureOf(
  action: { name: string },
  thrown: Promise<unknown>,
): Promise<Failure & { message: string }> {
  const error: unknown = await thrown.then(
    () => {
      throw new Error('expected a failure')
    },
    (reason: unknown) => reason,
  )
  const message = (error as Error).message
  if (ActionError.is(error)) return { ...error.failure, message }
  const judged = definitionOf(action).classify?.(error)
  if (judged === undefined) throw error
  return { ...judged, message }
}

/** A folder that is gone after the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'connectors-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}
