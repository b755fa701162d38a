/** Caps: how deep runs may call runs, and how much one run may fan out: what has no end is stopped early, and says so. */
import { KeelsonError } from '../../base/errors.ts'
import type { Pass } from '../pass.ts'

/** Throws `RUN_TOO_DEEP` or `FAN_OUT_TOO_LARGE` for one child or question too many. */
export function assertWithin(pass: Pass, kind: 'call' | 'agent', name: string): void {
  const { limits } = pass.task.env
  const ancestors = pass.history.start.ancestors ?? []
  if (kind === 'call' && ancestors.length >= limits.depthMax) {
    const line = [pass.task.claimed.row, ...ancestors].map((one) => one.playbook.replace(/@\d+$/, '')).reverse()
    throw new KeelsonError(
      'RUN_TOO_DEEP',
      `${name} would be called ${limits.depthMax + 1} levels deep: ${line.join(' > ')}`,
      {
        hint: 'Let a loop run in one playbook, or raise limits.depthMax.',
      },
    )
  }
  const many = pass.history.begun.get(kind) ?? 0
  if (many >= limits.fanOutMax)
    throw tooMany(pass, `the run has ${kind === 'call' ? 'called' : 'asked'} ${many} times already`)
}

export function tooMany(pass: Pass, what: string): KeelsonError {
  return new KeelsonError('FAN_OUT_TOO_LARGE', `${what}; at most ${pass.task.env.limits.fanOutMax} are allowed`, {
    hint: 'Work in batches, continue as new, or raise limits.fanOutMax.',
  })
}
