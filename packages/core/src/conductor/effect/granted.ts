/** Granted: an effect whose asks a standing grant, or a rung of trust, answers in a person's place, and for how long that holds. */
import { actorText } from '../../base/actor.ts'
import type { AnyAction } from '../../connector/action.ts'
import { costsKnown } from '../../connector/cost.ts'
import { shapeOf } from '../../connector/shape.ts'
import type { Put } from '../../journal/put.ts'
import type { Expect } from '../../journal/store.ts'
import type { Judgement } from '../../policy/verdict.ts'
import type { Holder } from '../../policy/grant.ts'
import type { Behalf } from '../behalf.ts'
import type { Environment } from '../environment.ts'
import { stands, useGrant } from '../grants.ts'
import { openDigest } from '../trust/digest.ts'
import { stillTrusted, useTrust } from '../trust/use.ts'
import type { Pass } from '../pass.ts'
import { askOf, type Decider } from './bytes.ts'
import { actionOf, behalfIn, type EffectSpec } from './spec.ts'

/** What was decided in a person's place. `expect`: that the digest that is to tell of it is open still. */
export interface Answered {
  readonly spec: EffectSpec
  readonly puts: readonly Put[]
  readonly expect?: readonly Expect[]
}

/** A standing grant may answer asks that are all grantable; it is then the decider, and its use is recorded with the intent. */
export async function byGrant(pass: Pass, spec: EffectSpec): Promise<Answered> {
  const { asks, holdMs, reason } = spec.verdict
  if (asks.length === 0 || !asks.every((one) => one.grantable)) return { spec, puts: [] }
  const { action, account, input, effect } = spec
  const holder = holderOf(behalfIn(spec))
  const definition = actionOf(pass.task.env, spec)
  const costs = costsKnown(definition, input) ?? null
  const use = { action, account, input, costs, effect, holder, shape: shapeOf(definition).mark }
  const used = await useGrant(pass.task.env, pass.task.claimed.row.workspace, use)
  if (used === undefined) return byTrust(pass, spec)
  const { grant, puts } = used
  const verdict: Judgement = {
    ...spec.verdict,
    verdict: holdMs > 0 ? 'hold' : 'allow',
    asks: [],
    reason: `granted by ${actorText(grant.by)} (grant ${grant.id}): ${reason}`,
  }
  const covered = asks.map((one) => askOf(one.rule))
  return { spec: { ...spec, verdict, judged: spec.verdict, covered, grant: grant.id }, puts }
}

/** Who acts: nobody further up the line. */
function holderOf({ personas, line }: Behalf): Holder {
  const persona = personas.at(-1)?.name ?? ''
  const playbook = line[0]?.playbook.replace(/@\d+$/, '')
  return { ...(persona === '' ? {} : { persona }), ...(playbook === undefined ? {} : { playbook }) }
}

/** A rung of trust answers where no grant does: at once, or after the time in which a person may stop it. */
async function byTrust(pass: Pass, spec: EffectSpec): Promise<Answered> {
  const { action, account, input, effect, generation, labels } = spec
  const { env, claimed } = pass.task
  const untrusted = labels?.untrusted !== undefined
  const use = { action, account, input, effect, generation, untrusted }
  const { said, puts = [] } = (await useTrust(env, claimed.row.workspace, use)) ?? {}
  if (said === undefined) return { spec, puts }
  const { asks, reason } = spec.verdict
  const holdMs = Math.max(spec.verdict.holdMs, said.holdMs)
  const verdict: Judgement = {
    ...spec.verdict,
    verdict: holdMs > 0 ? 'hold' : 'allow',
    asks: [],
    holdMs,
    holds: said.holdMs > 0 ? [...spec.verdict.holds, 'trust'] : spec.verdict.holds,
    reason: `trusted (${said.rung}, ${said.segment}): ${reason}`,
  }
  const { holdMs: _held, ...trust } = said
  const covered = asks.map((one) => askOf(one.rule))
  const { digest, expect } = await openDigest(env, claimed.row.workspace)
  return { spec: { ...spec, verdict, judged: spec.verdict, covered, trust, digest }, puts, expect: [expect] }
}

/**
 * What has been answered for, just before it is sent. What a grant or a rung answered no longer is, once the grant was revoked
 * or has ended, the action stands below that rung, or a person has to be asked now. `expect`: that it is so in the unit that sends.
 */
export async function stillCovered(
  env: Environment,
  { workspace, action, verdict }: { workspace: string; action: AnyAction; verdict: Judgement },
  covered: ReadonlySet<string>,
  { covered: answered = [], grant, trust }: Decider = {},
): Promise<{ readonly covered: ReadonlySet<string>; readonly over: boolean; readonly expect: readonly Expect[] }> {
  const granted = grant === undefined ? STANDS : await stands(env, workspace, grant)
  const trusted =
    trust === undefined
      ? STANDS
      : await stillTrusted(env, workspace, { action: action.name, account: action.account }, trust)
  const owed = verdict.asks.some((one) => !one.grantable && answered.includes(askOf(one.rule)))
  const over = granted.over || trusted.over || owed
  if (over) return { covered: new Set([...covered].filter((one) => !one.startsWith('ask:'))), over, expect: [] }
  return { covered, over, expect: [...granted.expect, ...trusted.expect] }
}

const STANDS = { over: false, expect: [] } as const
