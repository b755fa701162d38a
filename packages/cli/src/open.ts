/** Open: the app's own store, beside the app: looked at and decided on, never worked on. */
import { existsSync } from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createConductor, type Conductor, type ConductorOptions, type Workspace } from '@keelson/core'
import { sqlite, type SqliteStore } from '@keelson/memory-sqlite'
import { Misuse, type Asked } from './usage.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }

export interface Opened {
  readonly keelson: Conductor
  readonly workspace: Workspace
  readonly store: SqliteStore
}

export interface OpenAs {
  /** The store may be made, and the workspace in it. */
  readonly into?: string
  readonly options?: Partial<ConductorOptions>
}

/** Throws `Misuse` for a path that is no store, before anything is made there. */
export async function openStore(asked: Asked, { into, options = {} }: OpenAs = {}): Promise<Opened> {
  if (into === undefined || existsSync(asked.store)) await assertStore(asked.store)
  const more = asked.with === undefined ? {} : await optionsOf(asked.with)
  const store = sqlite(asked.store)
  const keelson = await createConductor({
    playbooks: [],
    ...more,
    ...options,
    store,
    work: false,
    keepAlive: false,
    log: quiet,
    name: `terminal-${process.pid}`,
  })
  try {
    return { keelson, store, workspace: keelson.workspace(into ?? (await workspaceOf(keelson, asked))) }
  } catch (error) {
    await keelson.stop()
    throw error
  }
}

async function workspaceOf(keelson: Conductor, { workspace, store }: Asked): Promise<string> {
  const all = await keelson.workspaces.list()
  if (workspace !== undefined) {
    if (all.includes(workspace)) return workspace
    throw new Misuse(`${store} holds no workspace "${workspace}"; it holds ${all.join(', ') || 'none'}`)
  }
  if (all.length > 1 && !all.includes('default'))
    throw new Misuse(`${store} holds ${all.length} workspaces: say which with --workspace (${all.join(', ')})`)
  return all.length === 1 ? all[0]! : 'default'
}

/** A store is a file that begins as SQLite files do; opening anything else would make one of it. */
async function assertStore(path: string): Promise<void> {
  let head: string
  try {
    const file = await openFile(path, 'r')
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0)
      head = buffer.subarray(0, bytesRead).toString('latin1')
    } finally {
      await file.close()
    }
  } catch (error) {
    throw new Misuse(unreadable(path, error as NodeJS.ErrnoException))
  }
  if (head !== 'SQLite format 3\0') throw new Misuse(`${path} is not the SQLite file of a store`)
}

function unreadable(path: string, { code, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT') return `there is no store at ${resolve(path)}`
  if (code === 'EISDIR') return `${path} is a folder: name the file in it`
  return `${path} cannot be read: ${message}`
}

async function optionsOf(path: string): Promise<Partial<ConductorOptions>> {
  const module = (await import(pathToFileURL(resolve(path)).href)) as { default?: unknown }
  if (typeof module.default === 'object' && module.default !== null) return whole(module.default, path)
  throw new Misuse(`${path} has no default export with connectors, playbooks, mayDecide …`)
}

/** Under other rules, or none, what was earned begins anew: a decision here would take it away. */
function whole(options: Partial<ConductorOptions>, path: string): Partial<ConductorOptions> {
  if (options.trust === undefined || options.policy !== undefined) return options
  throw new Misuse(`${path} names trust and no policy: trust counts under the app's rules, so export both or neither`)
}
