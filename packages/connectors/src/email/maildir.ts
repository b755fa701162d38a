/** Maildir: a look-up over a Maildir, or over any folder of mails as files: one's sent mail, or copies to oneself. */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../disk/atomic.ts'
import type { MailLookup } from './connection.ts'
import { OPERATION_HEADER } from './message.ts'

/** How much of a mail is searched for its headers. */
const HEADER_MAX = 256 * 1024

/**
 * Looks in the files of `path` and below. 'unknown' where the folder cannot be read, so that a folder that is not
 * mounted never counts as "not sent".
 */
export function maildirLookup(path: string): MailLookup {
  return async (messageId, operation, { signal }) => {
    try {
      return (await search(path, { messageId, operation }, signal)) ? 'found' : 'not-found'
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

async function search(folder: string, sought: Sought, signal: AbortSignal): Promise<boolean> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    signal.throwIfAborted()
    const path = join(folder, entry.name)
    if (entry.isDirectory() && (await search(path, sought, signal))) return true
    if (entry.isFile() && (await matches(path, sought))) return true
  }
  return false
}

async function matches(path: string, { messageId, operation }: Sought): Promise<boolean> {
  const headers = headersOf(await headOf(path))
  return headers.some(
    ({ name, value }) =>
      (name === 'message-id' && value === messageId) ||
      (name === OPERATION_HEADER.toLowerCase() && value === operation),
  )
}

/** The beginning of a file; empty for one that was moved on meanwhile. */
async function headOf(path: string): Promise<string> {
  const file = await open(path).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  })
  if (file === undefined) return ''
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_MAX), 0, HEADER_MAX, 0)
    return buffer.subarray(0, bytesRead).toString('latin1')
  } finally {
    await file.close()
  }
}

function headersOf(text: string): { name: string; value: string }[] {
  const head = text.split(/\r?\n\r?\n/, 1)[0] ?? ''
  const lines = head.replaceAll(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)
  return lines.map((line) => {
    const colon = line.indexOf(':')
    return { name: line.slice(0, colon).trim().toLowerCase(), value: line.slice(colon + 1).trim() }
  })
}
