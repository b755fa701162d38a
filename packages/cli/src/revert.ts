/**
 * Revert: what of a run can be taken back, and having the app take exactly that back.
 *
 * T1. A gap that lies in the terminal, an action whose code it was not given, is no reason to take back half: that has to be said.
 */
import type { RevertLine, RevertPlan, RevertTarget, Workspace } from '@keelson/core'
import { command, quoted } from './commands.ts'
import { actorOf } from './decide.ts'
import { out, type Out, printJson } from './print.ts'
import { safe } from './safe.ts'
import { Misuse, type Asked } from './usage.ts'

/** Shows the plan; with --yes, or its --hash, applies exactly that. The app's conductor carries it out. 3 when the plan is another by now. */
export async function revertAt(workspace: Workspace, asked: Asked): Promise<number> {
  const plan = await workspace.revert.plan(targetOf(asked))
  const wanted = asked.yes || asked.hash !== undefined
  if (asked.hash !== undefined && !isNamed(plan, asked.hash)) return otherPlan(asked)
  if (wanted) assertKnown(plan, asked)
  const applied = wanted && plan.lines.some((line) => line.can)
  const run = applied ? await workspace.revert.apply(plan, { by: actorOf(asked) }) : undefined
  if (asked.json) {
    printJson({ ...plan, ...(run === undefined ? {} : { appliedBy: run.id }) })
    return 0
  }
  const o = out(asked.plain)
  printPlan(o, plan.lines, asked)
  if (run !== undefined) {
    o.line(
      `run ${run.id} takes it back: the app carries that out, at once where it works on this store, else when it next does`,
    )
    o.line(`what has become of it: ${command('story', run.id, asked)}`)
  } else if (plan.lines.some((line) => line.can)) {
    const partly = plan.lines.some(isUnknown) ? ' --partial' : ''
    o.line(`take back exactly this: --hash ${plan.hash.slice(0, 16)}${partly}`)
  }
  return 0
}

/** A run, or what the options name. Throws `Misuse` where they name none, or more than one thing. */
function targetOf({ subject: run, checkpoint, effect, playbook, agent, from, before }: Asked): RevertTarget {
  const [first, ...others] = [
    ...(run === undefined ? [] : [{ run, ...(checkpoint === undefined ? {} : { to: checkpoint }) }]),
    ...(effect === undefined ? [] : [{ effect }]),
    ...(playbook === undefined ? [] : [versioned('playbook', playbook)]),
    ...(agent === undefined ? [] : [versioned('agent', agent)]),
    ...(from === undefined ? [] : [{ from, ...(before === undefined ? {} : { to: before }) }]),
  ]
  if (first === undefined || others.length > 0)
    throw new Misuse('say what is to be taken back: a run, or one of --effect, --playbook, --agent, --from')
  if (checkpoint !== undefined && run === undefined) throw new Misuse('--checkpoint is one of a run: name the run, too')
  if (before !== undefined && from === undefined) throw new Misuse('--before ends what --from begins')
  return first
}

function versioned(of: 'playbook' | 'agent', text: string): RevertTarget {
  const [, name, version] = /^(.+)@(\d+)$/.exec(text) ?? []
  if (name === undefined) throw new Misuse(`--${of} takes a name and a version: ${text}@1`)
  return { [of]: name, version: Number(version) } as RevertTarget
}

function wordsOf({ checkpoint, effect, playbook, agent, from, before }: Asked): string {
  return Object.entries({ checkpoint, effect, playbook, agent, from, before })
    .map(([name, value]) => (value === undefined ? '' : ` --${name} ${quoted(value)}`))
    .join('')
}

function isNamed({ hash }: RevertPlan, named: string): boolean {
  if (named.length < 8) throw new Misuse('write at least 8 characters of the --hash')
  return hash.startsWith(named)
}

function otherPlan(asked: Asked): number {
  const message = `the plan is not what --hash names: look again with ${command('revert', asked.subject, asked, wordsOf(asked))}`
  if (asked.json) printJson({ status: 'refused', why: 'changed', message })
  else out(asked.plain).line(`refused (changed): ${message}`)
  return 3
}

/** T1. */
function assertKnown({ lines }: RevertPlan, { partial }: Asked): void {
  const unknown = lines.filter(isUnknown).map((line) => (line.kind === 'effect' ? line.action : line.what))
  if (unknown.length === 0 || partial) return
  throw new Misuse(
    `not told how to take back ${[...new Set(unknown)].join(', ')}: give the module that exports the app's actions, --with ./your-definitions.ts; or leave them as they are with --partial`,
  )
}

function isUnknown(line: RevertLine): boolean {
  return !line.can && line.why.includes('is not known to this process')
}

function printPlan(o: Out, lines: readonly RevertLine[], { with: module }: Asked): void {
  if (lines.length === 0) o.line('there is nothing to take back')
  for (const line of lines) {
    const tried = 'tried' in line ? ` (tried before, and it stayed: ${safe(line.tried)})` : ''
    o.line(
      line.can
        ? `would take back: ${safe(line.what)}${tried}`
        : o.warn(`stays: ${safe(line.what)} (${safe(line.why)})`),
    )
  }
  if (module === undefined && lines.some(isUnknown))
    o.line("the app's actions are not known here: name the module that exports them, --with ./your-definitions.ts")
}
