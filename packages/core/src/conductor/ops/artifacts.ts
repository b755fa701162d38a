/**
 * Artifacts: bytes in a run, as operations.
 *
 * B1. What is put is kept in the unit of the entry that refers to it: both or neither.
 * B2. Bytes are fetched before an operation asks for its outcome, so that outcomes still reach the code in their order.
 */
import { KeelsonError } from '../../base/errors.ts'
import { sha256 } from '../../base/hash.ts'
import { canonical } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import {
  artifactMissing,
  artifactOf,
  artifactPut,
  shaOf,
  type ArtifactRef,
  type Artifacts,
} from '../../memory/artifact.ts'
import { diffOf } from '../../memory/diff.ts'
import type { Pass } from '../pass.ts'
import { readOp } from './entities.ts'
import type { Perform } from './place.ts'

const KIND = { name: 'artifact' }

export function artifacts(pass: Pass, perform: Perform): Artifacts {
  const get = (artifact: ArtifactRef | string): Promise<Uint8Array> => {
    const sha = shaOf(artifact)
    return perform(`artifact.get:${sha.slice(0, 12)}`, (key) => fetched(pass, key, sha))
  }
  const text = async (artifact: ArtifactRef | string): Promise<string> => new TextDecoder().decode(await get(artifact))
  return {
    put: async (content, options) => {
      const { ref, bytes } = artifactOf(content, options)
      return perform('artifact.put', (key) => kept(pass, key, ref, bytes))
    },
    get,
    text,
    diff: async (before, after) => diffOf(await get(before), await get(after)),
  }
}

function kept(pass: Pass, key: string, ref: ArtifactRef, bytes: Uint8Array): Promise<ArtifactRef> {
  const { env, claimed } = pass.task
  const { workspace, id: run } = claimed.row
  const hash = sha256(canonical(ref))
  const live = async (): Promise<void> => {
    await pass.work.run(() =>
      pass.writer.submit(async () => {
        const [known] = await env.store.records(workspace, { kind: 'artifact', ids: [ref.sha256], limit: 1 })
        const puts = known === undefined ? [artifactPut(ref, env.clock.now(), { run })] : []
        return {
          drafts: [{ kind: 'artifact.completed', key, data: { hash, ok: ref as Json, puts } }],
          artifacts: [bytes],
        }
      }),
    )
  }
  return pass.operation<ArtifactRef>({ key, kind: 'artifact', hash, live })
}

async function fetched(pass: Pass, key: string, sha: string): Promise<Uint8Array> {
  const bytes = await bytesOf(pass, sha)
  await readOp(pass, key, KIND, ['get', sha], async () => {
    if (bytes === undefined) throw artifactMissing(sha)
    return { sha256: sha, size: bytes.length }
  })
  if (bytes !== undefined) return bytes
  throw new KeelsonError('ERASED', `artifact ${sha} was read by this run and has been erased since`)
}

/** A store that fails ends the pass; the code never hears of it. */
async function bytesOf(pass: Pass, sha: string): Promise<Uint8Array | undefined> {
  const { env, claimed } = pass.task
  try {
    return await pass.work.run(() => env.store.getArtifact(claimed.row.workspace, sha))
  } catch (error) {
    pass.end({ how: 'store', error })
    return new Promise(() => {})
  }
}
