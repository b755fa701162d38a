/** Upkeep: backup, pruning, and the rehearsal of new code on the runs of a store. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Conductor, ConductorOptions, Duration, Playbook, Workspace } from '@keelson/core'
import { playbookOf } from '@keelson/core/ports'
import type { SqliteStore } from '@keelson/memory-sqlite'
import { actorOf } from './decide.ts'
import { openStore } from './open.ts'
import { out, printJson } from './print.ts'
import { safe } from './safe.ts'
import { Misuse, type Asked } from './usage.ts'

/** The whole file, with all workspaces in it. */
export async function backupOf(store: SqliteStore, asked: Asked): Promise<number> {
  await store.backup(asked.out!)
  if (asked.json) printJson({ file: asked.out })
  else out(asked.plain).line(`${asked.out}: copied, and every row and chain of the copy proved`)
  return 0
}

export async function pruneOf(workspace: Workspace, asked: Asked): Promise<number> {
  const report = await workspace.maintenance.prune({
    olderThan: asked.olderThan! as Duration,
    by: actorOf(asked),
    dryRun: asked.dryRun,
    ...(asked.playbook === undefined ? {} : { playbook: asked.playbook }),
  })
  const o = out(asked.plain)
  if (asked.json) printJson({ dryRun: asked.dryRun, ...report })
  else {
    const verb = asked.dryRun ? 'would prune' : 'pruned'
    o.line(`${verb} the journals of ${report.runs} runs, ${report.entries} entries`)
    for (const [why, count] of Object.entries(report.kept)) o.line(`${count} stay: ${why}`)
  }
  return 0
}

/** Replays the store's runs on the playbooks of a module. 1 when an open run does not continue. */
export async function rehearseOn(asked: Asked): Promise<number> {
  const { keelson, workspace } = await openStore(asked, { options: await playbooksOf(asked.playbooks!) })
  try {
    const of: Pick<Conductor, 'rehearse'> = asked.workspace === undefined ? keelson : workspace
    const rehearsal = await of.rehearse({
      ...(asked.playbook === undefined ? {} : { playbook: asked.playbook }),
      ...(asked.to === undefined ? {} : { to: asked.to }),
    })
    if (asked.json) printJson(rehearsal)
    else rehearsal.report.split('\n').forEach((line) => out(asked.plain).line(safe(line)))
    return rehearsal.ok ? 0 : 1
  } finally {
    await keelson.stop()
  }
}

/** What a module exports that is a playbook, alone or in a list; a default export of options with all that it names. */
async function playbooksOf(path: string): Promise<Partial<ConductorOptions>> {
  let module: { readonly default?: unknown }
  try {
    module = (await import(pathToFileURL(resolve(path)).href)) as object
  } catch (error) {
    throw new Misuse(`${path} cannot be loaded: ${(error as Error).message}`)
  }
  const options = isPlaybook(module.default) || Array.isArray(module.default) ? {} : (module.default ?? {})
  const { playbooks = [] } = options as Partial<ConductorOptions>
  const found = new Set([...Object.values(module).flat(), ...[playbooks].flat()].filter(isPlaybook))
  if (found.size > 0) return { ...options, playbooks: [...found] }
  throw new Misuse(
    `${path} exports no playbook, also none in the playbooks of its default export, or those of another copy of @keelson/core`,
  )
}

function isPlaybook(value: unknown): value is Playbook<any, any> {
  if (typeof value !== 'object' || value === null) return false
  try {
    return playbookOf(value as { name: string }) !== undefined
  } catch {
    return false
  }
}
