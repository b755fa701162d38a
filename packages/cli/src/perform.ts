/** Perform: one command on a store. */
import type { RevertLine, Workspace } from '@keelson/core'
import { command as commandFor, howToEnd } from './commands.ts'
import { actorOf, decideAt, itemLike } from './decide.ts'
import { diffOf, exportTo, importFrom } from './move.ts'
import { openStore } from './open.ts'
import { out, type Out, printHolds, printItem, printItems, printJson, printRuns } from './print.ts'
import { safe } from './safe.ts'
import { backupOf, pruneOf, rehearseOn } from './upkeep.ts'
import { Misuse, type Asked } from './usage.ts'

/** Answers the exit code. Throws what the user must be told. */
export async function performOn(wanted: Asked): Promise<number> {
  if (wanted.command === 'import') return importFrom(wanted)
  if (wanted.command === 'diff') return diffOf(wanted)
  if (wanted.command === 'rehearse') return rehearseOn(wanted)
  const { keelson, workspace, store } = await openStore(wanted)
  try {
    return wanted.command === 'backup' ? await backupOf(store, wanted) : await perform(workspace, wanted)
  } finally {
    await keelson.stop()
  }
}

async function perform(workspace: Workspace, wanted: Asked): Promise<number> {
  const { command, subject, json } = wanted
  const o = out(wanted.plain)
  const say = (value: unknown, print: () => void): number => {
    if (json) printJson(value)
    else print()
    return 0
  }
  switch (command) {
    case 'runs': {
      const runs = await allRuns(workspace, wanted)
      return say(runs, () => printRuns(o, runs))
    }
    case 'why': {
      const why = await workspace.why(subject!, { how: await howToEnd(workspace, wanted) })
      return say({ run: subject, why }, () => o.line(safe(why)))
    }
    case 'story': {
      const story = await workspace.audit.story(subject!)
      return say({ run: subject, story }, () => story.forEach((line) => o.line(safe(line))))
    }
    case 'inbox':
      return inbox(workspace, wanted, say)
    case 'holds': {
      const { holds } = await workspace.holds.list({ limit: 500 })
      return say(holds, () => printHolds(o, holds, (id) => commandFor('reject', id, wanted)))
    }
    case 'verify':
      return verify(workspace, wanted)
    case 'revert':
      return revert(workspace, wanted)
    case 'export':
      return exportTo(workspace, wanted)
    case 'prune':
      return pruneOf(workspace, wanted)
    default:
      return decideAt(workspace, wanted)
  }
}

type Runs = Awaited<ReturnType<Workspace['runs']['list']>>['runs']

/** The app's runs, and those that take something back, which somebody started, too; in the order of starting. */
async function allRuns(workspace: Workspace, { state }: Asked): Promise<Runs> {
  const runs: Runs[number][] = []
  for (const playbook of [undefined, 'keelson.revert']) {
    let after: number | undefined
    do {
      const page = await workspace.runs.list({
        limit: 500,
        ...(playbook === undefined ? {} : { playbook }),
        ...(state === undefined ? {} : { state }),
        ...(after === undefined ? {} : { after }),
      })
      runs.push(...page.runs)
      after = page.next
    } while (after !== undefined)
  }
  return runs.sort((a, b) => (a.createdAt < b.createdAt ? -1 : a.createdAt > b.createdAt ? 1 : 0))
}

async function inbox(
  workspace: Workspace,
  wanted: Asked,
  say: (value: unknown, print: () => void) => number,
): Promise<number> {
  const o = out(wanted.plain)
  if (wanted.subject === undefined) {
    const { items } = await workspace.inbox.list({ limit: 500 })
    const all = await workspace.inbox.list({ limit: 500, snoozed: true })
    return say(items, () => printItems(o, items, all.items.length - items.length))
  }
  const item = await itemLike(workspace, wanted.subject)
  if (item.state === 'open' && !wanted.json) await workspace.inbox.opened(item.id, { by: actorOf(wanted) })
  return say(item, () => printItem(o, item))
}

async function verify(workspace: Workspace, { json, plain }: Asked): Promise<number> {
  const found = await workspace.audit.verify()
  const o = out(plain)
  if (json) printJson(found)
  else if (found.ok) o.line(`whole: ${found.entries} entries in ${found.streams} streams, ${found.records} records`)
  else for (const fault of found.faults) o.line(o.warn(safe(fault)))
  return found.ok ? 0 : 4
}

/** Shows the plan; with --yes, or its --hash, applies exactly that. The app's conductor carries it out. */
async function revert(workspace: Workspace, wanted: Asked): Promise<number> {
  const plan = await workspace.revert.plan({ run: wanted.subject! })
  const o = out(wanted.plain)
  const other = wanted.hash !== undefined && (wanted.hash.length < 8 || !plan.hash.startsWith(wanted.hash))
  if (other) throw new Misuse('the plan is not what --hash names: something has changed; look again')
  const applied = (wanted.yes || wanted.hash !== undefined) && plan.lines.some((line) => line.can)
  const run = applied ? await workspace.revert.apply(plan, { by: actorOf(wanted) }) : undefined
  if (wanted.json) {
    printJson({ ...plan, ...(run === undefined ? {} : { appliedBy: run.id }) })
    return 0
  }
  printPlan(o, plan.lines, wanted)
  if (run !== undefined) {
    o.line(`run ${run.id} takes it back as soon as an app works on this store; nothing happens before that`)
    o.line(`what has become of it: ${commandFor('story', run.id, wanted)}`)
  } else if (plan.lines.some((line) => line.can)) o.line(`take back exactly this: --hash ${plan.hash.slice(0, 16)}`)
  return 0
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
  if (module === undefined && lines.some((line) => !line.can && line.why.includes('is not known to this process')))
    o.line("the app's actions are not known here: name the module that exports them, --with ./options.ts")
}
