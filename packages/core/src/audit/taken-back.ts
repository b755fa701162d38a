/** Taken back: what a run has done that a later run took back, as the ledger of effects knows it. */
import type { Environment } from '../conductor/environment.ts'
import { readEffects, type EffectRecord } from '../conductor/effect/ledger.ts'
import { effectIn } from '../conductor/revert/deeds.ts'
import { undoId } from '../conductor/revert/plan.ts'
import type { Placed } from '../journal/entry.ts'

/** Of one run that took something back: which actions, and when the last of them was. */
export interface TakenBack {
  readonly by: string
  readonly actions: readonly string[]
  readonly at: number
}

/** In the order of taking back. A look-up of the effects and one of what undid them; entities and memory that went with it are not asked for. */
export async function takenBack(
  env: Environment,
  workspace: string,
  run: string,
  entries: readonly Placed[],
): Promise<TakenBack[]> {
  const effects = new Set(entries.filter(({ payload }) => payload !== null).flatMap((entry) => effectIn(entry) ?? []))
  const known = await readEffects(env.store, workspace, [...effects])
  const undone = known.filter(({ owner, state }) => owner.run === run && state === 'compensated')
  const ids = await Promise.all(undone.map((record) => undoId(env, workspace, record)))
  const undos = await readEffects(env.store, workspace, ids)
  const action = new Map(undone.map((record) => [record.id, record.action]))
  const byRun = Map.groupBy(undos, ({ owner }) => owner.run)
  return [...byRun].map(([by, all]) => told(by, all, action)).sort((a, b) => a.at - b.at)
}

function told(by: string, undos: readonly EffectRecord[], action: ReadonlyMap<string, string>): TakenBack {
  const actions = undos.flatMap(({ compensates = '' }) => action.get(compensates) ?? [])
  return { by, actions: [...new Set(actions)], at: Math.max(...undos.map((one) => one.settledAt ?? one.openedAt)) }
}
