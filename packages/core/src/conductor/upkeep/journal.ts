/** Journal of a run that has ended, over all its continuations; whether it was pruned, and what still needs it. */
import { KeelsonError } from '../../base/errors.ts'
import { dataOf, type Entry, type Placed } from '../../journal/entry.ts'
import type { RunRow } from '../../journal/store.ts'
import { readEffect } from '../effect/ledger.ts'
import type { Environment } from '../environment.ts'
import { streamOf } from '../start.ts'

export interface Journal {
  readonly row: RunRow
  readonly streams: readonly { readonly name: string; readonly first: string; readonly seq: number }[]
  readonly entries: readonly Placed[]
  /** The run that called it. */
  readonly caller: string | undefined
}

/** Undefined when nothing is left of it. */
export async function journalOf(env: Environment, row: RunRow): Promise<Journal | undefined> {
  const streams: { name: string; first: string; seq: number }[] = []
  const all: Placed[] = []
  for (let continuation = 0; ; continuation++) {
    const name = streamOf(row.id, continuation)
    const entries = await env.store.entries(row.workspace, name)
    const [first] = entries
    if (first !== undefined) streams.push({ name, first: first.hash, seq: entries.at(-1)!.seq })
    all.push(...entries)
    if (name === row.stream || entries.length === 0) break
  }
  return all.length === 0 ? undefined : { row, streams, entries: all, caller: callerOf(all) }
}

/** True when a run has ended and its journal was taken away. */
export async function isPruned(env: Pick<Environment, 'store'>, row: RunRow): Promise<boolean> {
  if (row.state !== 'settled') return false
  return (await env.store.entries(row.workspace, row.stream, 0, 1)).length === 0
}

/** Throws `RUN_PRUNED`. */
export async function assertJournal(env: Pick<Environment, 'store'>, row: RunRow): Promise<void> {
  if (await isPruned(env, row)) throw pruned(row.id)
}

export function pruned(run: string): KeelsonError {
  return new KeelsonError('RUN_PRUNED', `the journal of run ${run} was pruned: it has ended for good`, {
    hint: 'Its result, effects and records are still there. Start new work under another id; take back single effects with revert.plan({ effect }).',
    data: { run },
  })
}

/** Why the journal must stay; undefined: nothing needs it. `gone`: runs whose journals are going with it. */
export async function neededFor(
  env: Environment,
  journal: Journal,
  gone: ReadonlySet<string>,
): Promise<string | undefined> {
  const { row, caller } = journal
  const { workspace, id } = row
  if (caller !== undefined && !gone.has(caller) && (await couldCallAgain(env, workspace, caller)))
    return 'its caller still has its own journal'
  const where = { field: 'openRun', value: id }
  if ((await env.store.records(workspace, { kind: 'inbox', where, limit: 1 })).length > 0)
    return 'an inbox item about it is open'
  const { effects, children } = begun(journal)
  for (const effect of effects) {
    const found = await readEffect(env.store, workspace, effect)
    if (found?.record.state === 'open') return 'an effect of it is open'
  }
  for (const child of children) {
    const [found] = await env.store.runs(workspace, { ids: [child], limit: 1 })
    if (found !== undefined && found.state !== 'settled') return 'a run that it called is open'
  }
  return undefined
}

async function couldCallAgain(env: Environment, workspace: string, caller: string): Promise<boolean> {
  const [row] = await env.store.runs(workspace, { ids: [caller], limit: 1 })
  return row !== undefined && !(await isPruned(env, row))
}

function callerOf([first]: readonly Entry[]): string | undefined {
  if (first?.kind !== 'run.started' || first.payload === null) return undefined
  return dataOf(first as Entry & { kind: 'run.started' }).parent?.run
}

/** The effects that it opened, or answers for as their own run, and the runs that it called. */
function begun({ row, entries }: Journal): { effects: ReadonlySet<string>; children: ReadonlySet<string> } {
  const [, own] = /^effect:(.*):\d+$/s.exec(row.id) ?? []
  const effects = new Set(own === undefined ? [] : [own])
  const children = new Set<string>()
  for (const entry of entries) {
    if (entry.payload === null) continue
    const data = JSON.parse(entry.payload) as { effect?: string; child?: string }
    if ((entry.kind === 'effect.opened' || entry.kind === 'effect.sending') && data.effect) effects.add(data.effect)
    if (entry.kind === 'call.opened' && data.child !== undefined) children.add(data.child)
  }
  return { effects, children }
}
