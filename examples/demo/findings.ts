/** Findings: everything that the demo has learnt at its end, for the report and the checks. */
import type { Entity, RevertPlan, RevertResult, TimelineEvent, Verification } from '@keelson/core'
import type { Approval } from './operator.ts'
import type { World } from './world.ts'

export interface Findings {
  readonly run: string
  readonly customer: Entity<{ name: string; email: string; stage: string }>
  readonly timeline: readonly TimelineEvent[]
  readonly approval: Approval & { readonly verb: 'approve' | 'edit' | 'reject' }
  /** The operator let the mail go. */
  readonly sent: boolean
  readonly result: { readonly signed: boolean; readonly messageId: string } | undefined
  readonly contract: { readonly path: string; readonly sha256: string }
  readonly story: readonly string[]
  readonly before: World
  readonly after: World
  readonly kills: number
  readonly verification: Verification
  /** What did not verify before the revert, and after it. */
  readonly verified: readonly (readonly string[])[]
  readonly plan: RevertPlan
  readonly reverted: RevertResult
  /** The calendar's bytes after the revert, and as they came. */
  readonly calendar: Buffer
  readonly fixture: Buffer
  /** The operator's own line is still in the contract. */
  readonly edited: boolean
  readonly secretSeen: boolean
}
