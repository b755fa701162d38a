/** Acts: what was really done, as it is matched with what would have been: by a person's hand, or by an effect. */
import type { Actor } from '../../base/actor.ts'
import type { Json } from '../../base/value.ts'
import type { AnyAction } from '../../connector/action.ts'
import type { EffectRecord } from '../effect/ledger.ts'
import type { Act } from './agreement.ts'
import { isLoose, subjectsOf } from './would.ts'

/** What a person did by hand, as the host or a connector saw it. */
export interface Deed {
  readonly id: string
  readonly action: string
  /** The account of its connector; left out: 'default'. */
  readonly account?: string
  readonly input: Json
  readonly about: readonly Json[]
  readonly at: number
  readonly by: Actor
}

/** `secret`: the workspace's key. */
export function deedAct(secret: string, action: AnyAction | undefined, deed: Deed): Act {
  const { id, input, at, about, by } = deed
  const subjects = subjectsOf(secret, action, deed.action, input, about)
  const loose = isLoose(action, input, about)
  return { ref: `deed:${id}`, action: deed.action, input, at, subjects, loose, by: `person ${by.name ?? by.id}` }
}

export function effectAct(secret: string, action: AnyAction | undefined, effect: EffectRecord, by: string): Act {
  const { id, input, openedAt: at, because } = effect
  const subjects = subjectsOf(secret, action, effect.action, input, because)
  const loose = isLoose(action, input, because)
  return { ref: `effect:${id}`, action: effect.action, input, at, subjects, loose, by }
}
