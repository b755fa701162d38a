/** Move: a workspace out of a store and into another, as the lines of a bundle. */
import { createReadStream } from 'node:fs'
import { open as openFile, rename, rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { diffBundles, type Workspace } from '@keelson/core'
import { command } from './commands.ts'
import { actorOf } from './decide.ts'
import { openStore } from './open.ts'
import { out, printJson } from './print.ts'
import { safe } from './safe.ts'
import { Misuse, type Asked } from './usage.ts'

/** To the terminal, or into a file that is only there when it is whole. */
export async function exportTo(workspace: Workspace, asked: Asked): Promise<number> {
  const lines = workspace.export(asked.since === undefined ? {} : { since: asked.since })
  if (asked.out === undefined) {
    for await (const line of lines) await written(line)
    return 0
  }
  const unfinished = `${asked.out}.unfinished`
  const file = await openFile(unfinished, 'w', 0o600)
  let last = ''
  try {
    for await (const line of lines) await file.write((last = line))
    await file.sync()
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  } finally {
    await file.close()
  }
  await rename(unfinished, asked.out)
  const { entries, lines: count } = JSON.parse(last) as { entries: number; lines: number }
  if (asked.json) printJson({ file: asked.out, lines: count + 1, entries })
  else out(asked.plain).line(`${asked.out}: ${count + 1} lines; what comes since: --since ${entries}`)
  return 0
}

function written(text: string): Promise<void> {
  return new Promise((resolve, reject) =>
    process.stdout.write(text, (error) => (error === null || error === undefined ? resolve() : reject(error))),
  )
}

export async function importFrom(asked: Asked): Promise<number> {
  const files = [asked.subject!, ...asked.more]
  const { keelson, workspace } = await openStore(asked, { into: await workspaceIn(files[0]!) })
  try {
    const sources = files.map((file) => () => createReadStream(file))
    const { dryRun, replace, adopt } = asked
    const mode = replace ? 'replace' : 'restore'
    const report = await workspace.import(sources, { by: actorOf(asked), mode, adopt, dryRun })
    const o = out(asked.plain)
    if (asked.json) printJson({ workspace: workspace.id, dryRun, ...report })
    else {
      const counted = `${report.entries} entries, ${report.records} records, ${report.runs} runs`
      o.line(`${workspace.id}: ${dryRun ? 'would write' : 'wrote'} ${counted}`)
      for (const sha256 of report.missing) o.line(o.warn(`artifact ${sha256} is not here: bring its bytes`))
      for (const { playbook, version, runs } of report.unknown)
        o.line(o.warn(`${runs} open runs wait for ${safe(playbook)}@${version}`))
      if (!dryRun && report.frozen)
        o.line(
          `it is frozen; once the other store acts no more: ${command('adopt', undefined, { ...asked, workspace: workspace.id })}`,
        )
    }
    return 0
  } finally {
    await keelson.stop()
  }
}

/** Whose bundle it is, by its first line. Throws `Misuse` for a file that is none. */
async function workspaceIn(file: string): Promise<string> {
  const stream = createReadStream(file)
  try {
    for await (const line of createInterface({ input: stream })) {
      const { type, workspace } = JSON.parse(line) as { type?: unknown; workspace?: unknown }
      if (type === 'keelson.bundle' && typeof workspace === 'string') return workspace
      break
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== undefined) throw new Misuse(`${file} cannot be read: ${(error as Error).message}`)
  } finally {
    stream.destroy()
  }
  throw new Misuse(`${file} is no bundle: it does not begin as one`)
}

export async function diffOf({ store, subject, json, plain }: Asked): Promise<number> {
  for (const file of [store, subject!]) await workspaceIn(file)
  const found = await diffBundles(createReadStream(store), createReadStream(subject!))
  if (json) printJson(found)
  else found.report.split('\n').forEach((line) => out(plain).line(safe(line)))
  return 0
}
