/**
 * Corrupt: a run that is not what was written: kept away from code, and put before a person, until somebody has looked.
 *
 * K1. Its own stream takes nothing more, so its item is written to the workspace: once for each finding, not at each claim.
 * K2. Where not even that can be written, the log and the event tell alone: whoever claims goes on.
 * K3. A run that was set aside and could be read again closes its item.
 */
import type { Put } from '../journal/put.ts'
import type { Claimed, RunRow } from '../journal/store.ts'
import type { Environment } from './environment.ts'
import { closing, itemId, readItem, type Asking, type ItemRecord } from './item.ts'
import type { PassEnd } from './pass.ts'
import { attention, tellOpened } from './raise.ts'

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
  const [put] = await edited(env, workspace, run, 'run.noted', () => opened(env, found))
  if (put !== undefined) tellOpened(env, workspace, put, found.playbook?.name)
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

/** Answers what was written: nothing where there was nothing to, or it could not be (K2). */
async function edited(
  env: Environment,
  workspace: string,
  run: string,
  kind: 'run.noted' | 'run.recovered',
  build: () => Promise<Put[]>,
): Promise<readonly Put[]> {
  let puts: Put[] = []
  try {
    await env.company(workspace).edit(async () => {
      puts = await build()
      if (puts.length === 0) return undefined
      const { title } = puts[0]!.data as unknown as ItemRecord
      return {
        drafts: [kind === 'run.noted' ? { kind, data: { code: CODE, text: title, puts } } : { kind, data: { puts } }],
      }
    })
    return puts
  } catch (thrown) {
    env.log.error({ workspace, run }, `the inbox could not be told of run ${run}: ${String(thrown)}`)
    return []
  }
}

/** K1. Nothing where it waits for somebody, or was put away, with the same finding. */
async function opened(env: Environment, { workspace, run, why, playbook }: Finding): Promise<Put[]> {
  const id = corruptId(run)
  const title = `run ${run} cannot be read: ${why}`.slice(0, 500).toWellFormed()
  const found = await readItem(env.store, workspace, id)
  if (found?.item.title === title && found.item.state !== 'withdrawn') return []
  return [attention(env, { id, run, title, allows: ['dismiss'], code: CODE, hint: HINT, playbook }, found)]
}

function corruptId(run: string): string {
  return itemId(run, 'corrupt', 0)
}
