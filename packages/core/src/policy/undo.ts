/** Undo: how taking back is judged: whoever applies a revert has agreed to what no rule speaks of. */
import { BY_DEFAULT, combine, type Judgement } from './verdict.ts'

/** Nobody but who applies the revert is asked. */
export function agreedByApplying(policy: string): Judgement {
  return combine([{ rule: 'revert', verdict: { verdict: 'allow' } }], policy, {})
}

/** What the rules say of taking back, once somebody has agreed to it as a line of a plan. */
export function asUndo(judged: Judgement): Judgement {
  const { asks, holds, denies, policy } = judged
  const isUnruled =
    denies.length + holds.length === 0 && asks.length > 0 && asks.every(({ rule }) => rule === BY_DEFAULT)
  return isUnruled ? agreedByApplying(policy) : judged
}
