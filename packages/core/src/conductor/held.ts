/** Held: runs that waited for code or an action are looked at again when this process may have brought it. */
import type { RunRow } from '../journal/store.ts'
import type { Environment } from './environment.ts'
import type { Status } from './waiting.ts'

const PAGE = 500

/** Makes held runs due that wait for a version or an action. Paused and quarantined ones stay as they are. */
export async function retryHeld(env: Environment, only?: (row: RunRow) => boolean): Promise<void> {
  for (const workspace of await env.store.workspaces()) {
    for (let after = 0; ;) {
      const rows = await env.store.runs(workspace, { state: 'held', limit: PAGE, after })
      for (const row of rows) {
        if (!waitsForCode(row) || only?.(row) === false) continue
        await env.store.write(workspace, { touch: [{ run: row.id, state: 'due' }] })
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < PAGE) break
      after = last.order
    }
  }
  env.nudge()
}

export function waitsForCode(row: Pick<RunRow, 'status'>): boolean {
  const status = JSON.parse(row.status || '{}') as Partial<Status & { state: 'waiting' }>
  return status.for?.some((one) => one.kind === 'version') === true
}
