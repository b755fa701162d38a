/** Granted: an effect whose asks a standing grant answers. */
import { actorText } from '../../base/actor.ts'
import type { Put } from '../../journal/put.ts'
import type { Judgement } from '../../policy/verdict.ts'
import { useGrant } from '../grants.ts'
import type { Pass } from '../pass.ts'
import { askOf } from './attempt.ts'
import type { EffectSpec } from './spec.ts'

/** A standing grant may answer asks that are all grantable; it is then the decider, and its use is recorded with the intent. */
export async function byGrant(pass: Pass, spec: EffectSpec): Promise<{ spec: EffectSpec; puts: readonly Put[] }> {
  const { asks, holdMs, reason } = spec.verdict
  if (asks.length === 0 || !asks.every((one) => one.grantable)) return { spec, puts: [] }
  const { action, input, effect } = spec
  const used = await useGrant(pass.task.env, pass.task.claimed.row.workspace, { action, input, effect })
  if (used === undefined) return { spec, puts: [] }
  const { grant, put } = used
  const verdict: Judgement = {
    ...spec.verdict,
    verdict: holdMs > 0 ? 'hold' : 'allow',
    asks: [],
    reason: `granted by ${actorText(grant.by)} (grant ${grant.id}): ${reason}`,
  }
  const covered = asks.map((one) => askOf(one.rule))
  return { spec: { ...spec, verdict, judged: spec.verdict, covered, grant: grant.id }, puts: [put] }
}
