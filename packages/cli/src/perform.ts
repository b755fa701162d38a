/** Perform: one command on a store. */
import { KeelsonError, type Workspace } from '@keelson/core'
import { command, howToEnd, quoted } from './commands.ts'
import { actorOf, decideAt, itemLike } from './decide.ts'
import { diffOf, exportTo, importFrom } from './move.ts'
import { openStore } from './open.ts'
import { out, printHolds, printItem, printItems, printJson, printRuns } from './print.ts'
import { revertAt } from './revert.ts'
import { safe } from './safe.ts'
import { steerAt } from './steer.ts'
import { backupOf, pruneOf, rehearseOn } from './upkeep.ts'
import type { Asked } from './usage.ts'

/** Answers the exit code. Throws what the user must be told. */
export function performOn(wanted: Asked): Promise<number> {
  return performed(wanted).catch((thrown: unknown): never => {
    if (!KeelsonError.is(thrown)) throw thrown
    const hint = HINTS[thrown.code]?.(wanted)
    throw hint === undefined ? thrown : new KeelsonError(thrown.code, thrown.message, { hint })
  })
}

/** Where the hint of an error names what the app can do, and there is a command for it. */
const HINTS: { readonly [code: string]: (wanted: Asked) => string } = {
  RUN_NOT_FOUND: (wanted) => `${command('runs', undefined, wanted)} lists those that there are.`,
  ADOPTION_NEEDED: (wanted) =>
    `If this store is to go on, and the other acts no more: ${command('adopt', undefined, wanted)}`,
  WORKSPACE_NOT_EMPTY: (wanted) => {
    const more = wanted.more.map((file) => ` ${quoted(file)}`).join('')
    const again = command('import', wanted.subject, wanted, `${more} --replace`)
    return `Import it into a store of its own; ${again} gives up what is there, and the app can merge(bundle, { by }).`
  },
}

async function performed(wanted: Asked): Promise<number> {
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
  const { subject, json } = wanted
  const o = out(wanted.plain)
  const say = (value: unknown, print: () => void): number => {
    if (json) printJson(value)
    else print()
    return 0
  }
  switch (wanted.command) {
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
      return say(holds, () => printHolds(o, holds, (id) => command('reject', id, wanted)))
    }
    case 'verify':
      return verify(workspace, wanted)
    case 'revert':
      return revertAt(workspace, wanted)
    case 'cancel':
    case 'pause':
    case 'resume':
    case 'restart':
    case 'freeze':
    case 'thaw':
    case 'adopt':
      return steerAt(workspace, { ...wanted, command: wanted.command })
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
  return say(item, () => printItem(o, item, wanted))
}

async function verify(workspace: Workspace, { json, plain }: Asked): Promise<number> {
  const found = await workspace.audit.verify()
  const o = out(plain)
  if (json) printJson(found)
  else if (found.ok) o.line(`whole: ${found.entries} entries in ${found.streams} streams, ${found.records} records`)
  else for (const fault of found.faults) o.line(o.warn(safe(fault)))
  return found.ok ? 0 : 4
}
