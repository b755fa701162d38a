/** Trust: a company's verbs for the ladder: where each action stands, and a person's word on it. */
import type { Actor } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import type { Action } from '../../connector/action.ts'
import { isAbove, nextRung, wilsonLower, type Rung } from '../../policy/trust.ts'
import type { Environment } from '../environment.ts'
import { iso } from '../waiting.ts'
import { happened, ruleOf, trustOf, type TrustRecord } from './record.ts'

export interface Trusted {
  readonly action: string
  readonly segment: string
  readonly rung: Rung
  readonly since: string
  /** Decisions that a person looked at since the current version, and the bound that they bear. */
  readonly seen: number
  readonly good: number
  readonly lower: number
  readonly ceiling: Rung
  readonly next?: Rung
  readonly proposed?: Rung
}

export interface Trust {
  /** Where each action stands that people have decided on, by segment. */
  list(): Promise<readonly Trusted[]>
  /** A person's own choice of a rung, up to the ceiling. Recorded with who chose it. */
  set(action: Action<any, any>, rung: Rung, options: { by: Actor; segment?: string }): Promise<void>
}

export function trustVerbs(env: Environment, workspace: string): Trust {
  return {
    async list() {
      const where = { field: 'all', value: 'trust' }
      const rows = await env.store.records(workspace, { kind: 'trust', where, limit: 1000 })
      return rows.map((row) => shown(env, JSON.parse(row.data) as TrustRecord))
    },
    async set(action, rung, { by, segment = 'all' }) {
      const rule = ruleOf(env, action.name)
      if (rule === undefined || isAbove(rung, rule.ceiling) || by.kind !== 'person')
        throw new KeelsonError('INPUT_INVALID', `${action.name} cannot be put on "${rung}"`, {
          hint: 'A person names a rung up to the ceiling of its defineTrust() in createConductor({ trust }).',
        })
      await env.company(workspace).edit(async () => {
        const record = await trustOf(env, workspace, rule, segment)
        const { puts } = await happened(env, workspace, rule, record, [{ what: 'set', rung, at: env.clock.now() }])
        return { drafts: [{ kind: 'trust.set', data: { by, action: action.name, segment, rung, puts } }] }
      })
    },
  }
}

function shown(env: Environment, { action, segment, standing }: TrustRecord): Trusted {
  const ceiling = ruleOf(env, action)?.ceiling ?? 'approve'
  const { rung, since, seen, good, proposed } = standing
  const next = nextRung(rung, ceiling)
  return {
    action,
    segment,
    rung,
    since: iso(since),
    seen,
    good,
    lower: wilsonLower(good, seen),
    ceiling,
    ...(next === undefined ? {} : { next }),
    ...(proposed === undefined ? {} : { proposed }),
  }
}
