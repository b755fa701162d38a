/** Vectors: the weight that each workspace's calibration found, kept as a record; and models of the AI SDK. */
import { loadSdk } from '../../agent/sdk.ts'
import { KeelsonError } from '../../base/errors.ts'
import type { Json } from '../../base/value.ts'
import type { Put } from '../../journal/put.ts'
import type { MemoryStore } from '../../journal/store.ts'
import { Room } from '../../memory/recall/held.ts'
import { Library } from '../../memory/recall/library.ts'
import type { Environment } from '../environment.ts'
import type { Calibrated, Embedder, Vectors, Weighted } from '../../memory/recall/vector.ts'

/** What a conductor keeps of memory: the index of each workspace, and the embeddings. */
export function remembering(
  store: MemoryStore,
  embedder: Embedder | undefined,
): Pick<Environment, 'library' | 'vectors'> {
  const libraries = new Map<string, Library>()
  const room = new Room()
  return {
    vectors: embedder === undefined ? undefined : vectorsOf(store, embedder),
    library(workspace) {
      const library = libraries.get(workspace) ?? new Library(store, workspace, room)
      libraries.set(workspace, library)
      return library
    },
  }
}

const WEIGHT_RECORD = 'memory-weight'

function vectorsOf(store: MemoryStore, embedder: Embedder): Vectors {
  const caches = new Map<string, Weighted['cache']>()
  const at = (workspace: string, weight: number): Weighted => {
    const cache = caches.get(workspace) ?? new Map<string, Float32Array>()
    caches.set(workspace, cache)
    return { embedder, weight, cache }
  }
  return {
    embedder,
    at,
    async ready(workspace) {
      const [row] = await store.records(workspace, { kind: WEIGHT_RECORD, ids: [embedder.model], limit: 1 })
      const { weight = 0 } = row === undefined ? {} : (JSON.parse(row.data) as Partial<Calibrated>)
      return weight > 0 ? at(workspace, weight) : undefined
    },
    forget: (workspace) => void caches.delete(workspace),
  }
}

export async function weightPut(store: MemoryStore, workspace: string, found: Calibrated): Promise<Put> {
  const [row] = await store.records(workspace, { kind: WEIGHT_RECORD, ids: [found.model], limit: 1 })
  return { kind: WEIGHT_RECORD, id: found.model, version: (row?.version ?? 0) + 1, data: found as unknown as Json }
}

/** An embedding model of the AI SDK. `ai` is loaded at the first use. */
export function embeddings(model: unknown, name?: string): Embedder {
  const called = name ?? (model as { modelId?: string }).modelId ?? (typeof model === 'string' ? model : 'embedding')
  return {
    model: called,
    async embed(texts) {
      const { embedMany } = await loadSdk()
      try {
        const { embeddings: vectors } = await embedMany({ model: model as never, values: [...texts] })
        return vectors
      } catch (cause) {
        throw new KeelsonError('MODEL_FAILED', `${called} could not embed: ${String(cause)}`, { cause })
      }
    },
  }
}
