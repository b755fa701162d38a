/** Budgets: what has been spent and reserved, and the operator's way to raise a limit without being asked. */
import { actorJson, assertActor, type Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import type { Put } from '../journal/put.ts'
import { raise, spendingOf, type Amount, type Spending } from '../policy/budget.ts'
import { budgetEvent } from './budget-run.ts'
import type { BudgetRecord } from './charge.ts'
import type { Environment } from './environment.ts'
import { eventRun } from './event-run.ts'
import { budgetPut } from './limits.ts'
import { pagesOf } from '../journal/pages.ts'
import { iso } from './waiting.ts'

/** One budget of one period. */
export interface BudgetState {
  readonly id: string
  /** The budget and its period, for people. */
  readonly what: string
  readonly used: Amount
  readonly reserved: Amount
  readonly raised: Amount
  /** When its period ends, as ISO text. */
  readonly until?: string
  /** Why it is not raised. */
  readonly refused?: string
}

export interface Budgets {
  /** All that something was taken of. */
  list(): Promise<readonly BudgetState[]>
  /**
   * Adds to a limit, and wakes what waits for room; the question that was open is withdrawn. Throws `BUDGET_NOT_FOUND`,
   * `DEFINITION_INVALID`.
   */
  raise(id: string, by: Spending & { readonly by: Actor }): Promise<void>
}

export function budgetsOf(env: Environment, workspace: string): Budgets {
  return {
    list: () => list(env, workspace),
    async raise(id, { by, ...more }) {
      assertActor(by, 'a raise of a budget')
      const spending = spendingOf(more, `a raise of budget ${id}`)
      await env.company(workspace).edit(async () => {
        const [row] = await env.store.records(workspace, { kind: 'budget', ids: [id], limit: 1 })
        if (row === undefined) throw new KeelsonError('BUDGET_NOT_FOUND', `nothing was taken of a budget "${id}"`, HINT)
        const { refused: _forgiven, ...before } = JSON.parse(row.data) as BudgetRecord
        const { money, tokens = 0, calls = 0 } = spending
        if (money !== undefined && before.currency !== undefined && money.currency !== before.currency)
          throw otherMoney(before.what, before.currency, money.currency)
        const after = raise(before, { money: money?.amount ?? 0, tokens, calls })
        const put: Put = budgetPut(id, { ...before, ...after, epoch: before.epoch + 1 }, row.version + 1)
        const payload = { budget: id, epoch: before.epoch }
        const event = { event: budgetEvent().name, id: `raised ${id} ${before.epoch}`, payload }
        return {
          drafts: [{ kind: 'budget.raised', data: { by: actorJson(by) as unknown as Actor, budget: id, puts: [put] } }],
          unit: { starts: [eventRun(env, workspace, event, by)] },
        }
      })
      env.nudge()
    },
  }
}

function otherMoney(what: string, currency: string, given: string): KeelsonError {
  return new KeelsonError('INPUT_INVALID', `budget ${what} counts ${currency}, and is not raised by ${given}`, {
    hint: `Raise it by an amount in ${currency}.`,
  })
}

const HINT = { hint: 'budgets.list() names those that there are.' }

async function list(env: Environment, workspace: string): Promise<BudgetState[]> {
  const budgets: BudgetState[] = []
  for await (const { id, data } of pagesOf(env.store, workspace, {
    kind: 'budget',
    where: { field: 'all', value: 'budget' },
  })) {
    const { what, used, reserved, raised, until, refused } = JSON.parse(data) as BudgetRecord
    const more = {
      ...(until === undefined ? {} : { until: iso(until) }),
      ...(refused === undefined ? {} : { refused }),
    }
    budgets.push({ id, what, used, reserved, raised, ...more })
  }
  return budgets
}
