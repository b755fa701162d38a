/** Place: a folder of its own for one measurement, on a disk that can be waited for. */
import { mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const TMPFS = 0x01021994

/** A new folder under `base` (default: of the system). Throws where files live in memory: durability is free there. */
export function newPlace(base = ''): string {
  const root = base === '' ? tmpdir() : base
  if (statfsSync(root).type === TMPFS) throw new Error(`${root} is in memory; give a folder on a disk with --dir`)
  return mkdtempSync(join(root, 'keelson-bench-'))
}

export function removePlace(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}

/** Bytes of the files directly in `folder` whose name ends in `end`. */
export function bytesIn(folder: string, end = ''): number {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(end))
    .map((entry) => statSync(join(folder, entry.name), { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, size) => sum + size, 0)
}
