/**
 * Version: everything that decides how an action acts, as far as this process knows it: rules, schemas, and the agents behind it.
 *
 * Behind it are the agents that a playbook declares (`uses`) beside it, in its newest version. A process that knows none of them, or no
 * model, takes those for granted of which the record tells.
 */
import type { z } from 'zod'
import { sha256 } from '../../base/hash.ts'
import { canonicalAround } from '../../base/json.ts'
import { jsonSchema } from '../../base/schema.ts'
import type { AnyAgent } from '../../agent/agent.ts'
import { noModels, type Models } from '../../agent/model.ts'
import type { TrustRule } from '../../policy/trust-rule.ts'
import type { Standing } from '../../policy/trust.ts'
import type { Environment } from '../environment.ts'

const descriptions = new WeakMap<z.ZodType, unknown>()

/** A schema says the same for as long as it is there: it is asked once, not with each act. */
function described(schema: z.ZodType): unknown {
  const known = descriptions.get(schema) ?? jsonSchema(schema)
  descriptions.set(schema, known)
  return known
}

type Known = Pick<Environment, 'policy' | 'actions' | 'catalog' | 'models'>

/** `agents`: the mark of those behind it, where it is known. */
export function versionOf(env: Known, rule: TrustRule, agents: string | undefined): string {
  const action = env.actions.find(rule.action)
  const schemas = action === undefined ? [] : [described(action.input), described(action.output)]
  const parts = [env.policy.version, rule.version, schemas, ...(agents === undefined ? [] : [agents])]
  return sha256(canonicalAround(parts)).slice(0, 12)
}

/** One mark of all agents behind an action; undefined where none is known here. */
export function agentsOf({ catalog, models }: Known, { action }: TrustRule): string | undefined {
  if (models === noModels) return undefined
  const playbooks = catalog.all().filter(({ name, version, usedActions, usedAgents }) => {
    if (usedAgents.length === 0 || catalog.newest(name)?.version !== version) return false
    return usedActions.some((one) => one.name === action)
  })
  const agents = new Map(playbooks.flatMap((one) => one.usedAgents).map((one) => [`${one.name}@${one.version}`, one]))
  if (agents.size === 0) return undefined
  const marks = [...agents].map(([id, agent]) => markOf(models, id, agent)).sort()
  return sha256(canonicalAround(marks)).slice(0, 12)
}

function markOf(models: Models, id: string, { models: names, instructions, input, output }: AnyAgent): string {
  const asked = names.length === 0 ? [undefined] : names
  const behind = asked.map((name) => [name ?? '', models.idOf?.(name) ?? ''])
  return sha256(canonicalAround([id, behind, instructions, described(input), described(output)]))
}

/** A standing from when nobody had told of the agents behind it: that they are known now is no change. */
export function takenIn(
  env: Known,
  rule: TrustRule,
  { standing, agents }: { readonly standing: Standing; readonly agents?: string },
): Standing {
  const now = agents === undefined ? agentsOf(env, rule) : undefined
  if (now === undefined || standing.version !== versionOf(env, rule, undefined)) return standing
  return { ...standing, version: versionOf(env, rule, now) }
}
