/**
 * Missing: code that a run waits for. Another process may have it, and the code of another run may bring it to this one.
 *
 * M1. Whose code may bring it is woken again as long as this process has not come to rest in it: who took the mail may be gone.
 * M2. Not twice in one claim of that run, nor in one rest: the mail is named after them.
 * M3. Not while it is held: its code would not run, or does not fit; each look would be another pass in vain. Whoever lets it go on
 *     wakes it.
 */
import type { Claimed, Delivery } from '../journal/store.ts'
import type { Environment } from './environment.ts'

/** Code that a run waits for: it is looked for again and again. */
export interface Missing {
  readonly what: string
  /** Runs whose code may bring it. */
  readonly wake: readonly string[]
  /** It has come meanwhile. */
  readonly isThere: () => boolean
}

/** By what stands for a process: the runs whose code may bring something, and whether it has come to rest in them. */
const sought = new WeakMap<object, Map<string, boolean>>()

/** What wakes those whose code may bring it. */
export async function wakes(env: Environment, claimed: Claimed, { wake }: Missing): Promise<Delivery[]> {
  const { workspace, id } = claimed.row
  const known = sought.get(env.actions) ?? new Map<string, boolean>()
  sought.set(env.actions, known)
  const asked = wake.filter((run) => known.get(nameOf(workspace, run)) !== true)
  for (const run of asked) known.set(nameOf(workspace, run), false)
  const rows = asked.length === 0 ? [] : await env.store.runs(workspace, { ids: asked, limit: asked.length })
  const mail = { kind: 'wake', payload: '{}', at: env.clock.now() }
  const going = rows.filter(({ state }) => state !== 'held')
  return going.map((row) => {
    const stay = `${row.epoch}${row.worker === null ? '' : ' led'}`
    return { ...mail, run: row.id, onceKey: `wake:${id}:${claimed.lease.worker}:${stay}` }
  })
}

/** All that the code of this run asks for has been asked for in this process. */
export function cameToRest({ actions }: Environment, workspace: string, run: string): void {
  const known = sought.get(actions)
  if (known?.has(nameOf(workspace, run)) === true) known.set(nameOf(workspace, run), true)
}

function nameOf(workspace: string, run: string): string {
  return JSON.stringify([workspace, run])
}
