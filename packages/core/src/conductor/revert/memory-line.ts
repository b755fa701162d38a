/**
 * MemoryLine: what a plan says of a change set of memory, and what takes it back.
 *
 * M1. What a plan says of one set supposes that those made after it go first, as they will.
 * M2. What a person has decided is that person's, or for whoever may decide it: `memory.revert` asks who does it.
 */
import { KeelsonError, storeError } from '../../base/errors.ts'
import { sha256 } from '../../base/hash.ts'
import type { Json } from '../../base/value.ts'
import { changeSetPut, CHANGE_SET_RECORD, type ChangeSetRecord } from '../../memory/change-set.ts'
import { invert, type Blocked } from '../../memory/invert.ts'
import type { Environment } from '../environment.ts'
import { benchOf, deskOf } from '../memory/desk.ts'
import { endAsking } from '../memory/end-proposals.ts'
import type { Pass } from '../pass.ts'
import type { Built } from '../writer.ts'
import type { RevertLine } from './line.ts'

type Line = RevertLine & { kind: 'memory' }

const NOTHING = { blocked: [], changes: [], still: [] }

/** The lines of change sets, each with its place. */
export async function memoryLines(
  env: Environment,
  workspace: string,
  sets: ReadonlyMap<string, number>,
): Promise<{ at: number; line: RevertLine }[]> {
  const bench = benchOf({ env, workspace })
  const lines: { at: number; line: RevertLine }[] = []
  for (const [id, at] of [...sets].sort(([, a], [, b]) => b - a)) {
    const found = await readSet(env, workspace, id)
    if (found === undefined || found.set.status === 'rejected') continue
    const { set, version } = found
    const what = `memory: ${set.reason}`
    const why = whyNot(set)
    const { blocked, changes, still } =
      why === undefined ? await invert(bench, set, { now: env.clock.now(), set: '' }) : NOTHING
    const reason = why ?? (changes.length + still.length === 0 ? saidOf(blocked) : undefined)
    const kept = blocked.map((one) => one.id)
    lines.push({
      at,
      line:
        reason === undefined
          ? { kind: 'memory', id, version, kept, what, can: true }
          : { kind: 'memory', id, what, can: false, why: reason },
    })
  }
  return lines
}

function whyNot({ status, decidedBy }: ChangeSetRecord): string | undefined {
  if (status === 'proposed') return 'nobody has decided it yet: reject it'
  if (status === 'reverted') return 'it has been taken back already'
  return decidedBy === undefined
    ? undefined
    : `${decidedBy.name ?? decidedBy.id} agreed to it: memory.revert() takes it back`
}

function saidOf(blocked: readonly Blocked[]): string {
  return blocked.length === 0 ? 'it is as it was before' : blocked.map(({ id, why }) => `${id}: ${why}`).join('; ')
}

/** Takes a set back. Answers what of it stays after all. */
export async function takeSetBack(pass: Pass, key: string, line: Line & { can: true }): Promise<readonly Blocked[]> {
  const hash = sha256(line.id)
  const live = async (): Promise<void> => {
    await pass.work.run(() => pass.writer.submit(() => inverse(pass, key, line, hash)))
  }
  return pass.operation<readonly Blocked[]>({ key, kind: 'memory', hash, live })
}

async function inverse(pass: Pass, key: string, { id, version }: Line & { can: true }, hash: string): Promise<Built> {
  const { env, claimed } = pass.task
  const { workspace, id: run } = claimed.row
  const found = await readSet(env, workspace, id)
  if (found?.version !== version) {
    const error = new KeelsonError('PLAN_CHANGED', `change set ${id} is ${found?.set.status ?? 'gone'} now`)
    return { drafts: [{ kind: 'memory.completed', key, data: { hash, error: storeError(error) } }] }
  }
  const now = env.clock.now()
  const set = `revert_${sha256(id).slice(0, 12)}_${sha256(run).slice(0, 16)}`
  const desk = deskOf(env, workspace)
  const bench = benchOf(desk)
  const { changes, blocked } = await invert(bench, found.set, { now, set })
  const made: ChangeSetRecord = {
    ...{ id: set, status: 'applied', reason: `${id} is taken back`, createdAt: now, scope: desk.scope, changes },
    ...{ source: { by: pass.history.start.by, run, step: key }, reverts: [id] },
  }
  const over = await endAsking(desk, id, made.source.by)
  const reverted = changeSetPut({ ...found.set, status: 'reverted', revertedBy: set }, version + 1)
  const puts = [...bench.puts(), changeSetPut(made, 1), reverted, ...over.puts]
  const ok = blocked as unknown as Json
  return { drafts: [{ kind: 'memory.completed', key, data: { hash, ok, puts } }], deliveries: over.deliveries }
}

async function readSet(
  { store }: Pick<Environment, 'store'>,
  workspace: string,
  id: string,
): Promise<{ set: ChangeSetRecord; version: number } | undefined> {
  const [row] = await store.records(workspace, { kind: CHANGE_SET_RECORD, ids: [id], limit: 1 })
  return row === undefined ? undefined : { set: JSON.parse(row.data) as ChangeSetRecord, version: row.version }
}
