/** Retention and consolidation of a workspace: what is due, and what could be said in less, as proposals. */
import type { Actor } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import type { ChangeOp } from '../../memory/change-set.ts'
import { sameWords, type Consolidator } from '../../memory/consolidate.ts'
import type { Retention, WorkspaceMemory } from '../../memory/handle.ts'
import { allOf, instantOf } from '../../memory/recall/recall.ts'
import {
  checkedPolicy,
  expiryOf,
  RETENTION_RECORD,
  type Expiring,
  type RetentionPolicy,
} from '../../memory/retention.ts'
import { holdsAt, memoryOf, MEMORY_RECORD, type MemoryRecord } from '../../memory/unit.ts'
import type { Json } from '../../base/value.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { Put } from '../../journal/put.ts'
import { propose } from './changes.ts'
import { assertWhole, isWhole, mayWrite } from './bounds.ts'
import { assertActor, askedOf, isAmong, type Desk } from './desk.ts'

export function retentionOf(desk: Desk): Retention {
  const { env, workspace } = desk
  const put = async (name: string, data: RetentionPolicy | null): Promise<Put[]> => {
    const [row] = await env.store.records(workspace, { kind: RETENTION_RECORD, ids: [name], limit: 1 })
    if (row === undefined && data === null) return []
    return [{ kind: RETENTION_RECORD, id: name, version: (row?.version ?? 0) + 1, data: data as Json }]
  }
  return {
    async set(policy, { by }) {
      assertOperator(desk, by)
      const checked = checkedPolicy(policy)
      await env.company(workspace).edit(async () => ({
        drafts: [{ kind: 'memory.changed', data: { by, puts: await put(checked.name, checked) } }],
      }))
    },
    async remove(name, { by }) {
      assertOperator(desk, by)
      await env
        .company(workspace)
        .edit(async () => ({ drafts: [{ kind: 'memory.changed', data: { by, puts: await put(name, null) } }] }))
    },
    list: async () =>
      (await policiesOf(desk)).filter(
        ({ scope }) => scope === undefined || isWhole(desk) || isAmong(desk.reader.scopes, scope),
      ),
    forecast: (until) => due(desk, instantOf(until)!),
    async run({ by, reason }) {
      assertActor(by)
      const expiring = await due(desk, env.clock.now())
      if (expiring.length === 0) return undefined
      const ops = expiring.map(({ id, graceMs }): ChangeOp => ({ op: 'expire', id, graceMs }))
      return propose(desk, { ops, by, reason: reason ?? `${expiring.length} memories are past their time` })
    },
  }
}

/** How long what is kept, is no machine's to say. */
function assertOperator(desk: Desk, by: Actor): void {
  assertActor(by)
  assertWhole(desk)
  if (by.kind === 'person') return
  throw new KeelsonError('INPUT_INVALID', `only a person sets how long what is kept, not ${by.kind} ${by.id}`, {
    hint: 'Name the person who decides: { by: { kind: "person", id } }.',
  })
}

async function policiesOf({ env, workspace }: Desk): Promise<RetentionPolicy[]> {
  const rows = await env.store.records(workspace, { kind: RETENTION_RECORD, limit: 1000 })
  return rows.map((row) => JSON.parse(row.data) as RetentionPolicy)
}

async function due(desk: Desk, until: number): Promise<Expiring[]> {
  const policies = await policiesOf(desk)
  const expiring: Expiring[] = []
  for await (const record of everything(desk)) {
    const expiry = expiryOf(record, policies)
    if (expiry !== undefined && Date.parse(expiry.at) <= until) expiring.push(expiry)
  }
  return expiring.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.id < b.id ? -1 : 1))
}

/** All memories of the workspace, whatever the scope: a policy is the operator's. A desk that is held to scopes writes in these. */
async function* everything(desk: Desk): AsyncGenerator<MemoryRecord> {
  for await (const { data } of pagesOf(desk.env.store, desk.workspace, { kind: MEMORY_RECORD })) {
    const record = JSON.parse(data) as MemoryRecord
    if (isWhole(desk) || mayWrite(desk, record)) yield record
  }
}

export async function consolidate(
  desk: Desk,
  consolidator: Consolidator = sameWords,
  { by, reason }: Parameters<WorkspaceMemory['consolidate']>[1],
): Promise<string | undefined> {
  assertActor(by)
  const asked = askedOf(desk)
  const memories: MemoryRecord[] = []
  for await (const record of allOf(asked)) if (holdsAt(record, asked.now, Infinity)) memories.push(record)
  const ops = await consolidator.propose(memories.map((record) => memoryOf(record, asked.now)))
  if (ops.length === 0) return undefined
  return propose(desk, {
    ops,
    by,
    reason:
      reason ??
      `${consolidator.name}: ${ops.length === 1 ? '1 change' : `${ops.length} changes`} to say the same in less`,
  })
}
