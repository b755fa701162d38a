/** Spec: one effect from its intent on, as its owner keeps it and as an effect run gets it. */
import { isUnlabelled, type Labels } from '../../base/labels.ts'
import { KeelsonError, type StoredError } from '../../base/errors.ts'
import type { Actor } from '../../base/actor.ts'
import type { Json } from '../../base/value.ts'
import type { AnyAction } from '../../connector/action.ts'
import type { Shape } from '../../connector/shape.ts'
import type { TrustAnswer } from '../../policy/trust.ts'
import type { Judgement } from '../../policy/verdict.ts'
import type { Behalf } from '../behalf.ts'
import type { Environment } from '../environment.ts'
import type { Asker, EffectRecord } from './ledger.ts'

export interface EffectSpec {
  readonly effect: string
  readonly generation: number
  readonly action: string
  readonly account: string
  readonly input: Json
  readonly inputHash: string
  readonly owner: Asker
  /** Name and version of the playbook that asked, for people. */
  readonly playbook: string
  readonly persona?: string
  readonly scopes: readonly (readonly string[])[]
  /** On whose behalf; without it, that of `scopes` and of the owner alone. */
  readonly behalf?: Behalf
  /** What the input is to be taken for. */
  readonly labels?: Labels
  readonly because: readonly Json[]
  readonly verdict: Judgement
  /** `judge`: obligations first; `reconcile`: it was sent at `sentAt` and nobody knows; `resend`: it was, and did not happen; `undo`: takes back `undo`. */
  readonly mode: 'judge' | 'reconcile' | 'resend' | 'undo'
  readonly sentAt?: number
  /** When it was first sent, if that was before `sentAt`: how long its key has been in use. */
  readonly firstSentAt?: number
  /** What was sent at `sentAt` may have happened. */
  readonly unsure?: true
  /** Why nobody knows what came of that, where its sender heard. */
  readonly heard?: StoredError
  /** It was heard that its credentials are refused: a person is asked for others, however often it was tried. */
  readonly reauth?: true
  /** How many tries had failed before that one. */
  readonly tries?: number
  readonly undo?: Json
  /** Who takes back. */
  readonly by?: Actor
  readonly compensates?: string
  /** What policy said where something has answered for it since. */
  readonly judged?: Judgement
  /** Obligations that a grant, a rung of trust, or the approval of a plan, has answered for. */
  readonly covered?: readonly string[]
  /** The standing grant that answered: once it is revoked, it answers no more. */
  readonly grant?: string
  /** The rung of trust that answered: once the action stands below it, it answers no more. */
  readonly trust?: TrustAnswer
  /** The number of the digest that tells so. */
  readonly digest?: number
  /** A person changed the input before it came here. */
  readonly edited?: boolean
  /** What it rests on outside, as it was read when it was approved. */
  readonly fresh?: Json
  /** How its action was defined when somebody spoke for it, or when it was sent. */
  readonly shape?: Shape
  /** The item that this proposal revises. */
  readonly revises?: string
}

/** The action as it executes here, under the spec's account. Throws `ACTION_NOT_FOUND`. */
export function actionOf(env: Environment, spec: { action: string; account: string }): AnyAction {
  const found = env.actions.find(spec.action)
  if (found !== undefined) return found.account === spec.account ? found : { ...found, account: spec.account }
  throw new KeelsonError('ACTION_NOT_FOUND', `action ${spec.action} is not known to this process`, {
    hint: 'Pass its connector in createConductor({ connectors }), or the action in actions or in uses of a playbook.',
  })
}

/** On whose behalf an effect is asked for. */
export function behalfIn(spec: Pick<EffectSpec, 'behalf' | 'scopes' | 'persona' | 'owner' | 'playbook'>): Behalf {
  if (spec.behalf !== undefined) return spec.behalf
  const personas = spec.scopes.map((may) => ({ name: spec.persona ?? '', may }))
  return { personas, line: [{ run: spec.owner.run, playbook: spec.playbook }] }
}

export function recordOf(spec: EffectSpec, now: number, more: Partial<EffectRecord> = {}): EffectRecord {
  return {
    id: spec.effect,
    action: spec.action,
    account: spec.account,
    generation: spec.generation,
    state: 'open',
    owner: spec.owner,
    askers: [],
    input: spec.input,
    inputHash: spec.inputHash,
    edited: spec.edited ?? false,
    verdict: spec.verdict.reason,
    because: spec.because,
    ...(spec.labels === undefined || isUnlabelled(spec.labels) ? {} : { labels: spec.labels }),
    openedAt: now,
    ...(spec.compensates === undefined ? {} : { compensates: spec.compensates }),
    ...(spec.grant === undefined ? {} : { grant: spec.grant }),
    ...(spec.trust === undefined ? {} : { trust: spec.trust }),
    ...(spec.digest === undefined ? {} : { digest: spec.digest }),
    ...more,
  }
}
