/**
 * Temporary: the one folder in which a run of the tests makes its files, gone when it ends.
 *
 * It is in memory, if the machine has a folder there that has room and lets programs run. The tests end processes and not
 * machines, so what a disk would keep through a power cut is no part of them; a new store takes a third of the time there.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SHARED_MEMORY = '/dev/shm'
const ROOM_BYTES = 2 * 2 ** 30

/** Vitest's global setup: the processes that run tests get their environment from this one. */
export default function setup(): () => void {
  const before = process.env['TMPDIR']
  const folder = mkdtempSync(join(place(), 'keelson-tests-'))
  chmodSync(folder, 0o711) // a server that a test starts may run as another user
  process.env['TMPDIR'] = folder
  return () => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  }
}

function place(): string {
  try {
    const mounted = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .find((line) => line.split(' ')[1] === SHARED_MEMORY)
    const { bavail, bsize } = statfsSync(SHARED_MEMORY)
    if (mounted !== undefined && !mounted.includes('noexec') && bavail * bsize >= ROOM_BYTES) return SHARED_MEMORY
  } catch {
    // There is none.
  }
  return tmpdir()
}
