/**
 * Child: each measurement runs in a process of its own, so that none inherits another's heap, caches or compiled code.
 *
 * The module that is named exports functions of one JSON value; the answer comes back as a message.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Task {
  /** From this file: '../subjects/keelson.ts'. */
  readonly module: string
  readonly name: string
  readonly input: unknown
}

export type Said = { readonly value: unknown } | { readonly error: string } | { readonly note: unknown }

const here = fileURLToPath(import.meta.url)

/** Runs one function in a new process and answers what it returned. */
export async function inChild<T>(
  module: string,
  name: string,
  input: unknown,
  flags: readonly string[] = [],
): Promise<T> {
  return (await startChild(module, name, input, flags).answer) as T
}

export interface Started {
  readonly process: ChildProcess
  /** What it returned; rejects when it ended without an answer, unless it was killed on purpose. */
  readonly answer: Promise<unknown>
}

export function startChild(
  module: string,
  name: string,
  input: unknown,
  flags: readonly string[] = [],
  heard: (note: unknown) => void = () => {},
): Started {
  const child = fork(here, [], { execArgv: ['--no-warnings', ...flags], stdio: ['ignore', 2, 2, 'ipc'] })
  const answer = new Promise<unknown>((resolve, reject) => {
    child.on('message', (said: Said) => {
      if ('note' in said) return heard(said.note)
      if ('error' in said) reject(new Error(`${module} ${name}: ${said.error}`))
      else resolve(said.value)
      child.disconnect()
    })
    child.on('exit', (code, signal) => reject(new Error(`${module} ${name} ended (${code ?? signal})`)))
  })
  answer.catch(() => {})
  const task: Task = { module, name, input }
  child.send(task)
  return { process: child, answer }
}

/** Tells the parent something before the answer. */
export function note(value: unknown): void {
  process.send?.({ note: value } satisfies Said)
}

if (process.argv[1] === here && process.send !== undefined) {
  process.on('disconnect', () => process.exit())
  process.once('message', (task: Task) => void perform(task))
}

async function perform({ module, name, input }: Task): Promise<void> {
  try {
    const found = (await import(module)) as Record<string, (input: unknown) => unknown>
    process.send?.({ value: await found[name]!(input) } satisfies Said)
  } catch (error) {
    process.send?.({ error: (error as Error).stack ?? String(error) } satisfies Said)
  }
}
