/** Handles: the conductor as a test has it: what is started or looked up there fails at once, with why, where it only waits. */
import type { Conductor, Run, RunStatus, Workspace } from '@keelson/core'
import { KeelsonError } from '@keelson/core/ports'
import { whatWaits, type Stage } from './stage.ts'

/** A run as a test sees it: its result is there, or it is not. */
export function handleOf<Out>(stage: Stage, id: string, workspace = 'default', strictly = true): Run<Out> {
  const from = (keelson: Conductor): Workspace => keelson.workspace(workspace)
  return {
    id,
    status: () => stage.perform((keelson) => from(keelson).runs.get(id).status()),
    async result() {
      await stage.settle(strictly)
      return stage.perform(async (keelson) => {
        const run = from(keelson).runs.get(id)
        const status = await run.status()
        const { state } = status
        if (state !== 'waiting' && state !== 'due' && state !== 'running') return (await run.result()) as Out
        throw new KeelsonError('RUN_WAITING', `${await from(keelson).why(id)}`, {
          hint: hintOf(status),
          data: { run: id, others: await whatWaits(keelson) },
        })
      })
    },
  }
}

function hintOf(status: RunStatus): string {
  const remedy = status.state === 'waiting' ? status.for.find((one) => one.remedy !== undefined)?.remedy : undefined
  if (remedy !== undefined) return `Its code no longer fits its journal: ${remedy}`
  return 'Do what ends the wait (advance, send, approve, answer) before asking for the result.'
}

const tested = new WeakMap<Conductor, Conductor>()

/** The same conductor, its handles those of a test. */
export function asTested(stage: Stage, keelson: Conductor): Conductor {
  const known = tested.get(keelson)
  if (known !== undefined) return known
  const inside = <W extends Workspace | Conductor>(workspace: W, id: string): W => ({
    ...workspace,
    start: async (...given: Parameters<Workspace['start']>) => impatient(stage, id, await workspace.start(...given)),
    runs: { ...workspace.runs, get: (run: string) => impatient(stage, id, workspace.runs.get(run)) },
    revert: {
      ...workspace.revert,
      apply: async (...given: Parameters<Workspace['revert']['apply']>) =>
        impatient(stage, id, await workspace.revert.apply(...given)),
    },
    maintenance: {
      ...workspace.maintenance,
      run: async (...given: Parameters<Workspace['maintenance']['run']>) =>
        impatient(stage, id, await workspace.maintenance.run(...given)),
    },
  })
  const made: Conductor = {
    ...inside(keelson, 'default'),
    workspace: (id) => inside(keelson.workspace(id), id),
    workspaces: {
      ...keelson.workspaces,
      create: async (id, options) => inside(await keelson.workspaces.create(id, options), id),
    },
  }
  tested.set(keelson, made)
  return made
}

/** With a timeout, or a signal, it is waited for as by a host: the test has said for how long. */
function impatient<Out>(stage: Stage, workspace: string, run: Run<Out>): Run<Out> {
  const own = handleOf<Out>(stage, run.id, workspace, false)
  const waits = (options: Parameters<Run<Out>['result']>[0]): boolean =>
    options?.timeout !== undefined || options?.signal !== undefined
  return { ...run, result: (options) => (waits(options) ? run.result(options) : own.result()) }
}
