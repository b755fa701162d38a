/** FailedRead: a read that came to nothing, or is tried again, as its operation tells. What policy denied has not failed. */
import type { ErrorCode } from '../../base/errors.ts'
import type { Outcome } from '../../journal/kinds.ts'
import type { Op } from '../../journal/op.ts'

/** An operation that failed, or is tried again, and of which nothing was sent: a read, unless its action writes. */
export function maybeFailedRead({ kind, opened, sending, attempts, outcome }: Op): boolean {
  if (kind !== 'effect' || opened !== undefined || sending !== undefined) return false
  if (outcome === undefined) return attempts > 0
  const { error, receipt } = outcome.outcome as Outcome & { receipt?: unknown }
  return error !== undefined && receipt === undefined && !ANSWERED.has(error.code)
}

const ANSWERED: ReadonlySet<string> = new Set(['ACTION_DENIED', 'ACTION_DECLINED'] satisfies ErrorCode[])

/** The action of such an operation: its key begins with the name, behind the branch. */
export function actionNamed({ key }: Op): string {
  return /(?:\]\.)?(?<name>[^\]#:]+)(?::[^\]#]*)?(?:#\d+)?$/s.exec(key)?.groups?.['name'] ?? key
}
