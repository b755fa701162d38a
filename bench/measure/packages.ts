/** Packages: what an app installs with one: itself and all that it depends on, in files and bytes. */
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface Installed {
  readonly packages: number
  readonly bytes: number
}

interface Manifest {
  readonly dependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
  readonly peerDependenciesMeta?: Record<string, { readonly optional?: boolean }>
  readonly files?: readonly string[]
}

/** Follows dependencies, and peers that are not optional, from `names` as seen from `from`. */
export function installed(from: string, names: readonly string[]): Installed {
  const folders = new Set<string>()
  const visit = (at: string, name: string): void => {
    const folder = folderOf(at, name)
    if (folder === undefined || folders.has(folder)) return
    folders.add(folder)
    for (const each of neededBy(manifestOf(folder))) visit(folder, each)
  }
  for (const name of names) visit(from, name)
  return { packages: folders.size, bytes: [...folders].reduce((sum, folder) => sum + sizeOf(folder), 0) }
}

function folderOf(from: string, name: string): string | undefined {
  for (let at = from; ; at = dirname(at)) {
    const folder = join(at, 'node_modules', name)
    if (existsSync(join(folder, 'package.json'))) return realpathSync(folder)
    if (at === dirname(at)) return undefined
  }
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
}

function neededBy({ dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta }: Manifest): string[] {
  const peers = Object.keys(peerDependencies ?? {}).filter((name) => peerDependenciesMeta?.[name]?.optional !== true)
  return [...Object.keys(dependencies ?? {}), ...Object.keys(optionalDependencies ?? {}), ...peers]
}

/** A package of this repository counts with what it publishes, any other with what is there. */
function sizeOf(folder: string): number {
  const published = folder.includes('node_modules') ? undefined : manifestOf(folder).files
  const parts = published?.filter((each) => !each.startsWith('!')) ?? ['.']
  return parts.reduce((sum, part) => sum + bytesUnder(join(folder, part)), 0)
}

function bytesUnder(path: string): number {
  if (!existsSync(path)) return 0
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.name !== 'node_modules')
    .map((entry) => join(path, entry.name))
    .reduce((sum, each) => sum + (statSync(each).isDirectory() ? bytesUnder(each) : statSync(each).size), 0)
}
