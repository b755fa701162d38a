/**
 * Path: names of files as callers give them, and where they lie on the disk. No name leads out of the root.
 *
 * F1. A name means the same file on every system: relative, `/` between parts, NFC, no name that Windows reserves.
 * F2. No part of the way is a symbolic link, and case is as on the disk: what was checked is what is opened.
 */
import { lstat, mkdir, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ActionError } from '@keelson/core'
import { z } from 'zod'
import { errorCode, TEMPORARY } from '../disk/atomic.ts'

/** Where the connector keeps what it needs to take a write back. Not reachable by name. */
export const OWN_FOLDER = '.keelson'

const PART_MAX = 200
const NAME_MAX = 1000

/** A file's name below the root: 'notes/2026/plan.md'. */
export const FileName = z
  .string()
  .min(1)
  .max(NAME_MAX)
  .superRefine((name, context) => {
    const problem = problemOf(name)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })

/** A folder's name below the root; empty for the root itself. */
export const FolderName = z
  .string()
  .max(NAME_MAX)
  .superRefine((name, context) => {
    const problem = name === '' ? undefined : problemOf(name)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })

/** What keeps `name` from being a file's name, undefined if nothing does. */
export function problemOf(name: string): string | undefined {
  if (name.length > NAME_MAX) return 'is too long'
  if (!name.isWellFormed() || name.normalize('NFC') !== name) return 'is not in Unicode normal form C'
  if (/[\p{Cc}\p{Cf}\u2028\u2029]/u.test(name)) return 'has a control or invisible character'
  if (/[\\:*?"<>|]/.test(name)) return 'has one of \\ : * ? " < > |'
  if (/%(2e|2f|5c|00)/i.test(name)) return 'has an encoded dot, separator or NUL'
  if (name.startsWith('/')) return 'is absolute'
  const parts = name.split('/')
  return parts.map(problemOfPart).find((problem) => problem !== undefined) ?? reservedHere(parts[0]!)
}

function problemOfPart(part: string): string | undefined {
  if (part === '') return 'has an empty part'
  if (part === '.' || part === '..') return 'has a part of dots'
  if (Buffer.byteLength(part) > PART_MAX) return 'has a part that is too long'
  if (/[. ]$/.test(part) || part.startsWith(' '))
    return 'has a part that begins or ends with a space or ends with a dot'
  if (/^(con|prn|aux|nul|com[0-9\xb9\xb2\xb3]|lpt[0-9\xb9\xb2\xb3]|conin\$|conout\$)(\.|$)/i.test(part))
    return 'has a part that Windows reserves'
  if (part.toLowerCase().endsWith(TEMPORARY)) return 'has the ending of a temporary file'
  return undefined
}

function reservedHere(first: string): string | undefined {
  return first.toLowerCase() === OWN_FOLDER ? `is in ${OWN_FOLDER}, which the connector keeps for itself` : undefined
}

/** The true path of the root. Throws `final` where it is no folder. */
export async function rootOf(root: string): Promise<string> {
  try {
    const real = await realpath(root)
    if ((await lstat(real)).isDirectory()) return real
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
  throw new ActionError({ class: 'final' }, 'the root of files is not there, or is no folder')
}

/** Where `name` lies below `root` (a true path). Throws `final` for a name or a way that leads elsewhere. */
export async function locate(root: string, name: string, options: { make?: boolean } = {}): Promise<string> {
  const problem = name === '' ? undefined : problemOf(name)
  if (problem !== undefined) throw new ActionError({ class: 'final' }, `the name ${JSON.stringify(name)} ${problem}`)
  const path = join(root, name)
  const folder = name === '' ? path : dirname(path)
  await assertOwn(folder, name)
  if (options.make) {
    await mkdir(folder, { recursive: true }).catch(refuseObstacle)
    await assertOwn(folder, name)
  }
  const found = await lstat(path).catch(() => undefined)
  if (found?.isSymbolicLink()) throw elsewhere(name)
  return path
}

/** Throws where the part of `folder` that is there already leads elsewhere. */
async function assertOwn(folder: string, name: string): Promise<void> {
  try {
    if ((await realpath(folder)) !== folder) throw elsewhere(name)
  } catch (error) {
    if (errorCode(error) === 'ENOTDIR') return
    if (errorCode(error) !== 'ENOENT') throw error
    // A dangling link is there although what it leads to is not.
    if ((await lstat(folder).catch(() => undefined)) !== undefined) throw elsewhere(name)
    await assertOwn(dirname(folder), name)
  }
}

function elsewhere(name: string): ActionError {
  return new ActionError(
    { class: 'final' },
    `${JSON.stringify(name)} leads through a link, or differs in case from the disk`,
  )
}

function refuseObstacle(error: unknown): void {
  if (['EEXIST', 'ENOTDIR'].includes(errorCode(error) ?? '')) {
    throw new ActionError({ class: 'final' }, 'a file lies where a folder is needed')
  }
  throw error
}
