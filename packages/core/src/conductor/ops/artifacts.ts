/**
 * Artifacts: bytes in a run, as operations.
 *
 * B1. What is put is kept in the unit of the entry that refers to it: both or neither.
 * B2. Bytes are fetched before an operation asks for its outcome, so that outcomes still reach the code in their order.
 */
import { KeelsonError } from '../../base/errors.ts'
import { sha256 } from '../../base/hash.ts'
import { assertLists } from '../../base/known.ts'
import { canonical } from '../../base/json.ts'
import { isUnlabelled, type Labels } from '../../base/labels.ts'
import type { Json } from '../../base/value.ts'
import {
  artifactMissing,
  artifactOf,
  artifactPut,
  labelsOfArtifact,
  shaOf,
  type ArtifactRef,
  type Artifacts,
} from '../../memory/artifact.ts'
import { diffOf } from '../../memory/diff.ts'
import type { Pass } from '../pass.ts'
import { readOp } from './entities.ts'
import type { Perform } from './place.ts'
import { restsOn } from './rests.ts'
import type { ActMemory } from './sources.ts'

const KIND = { name: 'artifact' }

export function artifacts(pass: Pass, perform: Perform, memory: ActMemory): Artifacts {
  const get = (artifact: ArtifactRef | string): Promise<Uint8Array> => {
    const sha = shaOf(artifact)
    return perform(`artifact.get:${sha.slice(0, 12)}`, (key) => fetched(pass, key, sha))
  }
  const text = async (artifact: ArtifactRef | string): Promise<string> => new TextDecoder().decode(await get(artifact))
  return {
    put: async (content, options) => {
      assertLists('ctx.artifacts.put', options ?? {})
      const { ref, bytes } = artifactOf(content, options)
      return perform('artifact.put', (key) =>
        kept(pass, key, { ref, bytes, labels: () => restsOn(pass, memory, options?.because) }),
      )
    },
    get,
    text,
    diff: async (before, after) => diffOf(await get(before), await get(after)),
  }
}

interface Given {
  readonly ref: ArtifactRef
  readonly bytes: Uint8Array
  readonly labels: () => Labels
}

/** The same bytes are what they were when they were kept first. */
function kept(pass: Pass, key: string, { ref, bytes, labels }: Given): Promise<ArtifactRef> {
  const { env, claimed } = pass.task
  const { workspace, id: run } = claimed.row
  const hash = sha256(canonical(ref))
  const live = async (): Promise<void> => {
    await pass.work.run(() =>
      pass.writer.submit(async () => {
        const [known] = await env.store.records(workspace, { kind: 'artifact', ids: [ref.sha256], limit: 1 })
        const of = labels()
        const puts = known === undefined ? [artifactPut(ref, env.clock.now(), { run }, of)] : []
        const data = { hash, ok: ref as Json, ...(isUnlabelled(of) ? {} : { labels: of }), puts }
        return {
          drafts: [{ kind: 'artifact.completed', key, data }],
          artifacts: [bytes],
        }
      }),
    )
  }
  return pass.operation<ArtifactRef>({ key, kind: 'artifact', hash, live })
}

async function fetched(pass: Pass, key: string, sha: string): Promise<Uint8Array> {
  const bytes = await bytesOf(pass, sha)
  const { env, claimed } = pass.task
  await readOp(pass, key, KIND, ['get', sha], async (saw) => {
    if (bytes === undefined) throw artifactMissing(sha)
    const [row] = await env.store.records(claimed.row.workspace, { kind: 'artifact', ids: [sha], limit: 1 })
    saw(labelsOfArtifact(row))
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
