/**
 * Bounds: what a desk may see and touch of change sets, contexts and policies.
 *
 * B1. A set is seen where all that it touches may be read, and touched where all of it lies where the desk writes. Writes of
 *     entities belong to the scope of the company.
 * B2. A desk that is held to no scope is the company's: nothing is looked up for it.
 */
import type { ChangeOp, ChangeSetRecord } from '../../memory/change-set.ts'
import { CHANGE_SET_RECORD, namedIn } from '../../memory/change-set.ts'
import { KeelsonError } from '../../base/errors.ts'
import type { ContextLog } from '../../memory/context.ts'
import { recordsOf } from '../../memory/recall/recall.ts'
import { scopeOf, WORKSPACE_SCOPE } from '../../memory/scope.ts'
import type { MemoryRecord } from '../../memory/unit.ts'
import { isAmong, outOfScope, type Desk } from './desk.ts'

export function isWhole({ held }: Desk): boolean {
  return held === undefined
}

export function mayRead({ reader }: Desk, record: Pick<MemoryRecord, 'scope' | 'sensitivity'>): boolean {
  return record.sensitivity <= reader.maxSensitivity && isAmong(reader.scopes, record.scope)
}

export function mayWrite(desk: Desk, record: Pick<MemoryRecord, 'scope' | 'sensitivity'>): boolean {
  return mayRead(desk, record) && isAmong(desk.held ?? desk.reader.scopes, record.scope)
}

/** Whether it may be told of entities, lessons, and what else has no scope: some of it is private. */
export function seesCompany({ held, reader }: Desk): boolean {
  return held === undefined || (isAmong(reader.scopes, WORKSPACE_SCOPE) && reader.maxSensitivity > 0)
}

/** Throws `MEMORY_OUT_OF_SCOPE` for what is the whole company's. */
export function assertWhole(desk: Desk): void {
  if (!isWhole(desk)) throw outOfScope('the whole company', desk)
}

/** Throws `MEMORY_OUT_OF_SCOPE` where one of them would write elsewhere, `MEMORY_NOT_FOUND` where it may not even read what it names. */
export async function assertWithin(desk: Desk, ops: readonly ChangeOp[]): Promise<void> {
  if (isWhole(desk)) return
  for (const op of ops) {
    const scope = scopeIn(op, desk.scope)
    if (scope !== undefined && !isAmong(desk.held!, scope)) throw outOfScope(scope, desk)
  }
  const named = namedIn(ops)
  const records = await recordsOf(desk.env.store, desk.workspace, named)
  for (const id of named) {
    const record = records.get(id)
    if (record === undefined || !mayRead(desk, record)) throw noMemory(desk, id)
    if (!mayWrite(desk, record)) throw outOfScope(record.scope, desk)
  }
}

export function noMemory({ reader }: Desk, id: string): KeelsonError {
  return new KeelsonError('MEMORY_NOT_FOUND', `there is no memory "${id}" in ${reader.scopes.join(', ')}`, {
    hint: 'It may belong to another scope, or have never been.',
    data: { memory: id },
  })
}

function scopeIn(op: ChangeOp, otherwise: string): string | undefined {
  if (op.op === 'event') return scopeOf(op.event.scope ?? otherwise)
  return op.op === 'add' ? scopeOf(op.memory.scope ?? otherwise) : undefined
}

type Sets = Pick<ChangeSetRecord, 'id' | 'ops' | 'changes' | 'scope' | 'reverts' | 'item' | 'status'>

/** B1. */
export async function maySee(desk: Desk, set: Sets): Promise<boolean> {
  return isWhole(desk) || touchesOnly(desk, set, (record) => mayRead(desk, record), seesCompany(desk))
}

/** B1. */
export async function mayTouch(desk: Desk, set: Sets): Promise<boolean> {
  if (isWhole(desk)) return true
  const company = seesCompany(desk) && isAmong(desk.held!, WORKSPACE_SCOPE)
  return touchesOnly(desk, set, (record) => mayWrite(desk, record), company)
}

async function touchesOnly(
  desk: Desk,
  { ops, changes, scope, reverts, item, status }: Sets,
  may: (record: Pick<MemoryRecord, 'scope' | 'sensitivity'>) => boolean,
  company: boolean,
): Promise<boolean> {
  const { env, workspace } = desk
  if (!company && (item !== undefined || changes.some(({ did }) => did === 'written'))) return false
  const made = (ops ?? []).flatMap((op) => {
    const { sensitivity = 0 } = op.op === 'event' ? op.event : op.op === 'add' ? op.memory : {}
    const own = scopeIn(op, scope)
    return own === undefined ? [] : [{ scope: own, sensitivity }]
  })
  if (!made.every(may)) return false
  const ids = [...changes.flatMap((one) => (one.did === 'written' ? [] : [one.id])), ...namedIn(ops ?? [])]
  const records = await recordsOf(env.store, workspace, [...new Set(ids)])
  for (const id of ids) {
    const record = records.get(id)
    if (record === undefined || !may(record)) return false
  }
  const proposed = status === 'proposed' ? (reverts ?? []) : []
  const rows = await env.store.records(workspace, {
    kind: CHANGE_SET_RECORD,
    ids: proposed,
    limit: 1 + proposed.length,
  })
  for (const { data } of rows)
    if (!(await touchesOnly(desk, JSON.parse(data) as ChangeSetRecord, may, company))) return false
  if (rows.length < proposed.length && !company) return false
  return ids.length + made.length + proposed.length > 0 || may({ scope, sensitivity: 0 })
}

/** One of an older release does not say what could be read for it: at most what its scope holds. */
export function mayShow(desk: Desk, { scope, read = [scope], maxSensitivity = 3 }: ContextLog): boolean {
  if (isWhole(desk)) return true
  const { reader } = desk
  return maxSensitivity <= reader.maxSensitivity && read.every((one) => isAmong(reader.scopes, one))
}
