/** List: the plain files below a folder, sorted by name, a page at a time. Links and what is the connector's own are left out. */
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../disk/atomic.ts'
import { locate, problemOf } from './path.ts'

/** Most names that one listing walks over before it gives up on counting further. */
const WALK_MAX = 100_000

export interface Listing {
  readonly files: { path: string; size: number }[]
  readonly more: boolean
}

export async function listFiles(
  root: string,
  query: { folder?: string | undefined; after?: string | undefined; limit?: number | undefined },
): Promise<Listing> {
  const limit = query.limit ?? 1000
  const names = (await walk(root, query.folder ?? '')).sort()
  const wanted = names.filter((name) => query.after === undefined || name > query.after)
  const files: Listing['files'] = []
  for (const path of wanted.slice(0, limit)) {
    const stat = await lstat(join(root, path)).catch(() => undefined)
    if (stat?.isFile()) files.push({ path, size: stat.size })
  }
  return { files, more: wanted.length > limit }
}

async function walk(root: string, folder: string): Promise<string[]> {
  const found: string[] = []
  const open = [folder]
  for (let at = open.pop(); at !== undefined && found.length < WALK_MAX; at = open.pop()) {
    for (const entry of await entriesOf(root, at)) {
      const name = at === '' ? entry.name : `${at}/${entry.name}`
      // A name that the other actions would refuse is not offered.
      if (problemOf(name) !== undefined) continue
      if (entry.isDirectory()) open.push(name)
      if (entry.isFile()) found.push(name)
    }
  }
  return found
}

async function entriesOf(root: string, folder: string) {
  try {
    return await readdir(folder === '' ? root : await locate(root, folder), { withFileTypes: true })
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return []
    throw error
  }
}
