/**
 * Corrupt: a run that is not what was written: kept away from code, and put before a person, until somebody has looked.
 *
 * K1. Its own stream takes nothing more, so its item is written to the workspace: once for each finding, not at each claim.
 * K2. Where not even that can be written, the log and the event tell alone: whoever claims goes on.
 * K3. A run that was set aside and could be read again closes its item.
 */
import { canonical } from '../base/json.ts'
import type { Put } from '../journal/put.ts'
import type { Claimed, RunRow } from '../journal/store.ts'
import type { Environment } from './environment.ts'
import { asking, closing, itemHash, itemId, itemPut, readItem, type Asking, type ItemRecord } from './item.ts'
import type { PassEnd } from './pass.ts'

const CODE = 'STORE_CORRUPT'
const HINT = 'It is kept away from code, and the others go on. Restore a backup, or look at the disk.'

/** What was found of a run. Of one whose row is damaged, its playbook is not believed. */
export interface Finding {
  readonly workspace: string
  readonly run: string
  readonly why: string
  readonly playbook?: Asking
}

/** Tells of it. Throws nothing (K2). */
export async function tellCorrupt(env: Environment, found: Finding): Promise<void> {
  const { workspace, run, why } = found
  env.log.error({ workspace, run, hint: HINT }, `run ${run} cannot be read: ${why}`)
  env.emit('run.corrupt', { workspace, run, message: why })
  await edited(env, workspace, run, 'run.noted', () => opened(env, found))
}

/** Tells of a run of which the journal does not hold, and holds it. */
export async function setAside(env: Environment, { row, lease }: Claimed, why: string): Promise<void> {
  const { workspace, id, playbook, version } = row
  await tellCorrupt(env, { workspace, run: id, why, playbook: { name: playbook, version } })
  const status = JSON.stringify({ state: 'waiting', for: [{ kind: 'operator', what: `${CODE}: ${why}` }] })
  await env.store.commit(lease, { next: { to: 'held', status } })
}

/** Whether a pass went well over one that was set aside, as its row said. */
export function wasSetAside({ status }: RunRow, { how }: PassEnd): boolean {
  return how !== 'fenced' && how !== 'abandoned' && how !== 'store' && status.includes(CODE)
}

/** K3. */
export async function readAgain(env: Environment, { workspace, id }: RunRow): Promise<void> {
  const closed = (): Promise<Put[]> => closing(env.store, workspace, [corruptId(id)], 'withdrawn')
  await edited(env, workspace, id, 'run.recovered', closed)
}

async function edited(
  env: Environment,
  workspace: string,
  run: string,
  kind: 'run.noted' | 'run.recovered',
  build: () => Promise<Put[]>,
): Promise<void> {
  try {
    let puts: Put[] = []
    await env.company(workspace).edit(async () => {
      puts = await build()
      if (puts.length === 0) return undefined
      const { title } = puts[0]!.data as unknown as ItemRecord
      return {
        drafts: [kind === 'run.noted' ? { kind, data: { code: CODE, text: title, puts } } : { kind, data: { puts } }],
      }
    })
    if (kind === 'run.noted' && puts.length > 0) announce(env, workspace, puts[0]!.data as unknown as ItemRecord)
  } catch (thrown) {
    env.log.error({ workspace, run }, `the inbox could not be told of run ${run}: ${String(thrown)}`)
  }
}

/** K1. Nothing where it waits for somebody, or was put away, with the same finding. */
async function opened(env: Environment, { workspace, run, why, playbook }: Finding): Promise<Put[]> {
  const id = corruptId(run)
  const title = `run ${run} cannot be read: ${why}`.slice(0, 500).toWellFormed()
  const found = await readItem(env.store, workspace, id)
  if (found?.item.title === title && found.item.state !== 'withdrawn') return []
  const bare: Omit<ItemRecord, 'hash'> = {
    id,
    kind: 'attention',
    state: 'open',
    run,
    key: '',
    title,
    openedAt: env.clock.now(),
    onSilence: 'wait',
    reminders: 0,
    allows: ['dismiss'],
    ...(playbook === undefined ? {} : asking(playbook.name, playbook.version)),
    why: [{ label: `run ${run}`, trust: 'connector', ref: `run:${run}` }],
    preview: { kind: 'text', after: `${title}\n\n${HINT}` },
    editSchema: {},
    code: CODE,
    hint: HINT,
    ...(found === undefined ? {} : { was: [...(found.item.was ?? []), found.item.hash].slice(-20) }),
  }
  const hash = itemHash({ ...bare, title: canonical([title, bare.openedAt]) })
  return [itemPut({ ...bare, hash }, (found?.version ?? 0) + 1)]
}

function announce(env: Environment, workspace: string, item: ItemRecord): void {
  const { id, run, playbook, title, kind, allows } = item
  const advice = { code: CODE, advice: HINT }
  env.emit('item.opened', { workspace, run, playbook: playbook?.name ?? '', item: id, title, kind, allows, ...advice })
}

function corruptId(run: string): string {
  return itemId(run, 'corrupt', 0)
}
