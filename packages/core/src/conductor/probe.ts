/** Probe: whether a store that failed can be written to again. */
import { KeelsonError } from '../base/errors.ts'
import type { MemoryStore } from '../journal/store.ts'

const KIND = 'probe'
/** A small write succeeds on a disk that is only nearly full, and the work that did not fit would fail at once again. */
const CHARACTERS = 256 * 1024

/** Writes a record and takes it away again. Throws when the store fails, or takes the worker for dead. */
export async function probe(store: MemoryStore, worker: string): Promise<void> {
  if (!(await store.beat(worker))) throw new KeelsonError('STORE_FAILED', 'the store takes this worker for dead')
  const [workspace] = await store.workspaces()
  if (workspace === undefined) return // it holds nothing, so nothing waits to be claimed
  const [left] = await store.records(workspace, { kind: KIND, ids: [worker], limit: 1 })
  const version = (left?.version ?? 0) + 1
  const record = { kind: KIND, id: worker, version, data: `"${'.'.repeat(CHARACTERS)}"`, index: {}, sort: 0 }
  await store.write(workspace, { records: [record] })
  await store.write(workspace, { records: [{ ...record, version: version + 1, data: null }] })
}
