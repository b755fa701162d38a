/** Artifacts: bytes under their sha-256, the same bytes once. */
import { createHash } from 'node:crypto'
import { corrupt } from './checksum.ts'
import { findWorkspace, type Context } from './context.ts'
import { first, run, type Work } from './statement.ts'

export function* putBytes(context: Context, workspace: number, bytes: Uint8Array): Work<void> {
  yield* run(context.q.addArtifact, { workspace, sha256: nameOf(bytes), bytes })
}

/** True when these very bytes are kept. */
export function* hasBytes(context: Context, workspace: number, bytes: Uint8Array): Work<boolean> {
  return (yield* first(context.q.artifact, { workspace, sha256: nameOf(bytes) })) !== undefined
}

export function* getBytes(context: Context, workspace: string, sha256: string): Work<Uint8Array | undefined> {
  const space = yield* findWorkspace(context, workspace)
  if (space === undefined) return undefined
  const row = yield* first(context.q.artifact, { workspace: space, sha256: Buffer.from(sha256, 'hex') })
  if (row === undefined) return undefined
  if (nameOf(row.bytes).toString('hex') !== sha256) corrupt('artifacts', sha256)
  return Uint8Array.from(row.bytes)
}

function nameOf(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}
