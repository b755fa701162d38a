/**
 * Life: of a workspace: made, suspended, resumed, deleted.
 *
 * F1. No pass begins over a run of a suspended workspace: it is held, with its mail, until the workspace is resumed. One that is
 *     under way is told, and ends; whatever it is at, no effect is sent and no agent asked any more (see `company.leaving`). Until
 *     it has heard, its steps and reads go on: what they do is its own code's.
 * F2. Deleting takes everything but the envelopes of the workspace's own stream, and the entry that says who deleted it.
 */
import { actorJson, assertActor, type Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { canonical } from '../base/json.ts'
import type { Put } from '../journal/put.ts'
import { lifeIn, WORKSPACE_STREAM, type Life } from './company.ts'
import type { Environment } from './environment.ts'
import { retryHeldOf } from './held.ts'
import type { WaitInfo } from './waiting.ts'

export interface LifeVerbs {
  /** No run of it goes on and none begins, until `resume()`. What is stored stays, and can be exported. */
  suspend(options: { by: Actor; reason: string }): Promise<void>
  resume(options: { by: Actor }): Promise<void>
  /** Takes away everything that it holds, for good. Only a suspended workspace whose runs are at rest can be deleted. */
  delete(options: { by: Actor; confirm: string }): Promise<void>
}

export function lifeVerbs(env: Environment, workspace: string): LifeVerbs {
  return {
    suspend: ({ by, reason }) => suspend(env, workspace, by, reason),
    resume: ({ by }) => resume(env, workspace, by),
    async delete({ by, confirm }) {
      if (confirm !== workspace) throw notConfirmed(workspace)
      await remove(env, workspace, by)
      env.library(workspace).clear()
    },
  }
}

export async function lifeOf(env: Pick<Environment, 'store'>, workspace: string): Promise<Life> {
  const [row] = await env.store.records(workspace, { kind: 'company', ids: ['life'], limit: 1 })
  return lifeIn(row)
}

/** What keeps the runs of a workspace that is not active; undefined when it is. */
export function shut({ state, reason }: Life): WaitInfo | undefined {
  return state === 'active' ? undefined : { kind: 'suspended', what: `the workspace is ${state}: ${reason}` }
}

/** Throws `WORKSPACE_CLOSED` unless new work may begin in it. */
export function assertActive(workspace: string, { state, reason }: Life): void {
  if (state === 'active') return
  throw new KeelsonError('WORKSPACE_CLOSED', `workspace ${workspace} is ${state}: ${reason}`, {
    hint: state === 'suspended' ? 'resume() it first.' : `workspaces.create('${workspace}') begins it anew, empty.`,
    data: { workspace, state },
  })
}

/** Makes it, or begins a deleted one anew. Of one that is there already this changes nothing. */
export async function createWorkspace(env: Environment, workspace: string, by: Actor): Promise<void> {
  const company = env.company(workspace)
  await company.edit(async () => {
    const { state, version } = await lifeOf(env, workspace)
    if (version > 0 && state !== 'deleted') return undefined
    return { drafts: [{ kind: 'workspace.created', data: { by, puts: [put(version, 'active', '')] } }] }
  })
  await company.key()
}

async function suspend(env: Environment, workspace: string, by: Actor, reason: string): Promise<void> {
  assertActor(by, 'a suspension')
  await env.company(workspace).edit(async () => {
    const { state, version } = await lifeOf(env, workspace)
    if (state === 'deleted') throw gone(workspace)
    if (state === 'suspended') return undefined
    const at = env.clock.now()
    const mail = { onceKey: `suspend:${version + 1}`, kind: 'suspend', payload: canonical({ by: actorJson(by) }), at }
    const deliveries = (await busyRuns(env, workspace)).map((run) => ({ run, ...mail }))
    return {
      drafts: [{ kind: 'workspace.suspended', data: { by, reason, puts: [put(version, 'suspended', reason)] } }],
      unit: { deliveries },
    }
  })
}

async function resume(env: Environment, workspace: string, by: Actor): Promise<void> {
  assertActor(by, 'the end of a suspension')
  await env.company(workspace).edit(async () => {
    const { state, version } = await lifeOf(env, workspace)
    if (state === 'deleted') throw gone(workspace)
    if (state === 'active') return undefined
    return { drafts: [{ kind: 'workspace.resumed', data: { by, puts: [put(version, 'active', '')] } }] }
  })
  await retryHeldOf(env, workspace, 'suspended')
  env.nudge()
}

/** Throws `WORKSPACE_ACTIVE` unless it is suspended and nobody works on its runs any more. */
async function remove(env: Environment, workspace: string, by: Actor): Promise<void> {
  const company = env.company(workspace)
  await company.edit(async () => {
    const { state, version } = await lifeOf(env, workspace)
    if (state === 'deleted') return undefined
    if (state === 'active') throw inUse(workspace, 'it is active')
    await assertIdle(env, workspace)
    return {
      drafts: [{ kind: 'workspace.deleted', data: { by, puts: [put(version, 'deleted', 'it was deleted')] } }],
      unit: { purge: { allBut: WORKSPACE_STREAM } },
    }
  })
  company.forget()
}

async function assertIdle(env: Environment, workspace: string): Promise<void> {
  const [busy] = await busyRuns(env, workspace)
  if (busy !== undefined) throw inUse(workspace, `run ${busy} is being worked on`)
}

/** Runs that a pass is over. */
export async function busyRuns(env: Environment, workspace: string): Promise<string[]> {
  const busy: string[] = []
  for (let after = 0; ;) {
    const rows = await env.store.runs(workspace, { state: 'open', limit: 500, after })
    busy.push(...rows.flatMap(({ id, worker }) => (worker === null ? [] : [id])))
    const last = rows.at(-1)
    if (last === undefined || rows.length < 500) return busy
    after = last.order
  }
}

function put(version: number, state: Life['state'], reason: string): Put {
  return { kind: 'company', id: 'life', version: version + 1, data: { state, reason } }
}

function inUse(workspace: string, why: string): KeelsonError {
  return new KeelsonError('WORKSPACE_ACTIVE', `workspace ${workspace} cannot be deleted: ${why}`, {
    hint: 'suspend() it, wait until its runs are at rest (conductor.quiet()), export it, then delete it.',
  })
}

function gone(workspace: string): KeelsonError {
  return new KeelsonError('WORKSPACE_CLOSED', `workspace ${workspace} is deleted`, {
    hint: `workspaces.create('${workspace}') begins it anew, empty.`,
  })
}

function notConfirmed(workspace: string): KeelsonError {
  return new KeelsonError('INPUT_INVALID', `deleting workspace ${workspace} was not confirmed`, {
    hint: `Pass confirm: '${workspace}'. It cannot be taken back: export it first.`,
  })
}
