/**
 * AnchorFile: a sink that keeps anchors as lines of a file, which belongs on another disk or machine than the store.
 *
 * F1. An anchor is on the disk before the sink answers.
 * F2. A line that a crash has torn is passed over: its anchor was not recorded, so it is made again.
 */
import { open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { KeelsonError, type Anchor, type AnchorSink } from '@keelson/core'
import { ensureFolder, syncFolder } from '../disk/atomic.ts'

export interface AnchorFile {
  /** Give it to `createConductor({ anchors: { sink } })`. */
  readonly sink: AnchorSink
  /** All anchors of a workspace, oldest first, as `audit.verify` takes them; none when there is no file. */
  read(workspace?: string): Promise<Anchor[]>
}

/** Anchors of all workspaces in one file of JSON lines. It is only ever appended to: take away the right to do more. */
export function anchorFile(path: string): AnchorFile {
  let writing: Promise<unknown> = Promise.resolve()
  return {
    sink(anchor) {
      const written = writing.then(() => append(path, `${JSON.stringify(anchor)}\n`))
      writing = written.catch(() => {})
      return written
    },
    async read(workspace = 'default') {
      await writing
      return (await lines(path)).filter((anchor) => anchor.workspace === workspace)
    },
  }
}

async function append(path: string, line: string): Promise<void> {
  await ensureFolder(dirname(path))
  const file = await open(path, 'a+', 0o600)
  try {
    const { size } = await file.stat()
    const { buffer } = size === 0 ? { buffer: undefined } : await file.read(Buffer.alloc(1), 0, 1, size - 1)
    const torn = buffer !== undefined && buffer[0] !== 0x0a
    await file.appendFile(torn ? `\n${line}` : line)
    await file.sync()
  } finally {
    await file.close()
  }
  await syncFolder(dirname(path))
}

async function lines(path: string): Promise<Anchor[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return []
    throw new KeelsonError('STORE_FAILED', `the anchors in ${path} cannot be read: ${String(error)}`, { cause: error })
  }
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as Anchor]
    } catch {
      return []
    }
  })
}
