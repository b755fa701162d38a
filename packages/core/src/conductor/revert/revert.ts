/**
 * Revert: undo as a playbook: journaled, gated, resumable; it never overwrites what somebody else has changed.
 *
 * V1. `apply` refuses a plan that is no longer what would be planned now, and does what its hash names: its lines are planned
 *     anew, whatever came back with the hash.
 * V2. Each compensation is an effect of its own, with an intent of its own: applied twice, it happens once.
 * V3. A compensation that fails is reported, in the result and as an item of the inbox; the others go on.
 * V4. Whoever applies a plan agrees to its lines; rules that speak of taking back (`undo: true`) are asked all the same, for
 *     each line, just before it is sent. An agent applies none, unless the host's rule lets it.
 */
import type { Actor } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import { sha256 } from '../../base/hash.ts'
import { canonical, parseStored } from '../../base/json.ts'
import { builtIn } from '../../playbook/playbook.ts'
import type { Op } from '../../journal/op.ts'
import { agreedByApplying } from '../../policy/undo.ts'
import { BY_DEFAULT } from '../../policy/verdict.ts'
import { askOf } from '../effect/bytes.ts'
import { effectRun } from '../effect/hand-over.ts'
import { effectPut, readEffect, type EffectRecord } from '../effect/ledger.ts'
import { recordOf, type EffectSpec } from '../effect/spec.ts'
import type { Environment } from '../environment.ts'
import type { Notifier } from '../notifier.ts'
import type { Internals, Pass } from '../pass.ts'
import { handle, type Run } from '../runs.ts'
import { newRun, startUnit } from '../start.ts'
import { iso } from '../waiting.ts'
import { restoreEntity } from './restore.ts'
import type { RevertLine } from './line.ts'
import { assertMayApply, type Asking } from './may-apply.ts'
import { takeSetBack } from './memory-line.ts'
import { planOf, undoId, type Compensable, type RevertPlan } from './plan.ts'
import { cameOf, keyOf, leaving, type Came } from './stayed.ts'
import type { RevertTarget } from './target.ts'

export const REVERT_PLAYBOOK = 'keelson.revert'

export interface RevertResult {
  readonly undone: readonly string[]
  /** `declined`: by whoever was asked about that line. */
  readonly failed: readonly { readonly what: string; readonly why: string; readonly declined?: true }[]
  /** What the plan said could not be taken back. */
  readonly left: readonly { readonly what: string; readonly why: string }[]
}

/** Why something is taken back. Only what was wrong counts against the action that did it. */
export type RevertCause = (typeof REVERT_CAUSES)[number]
export const REVERT_CAUSES = ['wrong', 'changed-mind', 'test'] as const

export interface Revert {
  /** What can be taken back, what cannot and why. Changes nothing. */
  plan(target: RevertTarget): Promise<RevertPlan>
  /**
   * Takes back, last first. `cause`: by default it was wrong, which lowers the trust in what did it and shows in the metrics; a
   * 'test' shows nowhere. Throws `PLAN_CHANGED` if anything has moved since the plan was made, and `DECISION_REFUSED` for an agent
   * that `mayDecide` does not let.
   */
  apply(plan: RevertPlan, options: { by: Actor; cause?: RevertCause; reason?: string }): Promise<Run<RevertResult>>
}

export function revertOf(env: Environment, notifier: Notifier, workspace: string, asking: Asking): Revert {
  return {
    plan: (target) => planOf(env, workspace, target),
    async apply(plan, { by, cause = 'wrong', reason }) {
      if (!REVERT_CAUSES.includes(cause)) throw noCause(cause)
      const { id, there } = await runOf(env, workspace, plan)
      if (there) return handle(env, notifier, workspace, id)
      const now = await planOf(env, workspace, plan.target)
      if (now.hash !== plan.hash) {
        throw new KeelsonError('PLAN_CHANGED', 'something has changed since this plan was made', {
          hint: 'Make the plan again, look at it, and apply that.',
        })
      }
      await assertMayApply(asking, now, by, env.clock.now())
      const run = newRun(revertPlaybook(), {
        workspace,
        id,
        input: { lines: now.lines, hash: now.hash, cause, ...(reason === undefined ? {} : { reason }) },
        by,
        now: env.clock.now(),
        salt: () => env.ids.salt(),
        told: true,
      })
      await env.store.write(workspace, startUnit(run))
      env.nudge()
      return handle(env, notifier, workspace, id)
    },
  }
}

function noCause(cause: string): KeelsonError {
  return new KeelsonError('INPUT_INVALID', `"${cause}" is no cause of a revert`, {
    hint: `Say one of ${REVERT_CAUSES.join(', ')}.`,
  })
}

/** Why a run of `keelson.revert` was started. */
export function causeOf(input: unknown): RevertCause {
  return (input as { cause?: RevertCause }).cause ?? 'wrong'
}

/** The run that applies a plan: applied twice it is one; one that could not take all back makes room for another. */
async function runOf(env: Environment, workspace: string, plan: RevertPlan): Promise<{ id: string; there: boolean }> {
  for (let round = 1; ; round++) {
    const id = `revert:${plan.hash.slice(0, 24)}${round === 1 ? '' : `~${round}`}`
    const [row] = await env.store.runs(workspace, { ids: [id], limit: 1 })
    if (row === undefined) return { id, there: false }
    const { output } = JSON.parse(row.status || '{}') as { output?: RevertResult }
    if (row.state !== 'settled' || output?.failed.length === 0) return { id, there: true }
  }
}

export const revertPlaybook = builtIn((z) => ({
  name: REVERT_PLAYBOOK,
  version: 1,
  input: z.looseObject({ lines: z.array(z.looseObject({ kind: z.string(), can: z.boolean() })) }),
  output: z.object({
    undone: z.array(z.string()),
    failed: z.array(z.object({ what: z.string(), why: z.string(), declined: z.literal(true).optional() })),
    left: z.array(z.object({ what: z.string(), why: z.string() })),
  }),
  run: async (_ctx, input, pass) => takeBack(pass as Pass, (input as { lines: RevertLine[] }).lines),
}))

/** What stays is put to people by the unit that ends the revert (V3). */
export const revertInternals: Internals = {
  settle: async (pass) => ({ puts: await leaving(pass, cameOf(pass)), deliveries: [] }),
}

async function takeBack(pass: Pass, lines: readonly RevertLine[]): Promise<RevertResult> {
  const failed: RevertResult['failed'][number][] = []
  for (const [at, line] of lines.entries()) {
    if (!line.can) continue
    const key = keyOf(line, at)
    try {
      await takeLineBack(pass, key, line)
    } catch (thrown) {
      const recorded = pass.history.ops.get(key)?.outcome !== undefined
      if (!recorded) failed.push({ what: line.what, why: (thrown as Error).message })
    }
  }
  const came = cameOf(pass)
  return {
    undone: came.flatMap(({ line, failed: no }) => (no.some(({ what }) => what === line.what) ? [] : [line.what])),
    failed: [...came.flatMap((one) => one.failed), ...failed],
    left: lines.flatMap((line) => (line.can ? [] : [{ what: line.what, why: line.why }])),
  }
}

async function takeLineBack(pass: Pass, key: string, line: Came['line']): Promise<void> {
  if (line.kind === 'effect') await compensate(pass, key, line)
  else if (line.kind === 'entity') await restoreEntity(pass, key, line)
  else await takeSetBack(pass, key, line)
}

/** One compensation, as an effect run of its own. */
async function compensate(pass: Pass, key: string, line: Compensable): Promise<void> {
  const hash = sha256(canonical([line.id, line.generation]))
  const live = async (op: Op): Promise<void> => {
    if (op.opened === undefined) await pass.work.run(() => open(pass, key, line, hash))
    if (pass.work.aborted || op.outcome !== undefined || op.opened === undefined) return
    pass.waits.set(key, {
      kind: 'effect',
      what: `${line.action} is taken back`,
      run: effectRunOf(op.opened.payload),
      since: iso(op.opened.at),
    })
    pass.task.env.nudge()
  }
  await pass.operation({ key, kind: 'effect', hash, live })
}

function effectRunOf(payload: string | null): string {
  return (JSON.parse(payload ?? '{}') as { run?: string }).run ?? ''
}

async function open(pass: Pass, key: string, line: Compensable, hash: string): Promise<void> {
  const { env, claimed } = pass.task
  const { workspace } = claimed.row
  const id = await undoId(env, workspace, line)
  const owner = { run: claimed.row.id, key }
  await pass.writer.submit(async () => {
    const found = await readEffect(env.store, workspace, line.id)
    const target = found?.record
    const mine = await readEffect(env.store, workspace, id)
    if (mine?.record.state === 'done' || target?.state === 'compensated')
      return { drafts: [{ kind: 'effect.completed', key, data: { hash } }] }
    const now = target?.erased?.includes('undo') === true ? 'erased' : (target?.state ?? 'gone')
    if (target === undefined || now !== 'done' || target.generation !== line.generation) {
      const error = { code: 'PLAN_CHANGED', message: `it is ${now} now` }
      return { drafts: [{ kind: 'effect.completed', key, data: { hash, error } }] }
    }
    if (mine?.record.state === 'open') {
      const put = effectPut({ ...mine.record, askers: [...mine.record.askers, owner] }, mine.version + 1)
      return {
        drafts: [
          {
            kind: 'effect.opened',
            key,
            data: {
              hash,
              action: line.action,
              effect: id,
              run: mine.record.effectRun ?? '',
              joined: true,
              puts: [put],
            },
          },
        ],
      }
    }
    const spec = undoSpec(pass, id, (mine?.record.generation ?? 0) + 1, target, owner)
    const run = effectRun(pass, spec)
    const put = effectPut(
      recordOf(spec, env.clock.now(), { effectRun: run.id, askers: [owner] }),
      (mine?.version ?? 0) + 1,
    )
    return {
      drafts: [
        { kind: 'effect.opened', key, data: { hash, action: line.action, effect: id, run: run.id, puts: [put] } },
      ],
      starts: [run],
    }
  })
}

function undoSpec(
  pass: Pass,
  id: string,
  generation: number,
  target: EffectRecord,
  owner: { run: string; key: string },
): EffectSpec {
  const { row } = pass.task.claimed
  return {
    effect: id,
    generation,
    action: target.action,
    account: target.account,
    input: parseStored(canonical(target.input)),
    inputHash: target.inputHash,
    owner,
    playbook: `${row.playbook}@${row.version}`,
    scopes: [],
    because: target.because,
    verdict: agreedByApplying(pass.task.env.policy.version),
    mode: 'undo',
    by: pass.history.start.by,
    covered: [askOf(BY_DEFAULT)],
    ...(target.undo === undefined ? {} : { undo: target.undo }),
    compensates: target.id,
  }
}
