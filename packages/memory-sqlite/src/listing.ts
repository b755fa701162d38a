/** Listing: which workspaces have a file, as far as the folder can tell that the path function puts them into. */
import { readdirSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'

export type PathOf = (workspace: string) => string

/** A name that no workspace has. */
const PROBE = 'keelson-name-of-a-workspace'

/** Where the files of workspaces lie, when that can be told from the path of one. */
interface Pattern {
  readonly folder: string
  readonly before: string
  readonly after: string
  /** What follows below a folder of the workspace's own. */
  readonly rest: readonly string[]
}

/**
 * The workspaces that have a file. The function is asked for the path of a made-up workspace: where that name stands in
 * the path as it is, or encoded for a URL, the folder is listed for others of that form. Where it does not (it is
 * hashed, say), only files that were opened are known.
 */
export function listing(pathOf: PathOf): string[] {
  const pattern = patternOf(pathOf)
  if (pattern === undefined) return []
  const { folder, before, after, rest } = pattern
  return entriesOf(folder)
    .filter((name) => name.startsWith(before) && name.endsWith(after) && name.length >= before.length + after.length)
    .filter((name) => rest.length === 0 || entriesOf(join(folder, name, ...rest.slice(0, -1))).includes(rest.at(-1)!))
    .flatMap((name) => {
      const text = name.slice(before.length, name.length - after.length)
      return named(pathOf, text, join(folder, name, ...rest))
    })
}

/** The folder whose listing tells of new workspaces; undefined when none does. */
export function folderOf(pathOf: PathOf): string | undefined {
  return patternOf(pathOf)?.folder
}

function patternOf(pathOf: PathOf): Pattern | undefined {
  const parts = probe(pathOf)?.split(sep) ?? []
  const at = parts.findIndex((part) => part.includes(PROBE))
  if (at < 0) return undefined
  const [before = '', after = '', ...more] = parts[at]!.split(PROBE)
  const rest = parts.slice(at + 1)
  if (more.length > 0 || rest.some((part) => part.includes(PROBE))) return undefined
  return { folder: dirname(parts.slice(0, at + 1).join(sep)), before, after, rest }
}

function probe(pathOf: PathOf): string | undefined {
  try {
    return join(pathOf(PROBE))
  } catch {
    return undefined
  }
}

/** The workspace whose file is at `path`, if its name can be read from there. */
function named(pathOf: PathOf, text: string, path: string): string[] {
  for (const read of [(): string => text, (): string => decodeURIComponent(text)]) {
    try {
      const workspace = read()
      if (join(pathOf(workspace)) === path) return [workspace]
    } catch {
      // Not a name that the function takes.
    }
  }
  return []
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
