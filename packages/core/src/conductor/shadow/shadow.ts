/** Shadow: a company's verbs for it: what is in shadow, what people did themselves, and how far the two agree. */
import { assertActor, type Actor } from '../../base/actor.ts'
import { definitionOf, isAction, type Action } from '../../connector/action.ts'
import type { Playbook } from '../../playbook/context.ts'
import { playbookOf } from '../../playbook/playbook.ts'
import type { Environment } from '../environment.ts'
import { observe, type DeedOptions } from './deed.ts'
import type { ShadowModes } from '../company.ts'
import { modesOf, setMode } from './mode.ts'
import { diff, report, type ShadowDiff, type ShadowOptions, type ShadowReport } from './report.ts'

/** What can be put in shadow: an action, or a playbook: all its versions, or that one. */
export type ShadowTarget = Action<any, any> | Playbook<any, any>

export interface Shadow {
  /** From now on its effects are simulated. Runs that have begun keep their mode; an action counts from its next use. */
  on(target: ShadowTarget, options: { by: Actor; version?: 'all' | 'this' }): Promise<void>
  /** From now on it is real. */
  off(target: ShadowTarget, options: { by: Actor; version?: 'all' | 'this' }): Promise<void>
  list(): Promise<ShadowModes>
  /** What a person did by hand, for comparison. */
  observe<In>(action: Action<In, any>, input: NoInfer<In>, options: DeedOptions): Promise<void>
  /** Would-have effects of a playbook beside what people, or its stable version, really did. */
  report(playbook: Playbook<any, any>, options?: ShadowOptions): Promise<ShadowReport>
  /** One run in shadow, side by side. */
  diff(run: string, options?: ShadowOptions): Promise<ShadowDiff>
}

export function shadowOf(env: Environment, workspace: string): Shadow {
  const set = async (target: ShadowTarget, on: boolean, by: Actor, version: 'all' | 'this'): Promise<void> => {
    assertActor(by, 'a change of shadow')
    if (isAction(target)) return setMode(env, workspace, 'actions', definitionOf(target).name, on, by)
    const known = playbookOf(target)
    const name = version === 'all' ? known.name : `${known.name}@${known.version}`
    return setMode(env, workspace, 'playbooks', name, on, by)
  }
  return {
    on: (target, { by, version = 'all' }) => set(target, true, by, version),
    off: (target, { by, version = 'all' }) => set(target, false, by, version),
    list: () => modesOf(env, workspace),
    observe: (action, input, options) => observe(env, workspace, action, input, options),
    report(playbook, options) {
      const known = playbookOf(playbook)
      const writes = known.usedActions.filter((one) => one.effect !== 'read').map((one) => one.name)
      return report(env, workspace, known.name, writes, options)
    },
    diff: (run, options) => diff(env, workspace, run, options),
  }
}
