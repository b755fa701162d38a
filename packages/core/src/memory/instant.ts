/** Instant: instants that a change gives as texts. */
import { KeelsonError } from '../base/errors.ts'

export function instantOf(text: string): number {
  const at = Date.parse(text)
  if (!Number.isNaN(at)) return at
  throw new KeelsonError('INPUT_INVALID', `"${text}" is no instant`, { hint: 'Use ISO 8601.' })
}

export function pastOf(text: string | undefined, now: number): number {
  const at = text === undefined ? now : instantOf(text)
  if (at <= now) return at
  throw new KeelsonError('INPUT_INVALID', `a memory cannot be closed as of ${text}, which is still to come`, {
    hint: 'Amend it with expiresAt.',
  })
}
