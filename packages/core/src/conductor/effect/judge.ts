/** Judge: one intent before the gate: scopes first, then the policy engine with its look-ups resolved. */
import { grace } from '../../base/clock.ts'
import { KeelsonError } from '../../base/errors.ts'
import { deepFreeze, parseStored } from '../../base/json.ts'
import { labelNames, type Labels } from '../../base/labels.ts'
import type { Json } from '../../base/value.ts'
import type { AnyAction } from '../../connector/action.ts'
import { entityTypeOf, indexValue, type EntityRecord } from '../../memory/entity.ts'
import { present } from '../../memory/entity-read.ts'
import { judgeSafely, labelSet } from '../../policy/gate.ts'
import { wallTime } from '../../policy/hours.ts'
import type { AnyLookup } from '../../policy/rule.ts'
import type { Settings } from '../../policy/settings.ts'
import { combine, type Judgement } from '../../policy/verdict.ts'
import { whoMayNot, type Behalf } from '../behalf.ts'
import type { Environment } from '../environment.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { EffectRecord } from './ledger.ts'

export interface Judged {
  readonly behalf: Behalf
  /** What the input is to be taken for. */
  readonly labels: Labels
  readonly workspace: string
  readonly action: AnyAction
  /** Canonical text. */
  readonly input: string
  /** The effect itself, which look-ups leave out. */
  readonly effect: string
  /** It is to be taken back. */
  readonly undo?: boolean
}

export async function judge(env: Environment, judged: Judged): Promise<Judgement> {
  const { workspace, action } = judged
  const { personas } = judged.behalf
  const barred = whoMayNot(env, personas, action.name)
  if (barred !== undefined) {
    const reason = `${barred.name === '' ? 'this run' : `persona ${barred.name}`} may not use ${action.name}`
    return combine([{ rule: 'persona', verdict: { verdict: 'deny', reason } }], env.policy.version, {})
  }
  const company = env.company(workspace)
  const { value: settings } = await company.settings()
  return judgeSafely(
    env.policy,
    {
      workspace,
      action: action.name,
      account: action.account,
      effect: action.effect,
      input: parseStored(judged.input),
      settings: deepFreeze(settings),
      labels: labelSet(labelNames(judged.labels)),
      sources: judged.labels,
      outgoing: action.outgoing,
      persona: personas.at(-1)?.name,
      undo: judged.undo === true,
    },
    (lookup) => find(env, judged, lookup, settings),
    () => grace(env.limits.policyMs),
  )
}

async function find(env: Environment, judged: Judged, lookup: AnyLookup, settings: Settings): Promise<unknown> {
  switch (lookup.look) {
    case 'one':
      return findOne(env, judged.workspace, lookup)
    case 'count':
      return count(env, judged, lookup)
    case 'now':
      return wallTime(env.zone(settings), env.clock.now())
  }
}

async function findOne(env: Environment, workspace: string, lookup: AnyLookup & { look: 'one' }): Promise<unknown> {
  const type = entityTypeOf(lookup.type)
  const [first, ...others] = Object.entries(lookup.where)
  if (first === undefined) throw new KeelsonError('DEFINITION_INVALID', `a look-up of ${type.name} names no field`)
  for (const [field] of [first, ...others]) {
    if (!type.index.includes(field)) {
      throw new KeelsonError('DEFINITION_INVALID', `a look-up of ${type.name} uses "${field}", which is not indexed`)
    }
  }
  const key = await env.company(workspace).key()
  const where = { field: `${type.name}.${first[0]}`, value: indexValue(type, first[0], first[1], key) }
  for await (const row of pagesOf(env.store, workspace, { kind: 'entity', where })) {
    const record = JSON.parse(row.data) as EntityRecord
    const data: Record<string, unknown> = present(type, record)
    if (
      others.every(
        ([field, value]) => indexValue(type, field, data[field], key) === indexValue(type, field, value, key),
      )
    ) {
      return { id: record.id, version: row.version, data }
    }
  }
  return undefined
}

async function count(env: Environment, judged: Judged, lookup: AnyLookup & { look: 'count' }): Promise<number> {
  const from = env.clock.now() - lookup.sinceMs
  const where = { field: 'action', value: lookup.action }
  const wanted = Object.entries(lookup.where).filter(([, value]) => value !== undefined)
  let found = 0
  for await (const row of pagesOf(env.store, judged.workspace, { kind: 'effect', where, from })) {
    const record = JSON.parse(row.data) as EffectRecord
    if (record.id === judged.effect || (record.state !== 'done' && record.state !== 'open')) continue
    const input = record.input as Record<string, Json>
    if (wanted.every(([field, value]) => JSON.stringify(input[field]) === JSON.stringify(value))) found++
  }
  return found
}

export function denied(action: AnyAction, { reason }: Pick<Judgement, 'reason'>): KeelsonError {
  return new KeelsonError('ACTION_DENIED', `${action.name} was denied: ${reason}`, {
    hint: 'Change the rule, the persona or the input, then runs.retry(): it is judged anew. Until then this denial answers.',
    data: { action: action.name },
  })
}

/** A judgement that ends an operation, with what was judged: another set of rules can judge it again. */
export function judgedOf(
  { action, input, effect }: Pick<Judged, 'action' | 'input' | 'effect'>,
  verdict: Judgement,
): Json {
  const { name, account } = action
  return { action: name, account, effect, input: parseStored(input), verdict: verdict as unknown as Json }
}
