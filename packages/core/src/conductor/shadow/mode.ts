/**
 * Mode: what runs in shadow: a run by its start, a playbook or one version of it, an action, what stands on the rung 'shadow'.
 *
 * It is decided before the rules. A run's mode never changes; an action in shadow is simulated in every run from then on. What a rung
 * decides is expected to be so still in the unit that goes by it, and recorded with it: a later rung changes nothing of it.
 */
import type { Actor } from '../../base/actor.ts'
import { parseStored } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import { connectorOf, type AnyAction } from '../../connector/action.ts'
import { dataOf, type Entry } from '../../journal/entry.ts'
import type { Claimed, Expect } from '../../journal/store.ts'
import { Library } from '../../memory/recall/library.ts'
import type { AnyPlaybook } from '../../playbook/playbook.ts'
import { SHADOW_MODES, shadowIn, type ShadowModes } from '../company.ts'
import type { Environment } from '../environment.ts'
import type { Pass, Task } from '../pass.ts'
import { standsAt } from '../trust/stands.ts'
import type { Built, Job } from '../writer.ts'
import { expectedOf, overlaidStore, redirected } from './overlay.ts'

/** The environment of a pass: for a run in shadow one that reads and writes its overlay. */
export function inShadow(env: Environment, claimed: Claimed): Pick<Task, 'env' | 'redirect'> {
  const [first] = claimed.entries
  if (first?.payload?.includes('"shadow":') !== true) return { env }
  const root = dataOf(first as Entry & { kind: 'run.started' }).shadow
  if (root === undefined) return { env }
  const { store } = env
  const { workspace } = claimed.row
  const redirect = async (built: Built): Promise<Built | 'conflict'> => {
    const drafts = await redirected(store, workspace, root, built.drafts)
    if (drafts === 'conflict') return drafts
    const expect = expectedOf(built.expect)
    return { ...built, drafts, cached: [], ...(expect === undefined ? {} : { expect }) }
  }
  const overlaid = overlaidStore(store, root)
  const libraries = new Map<string, Library>()
  const library = (of: string): Library => {
    const own = libraries.get(of) ?? new Library(overlaid, of)
    libraries.set(of, own)
    return own
  }
  return { env: { ...env, store: overlaid, library }, redirect }
}

/** The overlay of a run that is about to start: its own, when it or its playbook is in shadow. */
export async function rootOf(
  env: Environment,
  workspace: string,
  playbook: AnyPlaybook,
  run: string,
): Promise<{ shadow?: string }> {
  return rootIn((await env.company(workspace).standing()).shadow, playbook, run)
}

/** The same as of what the company has put in shadow. */
export function rootIn({ playbooks }: ShadowModes, playbook: AnyPlaybook, run: string): { shadow?: string } {
  const listed = playbooks.includes(playbook.name) || playbooks.includes(`${playbook.name}@${playbook.version}`)
  return listed ? { shadow: run } : {}
}

/** What an act of a run sees of shadow. */
export interface Shadowed {
  /** The run whose overlay it is. */
  readonly root: string
  /** False for an act that is real, in a run of which others are not. */
  readonly simulated: boolean
  /** Its action stands on the rung 'shadow' there ('': where that cannot be told), and is simulated for that alone. */
  readonly segment?: string
  /** Where it stands, as the unit that goes by it expects it. */
  readonly expect?: readonly Extract<Expect, { record: string }>[]
}

/** Decided before the rules: is this act simulated, and which overlay does it see? Undefined where nothing is in shadow. */
export async function shadowed(pass: Pass, action: AnyAction, input: string): Promise<Shadowed | undefined> {
  const { shadow } = pass.history.start
  if (shadow !== undefined) return { root: shadow, simulated: true }
  const { env, claimed } = pass.task
  const { workspace, id } = claimed.row
  const { actions } = await modesOf(env, workspace)
  if (actions.includes(action.name)) return { root: id, simulated: true }
  const stands = env.trust.length === 0 ? undefined : await standsAt(env, workspace, action, parseStored(input))
  const expect = stands === undefined ? {} : { expect: stands.expect }
  if (stands?.rung === 'shadow') return { root: id, simulated: true, segment: stands.known?.segment ?? '', ...expect }
  const connector = connectorOf(action.name)
  const others = actions.length > 0 || env.trust.some((one) => connectorOf(one.action) === connector)
  return others ? { root: id, simulated: false, ...expect } : undefined
}

/** A unit that goes by where an action stands: expects that, and is given up where it stands elsewhere by now. */
export function standing(pass: Pass, shadow: Shadowed | undefined): { job(build: Job): Job; moved(): boolean } {
  const { expect = [] } = shadow ?? {}
  let built = 0
  let moved = false
  const lives = async (): Promise<boolean> => {
    if (built++ > 0) moved = !(await holds(pass, expect))
    return !moved
  }
  return {
    job: (build) => async () => {
      if (expect.length > 0 && !(await lives())) return undefined
      const unit = await build()
      return unit === undefined || expect.length === 0 ? unit : { ...unit, expect: [...(unit.expect ?? []), ...expect] }
    },
    moved: () => moved,
  }
}

/** A unit may conflict over anything: only this says that the action has moved on its ladder. */
async function holds({ task }: Pass, expect: Shadowed['expect'] & object): Promise<boolean> {
  for (const one of expect) {
    const [row] = await task.env.store.records(task.claimed.row.workspace, { kind: 'trust', ids: [one.id], limit: 1 })
    if ((row?.version ?? 0) !== one.version) return false
  }
  return true
}

export async function modesOf(env: Environment, workspace: string): Promise<ShadowModes> {
  const [row] = await env.store.records(workspace, { kind: 'company', ids: [SHADOW_MODES], limit: 1 })
  return shadowIn(row)
}

/** Puts one name into shadow, or takes it out. Recorded with who did it. */
export async function setMode(
  env: Environment,
  workspace: string,
  list: keyof ShadowModes,
  name: string,
  on: boolean,
  by: Actor,
): Promise<void> {
  await env.company(workspace).edit(async () => {
    const [row] = await env.store.records(workspace, { kind: 'company', ids: [SHADOW_MODES], limit: 1 })
    const modes = shadowIn(row)
    if (modes[list].includes(name) === on) return undefined
    const others = modes[list].filter((one) => one !== name)
    const data: ShadowModes = { ...modes, [list]: on ? [...others, name].sort() : others }
    const put = { kind: 'company', id: SHADOW_MODES, version: (row?.version ?? 0) + 1, data: data as unknown as Json }
    return { drafts: [{ kind: 'shadow.set', data: { by, what: name, on, puts: [put] } }] }
  })
}
