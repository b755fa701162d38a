/** Held: runs that waited for code or an action are looked at again when this process may have brought it. */
import { pagesOf } from '../journal/pages.ts'
import type { RunQuery, RunRow } from '../journal/store.ts'
import type { EffectRecord } from './effect/ledger.ts'
import type { Environment } from './environment.ts'
import type { Status, WaitKind } from './waiting.ts'

const PAGE = 500
/** They are due later, which is parked until then, rather than held: another process may have what they wait for. */
const LOOKED_FOR = ['keelson.effect', 'keelson.schedule']

/** Makes held runs due that wait for a version or an action. Paused and quarantined ones stay as they are. */
export async function retryHeld(env: Environment, only?: (row: RunRow) => boolean): Promise<void> {
  for (const workspace of await env.store.workspaces()) {
    await retryHeldOf(env, workspace, 'version', only)
    for (const playbook of LOOKED_FOR) await retryHeldOf(env, workspace, 'version', only, { state: 'parked', playbook })
    await retryShut(env, workspace)
  }
  env.nudge()
}

/** Makes the open effects of an action due that wait for it, which code has just brought. */
export async function retryEffectsOf(env: Environment, action: string): Promise<void> {
  const { store } = env
  for (const workspace of await store.workspaces()) {
    const ids: string[] = []
    for await (const { data } of pagesOf(store, workspace, {
      kind: 'effect',
      where: { field: 'open', value: action },
    })) {
      const { effectRun } = JSON.parse(data) as EffectRecord
      if (effectRun !== undefined) ids.push(effectRun)
    }
    for (let at = 0; at < ids.length; at += PAGE) {
      const rows = await store.runs(workspace, { ids: ids.slice(at, at + PAGE), limit: PAGE })
      for (const row of rows)
        if (waitsFor(row, ['version'])) await store.write(workspace, { touch: [{ run: row.id, state: 'due' }] })
    }
  }
  env.nudge()
}

/** Runs that were held while their workspace was suspended, which it is no longer: whoever resumed it may have died before this. */
export async function retryShut(env: Environment, workspace: string): Promise<void> {
  const company = env.company(workspace)
  company.moved()
  if ((await company.standing()).life.state === 'active') await retryHeldOf(env, workspace, 'suspended')
}

/** Makes the held runs of one workspace due that wait for `kind`. */
export async function retryHeldOf(
  env: Environment,
  workspace: string,
  kind: WaitKind,
  only?: (row: RunRow) => boolean,
  among: Pick<RunQuery, 'state' | 'playbook'> = { state: 'held' },
): Promise<void> {
  for (let after = 0; ;) {
    const rows = await env.store.runs(workspace, { ...among, limit: PAGE, after })
    for (const row of rows) {
      const isAway = among.state === 'held' || row.wakeAt !== null
      if (!isAway || !waitsFor(row, [kind]) || only?.(row) === false) continue
      await env.store.write(workspace, { touch: [{ run: row.id, state: 'due' }] })
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    after = last.order
  }
}

export function waitsFor(row: Pick<RunRow, 'status'>, kinds: readonly WaitKind[]): boolean {
  const status = JSON.parse(row.status || '{}') as Partial<Status & { state: 'waiting' }>
  return status.for?.some((one) => kinds.includes(one.kind)) === true
}
