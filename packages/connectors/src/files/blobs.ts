/**
 * Blobs: bytes kept under their own sha-256, so that keeping them again changes nothing and a wrong byte is noticed.
 */
import { join } from 'node:path'
import { ActionError } from '@keelson/core'
import { ensureFolder, readIfThere, sha256Hex, writeAtomic } from '../disk/atomic.ts'
import { OWN_FOLDER } from './path.ts'

export interface Blobs {
  /** Keeps `bytes` durably and returns their sha-256 in hex. */
  put(bytes: Uint8Array): Promise<string>
  /** The bytes of a sha-256, undefined if they are not kept here. Throws `final` if the disk gives other bytes. */
  get(sha256: string): Promise<Buffer | undefined>
}

/** The blobs of a files root, which `files.write` takes content from by `sha256`. */
export function blobsOf(root: string): Blobs {
  return blobsIn(join(root, OWN_FOLDER, 'blobs'))
}

/** Blobs in a folder of their own: `ab/abcdef…`. The folder is made when first needed. */
export function blobsIn(folder: string): Blobs {
  const at = (sha256: string): string => join(folder, sha256.slice(0, 2), sha256)
  const get = async (sha256: string): Promise<Buffer | undefined> => {
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw new ActionError({ class: 'final' }, 'a blob is named by 64 hex digits')
    const bytes = await readIfThere(at(sha256))
    if (bytes === undefined || sha256Hex(bytes) === sha256) return bytes
    throw new ActionError({ class: 'final' }, `the blob ${sha256} is damaged on the disk`)
  }
  const put = async (bytes: Uint8Array): Promise<string> => {
    const sha256 = sha256Hex(bytes)
    const kept = await get(sha256).catch(() => undefined)
    if (kept !== undefined) return sha256
    await ensureFolder(join(folder, sha256.slice(0, 2)))
    await writeAtomic(at(sha256), bytes)
    return sha256
  }
  return { put, get }
}
