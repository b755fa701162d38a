/**
 * Retention: how long what is kept, as the operator says it. Reading a memory never makes it live longer.
 *
 * A policy forecasts; what is due is proposed as a change set into the bin, from which it comes back within the grace.
 */
import { durationMs, type Duration } from '../base/duration.ts'
import { parse } from '../base/schema.ts'
import { withZod } from '../base/zod.ts'
import { isWithin, scopeOf } from './scope.ts'
import { isLive, MEMORY_KINDS, type Authority, type MemoryKind, type MemoryRecord } from './unit.ts'

export interface RetentionPolicy {
  readonly name: string
  /** In this scope and below. Default: everywhere. */
  readonly scope?: string
  readonly kinds?: readonly MemoryKind[]
  readonly authority?: Authority
  readonly outside?: boolean
  /** Counted from when it was recorded. */
  readonly keep: Duration
  /** In the bin so long. Default '30d'. */
  readonly grace?: Duration
}

export interface Expiring {
  readonly id: string
  /** ISO instant. */
  readonly at: string
  /** The policy, or 'own date'. */
  readonly why: string
  readonly graceMs: number
}

const policySchema = withZod((z) =>
  z.strictObject({
    name: z.string().min(1).max(100),
    scope: z.string().optional(),
    kinds: z.array(z.enum(MEMORY_KINDS)).min(1).optional(),
    authority: z.enum(['operator', 'import', 'agent']).optional(),
    outside: z.boolean().optional(),
    keep: z.string(),
    grace: z.string().optional(),
  }),
)

/** Throws `INPUT_INVALID`. */
export function checkedPolicy(policy: RetentionPolicy): RetentionPolicy {
  const checked = parse(policySchema(), policy, 'INPUT_INVALID', 'a retention policy')
  durationMs(policy.keep)
  if (policy.grace !== undefined) durationMs(policy.grace)
  if (checked.scope !== undefined) scopeOf(checked.scope)
  return policy
}

const GRACE: Duration = '30d'
export const OWN_DATE = 'own date'

/** When a memory expires and why; the first reason counts. Undefined: never, or it is pinned. */
export function expiryOf(record: MemoryRecord, policies: readonly RetentionPolicy[]): Expiring | undefined {
  if (!isLive(record) || record.pinned === true) return undefined
  const own =
    record.expiresAt === undefined ? [] : [{ at: record.expiresAt, why: OWN_DATE, graceMs: durationMs(GRACE) }]
  const due = policies
    .filter((policy) => isUnder(record, policy))
    .map((policy) => ({
      at: record.recordedAt + durationMs(policy.keep),
      why: policy.name,
      graceMs: durationMs(policy.grace ?? GRACE),
    }))
  const [first] = [...own, ...due].sort((a, b) => a.at - b.at)
  return first === undefined ? undefined : { id: record.id, ...first, at: new Date(first.at).toISOString() }
}

function isUnder(record: MemoryRecord, policy: RetentionPolicy): boolean {
  return (
    (policy.scope === undefined || isWithin(record.scope, policy.scope)) &&
    (policy.kinds === undefined || policy.kinds.includes(record.kind)) &&
    (policy.authority === undefined || policy.authority === record.authority) &&
    (policy.outside === undefined || policy.outside === (record.outside ?? false))
  )
}

export const RETENTION_RECORD = 'retention'
