/** Maildir: a look-up over a Maildir, or over any folder of mails as files: one's sent mail, or copies to oneself. */
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../disk/atomic.ts'
import type { MailLookup } from './connection.ts'
import { OPERATION_HEADER } from './message.ts'

/** How much of a mail is searched for its headers. */
const HEADER_MAX = 256 * 1024
/** Looks at folders that do not come to rest, before it is said that nobody knows. */
const ROUNDS_MAX = 5

/**
 * Looks in the files of `path` and below, until nothing has moved since the look before: a mail that goes from one folder to
 * another meanwhile is in none of them as they are read. 'unknown' where the folders do not come to rest, or one cannot be
 * read, so that a folder that is not mounted never counts as "not sent".
 */
export function maildirLookup(path: string): MailLookup {
  return async (messageId, operation, { signal }) => {
    try {
      return await search(path, { messageId, operation }, signal)
    } catch (error) {
      if (errorCode(error) === undefined) throw error
      return 'unknown'
    }
  }
}

interface Sought {
  readonly messageId: string
  readonly operation: string
}

async function search(folder: string, sought: Sought, signal: AbortSignal): Promise<'found' | 'not-found' | 'unknown'> {
  const read = new Set<string>()
  for (let round = 0, before = ''; round < ROUNDS_MAX; round++) {
    const { files, folders } = await listed(folder, signal)
    let vanished = false
    for (const path of files) {
      if (read.has(path)) continue
      signal.throwIfAborted()
      const head = await headOf(path)
      if (head === undefined) vanished = true
      else if (matches(head, sought)) return 'found'
      else read.add(path)
    }
    const now = folders.join('\n')
    if (now === before && !vanished) return 'not-found'
    before = now
  }
  return 'unknown'
}

/** The files of a folder and below, and what tells whether anything has moved: of each folder its names, and when they last changed. */
async function listed(folder: string, signal: AbortSignal): Promise<{ files: string[]; folders: string[] }> {
  const { mtimeNs } = await stat(folder, { bigint: true })
  const entries = await readdir(folder, { withFileTypes: true })
  const files: string[] = []
  const folders = [JSON.stringify([folder, String(mtimeNs), ...entries.map(({ name }) => name).sort()])]
  for (const entry of entries) {
    signal.throwIfAborted()
    const path = join(folder, entry.name)
    if (entry.isFile()) files.push(path)
    if (!entry.isDirectory()) continue
    const below = await listed(path, signal).catch(unlessGone)
    files.push(...(below?.files ?? []))
    folders.push(...(below?.folders ?? [`gone ${path}`]))
  }
  return { files, folders }
}

function matches(head: string, { messageId, operation }: Sought): boolean {
  return headersOf(head).some(
    ({ name, value }) =>
      (name === 'message-id' && value === messageId) ||
      (name === OPERATION_HEADER.toLowerCase() && value === operation),
  )
}

/** The beginning of a file; undefined for one that was moved on meanwhile. */
async function headOf(path: string): Promise<string | undefined> {
  const file = await open(path).catch(unlessGone)
  if (file === undefined) return undefined
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_MAX), 0, HEADER_MAX, 0)
    return buffer.subarray(0, bytesRead).toString('latin1')
  } finally {
    await file.close()
  }
}

function unlessGone(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error
}

function headersOf(text: string): { name: string; value: string }[] {
  const head = text.split(/\r?\n\r?\n/, 1)[0] ?? ''
  const lines = head.replaceAll(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)
  return lines.map((line) => {
    const colon = line.indexOf(':')
    return { name: line.slice(0, colon).trim().toLowerCase(), value: line.slice(colon + 1).trim() }
  })
}
