/**
 * End proposals: those that can come to nothing any more, because of what is about to be done: erased, or taken back.
 *
 * E1. What holds a text that is erased, or would change or bring back a memory that is, is ended before it is: its run has the text
 *     in its journal.
 * E2. What asks to take back a set that is taken back ends with it, in the same unit; one of entities with the last of them.
 */
import type { Actor } from '../../base/actor.ts'
import { canonical } from '../../base/json.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { Put } from '../../journal/put.ts'
import type { Delivery, RecordRow } from '../../journal/store.ts'
import { askingId, asksField } from '../../memory/asks.ts'
import { CHANGE_SET_RECORD, changeSetPut, type ChangeSetRecord } from '../../memory/change-set.ts'
import { recordsOf } from '../../memory/recall/recall.ts'
import type { Notifier } from '../notifier.ts'
import { handle } from '../runs.ts'
import { goneOf } from '../revert/undone.ts'
import { streamOf } from '../start.ts'
import { askedBack, setNamed } from './asked-back.ts'
import type { Desk } from './desk.ts'
import { PROPOSAL_PLAYBOOK, proposalRunId, proposalSetOf } from './proposal.ts'

type At = Pick<Desk, 'env' | 'workspace'>

/** What is erased. */
export interface Erasing {
  readonly texts: readonly string[]
  readonly memories?: readonly string[]
  /** `type/id`, of those of which nothing stays. */
  readonly entities?: readonly string[]
  /** Sets that say something of what is erased, by other words than these texts. */
  readonly proposals?: readonly string[]
}

/** E1. */
export async function endProposals(
  desk: Desk,
  notifier: Notifier,
  erasing: Erasing,
  { by, reason }: { readonly by: Actor; readonly reason: string },
): Promise<void> {
  const { env, workspace } = desk
  for (const row of await waiting(desk)) {
    if (erasing.proposals?.includes(row.id) !== true && !(await holds(desk, row, erasing))) continue
    await env.company(workspace).edit(async () => {
      const [now] = await env.store.records(workspace, { kind: CHANGE_SET_RECORD, ids: [row.id], limit: 1 })
      if (now === undefined || proposalIn(now).status !== 'proposed') return undefined
      const { put, delivery } = ended(env, now, by, `${ERASED}${reason}`, 'what it proposes was erased')
      return { drafts: [{ kind: 'memory.changed', data: { by, puts: [put] } }], unit: { deliveries: [delivery] } }
    })
  }
  env.nudge()
  await untilEnded(desk, notifier)
}

/** For the unit that takes something back. */
interface Over {
  readonly puts: readonly Put[]
  readonly deliveries: readonly Delivery[]
}

/** E2, of a set. */
export async function endAsking(desk: At, set: string, by: Actor): Promise<Over> {
  const { open } = await askingFor(desk, set)
  return over(desk, open === undefined ? [] : [open], by)
}

/** E2, of what was written to entities: `restored` says which versions of which. */
export async function endRestored(
  desk: At,
  restored: ReadonlyMap<string, readonly number[]>,
  by: Actor,
): Promise<Over> {
  const asking = new Map<string, RecordRow>()
  for (const entity of restored.keys())
    for (const row of await waiting(desk, { field: asksField(entity), value: '' })) asking.set(row.id, row)
  const rows: RecordRow[] = []
  for (const row of asking.values()) if (await isRestored(desk, row, restored)) rows.push(row)
  return over(desk, rows, by)
}

/** Nothing is left of the set but what goes back now, or went before. */
async function isRestored(
  desk: At,
  row: RecordRow,
  restored: ReadonlyMap<string, readonly number[]>,
): Promise<boolean> {
  const found = await setNamed(desk, proposalIn(row).reverts![0]!)
  for (const change of found?.record.changes ?? []) {
    if (change.did !== 'written') return false
    if (restored.get(change.id)?.includes(change.version) === true) continue
    if (!(await goneOf(desk.env, desk.workspace, change.id)).has(change.version)) return false
  }
  return found !== undefined
}

function over({ env }: At, rows: readonly RecordRow[], by: Actor): Over {
  const all = rows.map((row) => ended(env, row, by, MEANWHILE, MEANWHILE))
  return { puts: all.map(({ put }) => put), deliveries: all.map(({ delivery }) => delivery) }
}

/** The one that waits and asks to take this set back, and the id of the next that would. */
export async function askingFor({ env, workspace }: At, set: string): Promise<{ open?: RecordRow; next: string }> {
  for (let times = 0; ; times++) {
    const next = askingId(set, times)
    const [row] = await env.store.records(workspace, { kind: CHANGE_SET_RECORD, ids: [next], limit: 1 })
    if (row === undefined) return { next }
    if (proposalIn(row).status === 'proposed') return { open: row, next }
  }
}

/** Proposals that wait; those that ask to take entities back are found by these. */
async function waiting({ env, workspace }: At, where = { field: 'status', value: 'proposed' }): Promise<RecordRow[]> {
  const rows: RecordRow[] = []
  for await (const row of pagesOf(env.store, workspace, { kind: CHANGE_SET_RECORD, where })) rows.push(row)
  return rows
}

function proposalIn(row: RecordRow): ChangeSetRecord {
  return JSON.parse(row.data) as ChangeSetRecord
}

/** It says one of the texts, or would change one of the memories; or what it would take back, or bring back behind that, does or did. */
async function holds(desk: Desk, row: RecordRow, erasing: Erasing): Promise<boolean> {
  const { texts, memories = [], entities = [] } = erasing
  const needles = [...memories, ...texts].map((text) => JSON.stringify(text).slice(1, -1))
  const says = (json: string): boolean => needles.some((needle) => json.includes(needle))
  if (says(row.data) || (await hasSaid(desk, row.id, says))) return true
  const back = await askedBack(desk, proposalIn(row))
  if (back?.found === undefined) return false
  const { record } = back.found
  if (says(JSON.stringify(record)) || record.changes.some((one) => entities.includes(one.id))) return true
  const all = [...record.changes, ...back.changes].flatMap((one) => (one.did === 'written' ? [] : [one.id]))
  const records = await recordsOf(desk.env.store, desk.workspace, [...all, ...back.blocked.map(({ id }) => id)])
  return [...records.values()].some((one) => says(JSON.stringify(one)))
}

/** What its run has shown, as it was then. */
async function hasSaid({ env, workspace }: At, set: string, says: (json: string) => boolean): Promise<boolean> {
  const entries = await env.store.entries(workspace, streamOf(proposalRunId(set), 0))
  return entries.some(({ payload }) => payload !== null && says(payload))
}

/** Rejected, and its run told to end. */
function ended(
  { clock }: Pick<Desk['env'], 'clock'>,
  row: RecordRow,
  by: Actor,
  why: string,
  reason: string,
): { put: Put; delivery: Delivery } {
  const { ops: _, kept: __, ...rest } = proposalIn(row)
  const at = clock.now()
  const put = changeSetPut({ ...rest, status: 'rejected', decidedBy: by, decidedAt: at, why }, row.version + 1)
  const cancel = { kind: 'cancel', payload: canonical({ by, reason }), at }
  return { put, delivery: { ...cancel, run: proposalRunId(row.id), onceKey: `erase:${row.id}` } }
}

/** Why a change set was rejected whose text was erased. */
const ERASED = 'erased: '
/** Why one was that asked to take back what has been taken back. */
const MEANWHILE = 'it was taken back meanwhile'

/** Proposals that were ended for this erasure, or for one that a crash cut short, or otherwise, and whose runs have not heard it yet. */
async function untilEnded({ env, workspace }: Desk, notifier: Notifier): Promise<void> {
  const open = await env.store.runs(workspace, { state: 'open', playbook: PROPOSAL_PLAYBOOK, limit: 1000 })
  const sets = new Map(open.map(({ id }) => [proposalSetOf(id), id]))
  if (sets.size === 0) return
  const rows = await env.store.records(workspace, { kind: CHANGE_SET_RECORD, ids: [...sets.keys()], limit: sets.size })
  for (const row of rows) {
    const { status, why } = JSON.parse(row.data) as ChangeSetRecord
    if (status !== 'rejected' || (why !== MEANWHILE && why?.startsWith(ERASED) !== true)) continue
    await handle(env, notifier, workspace, sets.get(row.id)!)
      .result()
      .catch(() => undefined)
  }
}
