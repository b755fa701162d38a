/**
 * Fidelity: how far runs in shadow are like real ones: from where on they rest on what was simulated, and whether that was known.
 *
 * F1. Up to its first simulated effect a run in shadow is as a real one. From there on it is as good as what its actions answered.
 */
import type { Json } from '../../base/value.ts'
import type { AnyAction } from '../../connector/action.ts'
import type { Put } from '../../journal/put.ts'
import type { MemoryStore } from '../../journal/store.ts'
import { iso } from '../waiting.ts'
import { allOf, type Would } from './would.ts'

/**
 * 'high': each simulated effect was answered by its action's own `simulate`, or answers nothing. 'medium': some answers were guessed
 * from what the action's preview shows. 'low': something could not be simulated: what its run would have done from there is not known.
 */
export type Fidelity = 'high' | 'medium' | 'low'

/** An effect that its action could not simulate: there the run failed. */
export interface Unsimulated {
  readonly run: string
  readonly step: string
  readonly action: string
  readonly at: string
}

export interface Likeness {
  /**
   * Which operation of its run (from 1) was the first to be simulated; of several runs, the earliest. Of a run that called others,
   * that of the first effect of all of them. Left out where nothing was, or only by releases that did not count it.
   */
  readonly firstSimulatedStep?: number
  readonly fidelity: Fidelity
  readonly unsimulated: readonly Unsimulated[]
}

/** As its record keeps it. */
export type Lost = Pick<Would, 'id' | 'run' | 'root' | 'playbook' | 'step' | 'action' | 'at'>

const KIND = 'unsimulated'

export async function lostPut(store: MemoryStore, workspace: string, lost: Lost): Promise<Put> {
  const [before] = await store.records(workspace, { kind: KIND, ids: [lost.id], limit: 1 })
  return {
    kind: KIND,
    id: lost.id,
    version: (before?.version ?? 0) + 1,
    data: lost as unknown as Json,
    index: { run: lost.run, root: lost.root, playbook: lost.playbook },
    sort: lost.at,
  }
}

/** Of a run and those that it called; of a called one, its own. */
export async function lostIn(store: MemoryStore, workspace: string, run: string): Promise<Lost[]> {
  const all = await lostOf(store, workspace, 'root', run)
  return all.length > 0 ? all : lostOf(store, workspace, 'run', run)
}

export function lostOf(
  store: MemoryStore,
  workspace: string,
  by: 'run' | 'root' | 'playbook',
  value: string,
): Promise<Lost[]> {
  return allOf<Lost>(store, workspace, { kind: KIND, where: { field: by, value } })
}

/** `find`: what is known of an action by its name. What was lost once and simulated later, as its run began anew, is not lost. */
export function likenessOf(
  woulds: readonly Would[],
  lost: readonly Lost[],
  find: (action: string) => Pick<AnyAction, 'simulate'> | undefined,
): Likeness {
  const simulated = new Set(woulds.map((one) => one.id))
  const left = lost.filter(({ id }) => !simulated.has(id))
  const places = [...firsts(woulds)].flatMap(({ place }) => (place === undefined ? [] : [place]))
  const guessed = woulds.some((one) => isGuessed(one, find(one.action)))
  return {
    ...(places.length === 0 ? {} : { firstSimulatedStep: places.reduce((a, b) => Math.min(a, b)) }),
    fidelity: left.length > 0 ? 'low' : guessed ? 'medium' : 'high',
    unsimulated: left.map(({ run, step, action, at }) => ({ run, step, action, at: iso(at) })),
  }
}

/** In a sentence, for people; undefined where nothing was simulated, or to be. */
export function likenessText({ firstSimulatedStep: first, fidelity, unsimulated }: Likeness): string | undefined {
  if (first === undefined && unsimulated.length === 0) return undefined
  const from = first === undefined ? 'simulated' : `simulated from its step ${first} on`
  switch (fidelity) {
    case 'high':
      return `${from}, fidelity high: what it was answered is what its actions say`
    case 'medium':
      return `${from}, fidelity medium: some of what it was answered is guessed from previews`
    case 'low':
      return `${from}, fidelity low: ${[...new Set(unsimulated.map((one) => one.action))].join(', ')} could not be simulated`
    default:
      return fidelity satisfies never
  }
}

/** The first of each family. */
function firsts(woulds: readonly Would[]): Iterable<Would> {
  const found = new Map<string, Would>()
  for (const one of woulds) if (one.order < (found.get(one.root)?.order ?? Infinity)) found.set(one.root, one)
  return found.values()
}

/** Of one that an earlier release recorded, by what its action can do today. */
export function isGuessed({ guessed, place, output }: Would, action: Pick<AnyAction, 'simulate'> | undefined): boolean {
  if (guessed === true || place !== undefined) return guessed === true
  return output !== null && action !== undefined && action.simulate === undefined
}
