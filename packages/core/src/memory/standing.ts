/** Standing: the memory that a change names, as it stands, or why it cannot be changed so. */
import { KeelsonError } from '../base/errors.ts'
import type { Bench } from './bench.ts'
import { endOf, isLive, type MemoryRecord } from './unit.ts'

export function known(bench: Bench, id: string): MemoryRecord {
  const record = bench.memory(id)
  if (record !== undefined) return record
  throw new KeelsonError('MEMORY_NOT_FOUND', `there is no memory "${id}"`, { data: { memory: id } })
}

export function standing(bench: Bench, id: string): MemoryRecord {
  const record = known(bench, id)
  if (isLive(record)) return record
  throw stale(id, record.erased === undefined ? `it is ${endOf(record)?.how}` : 'it was erased')
}

export function stale(id: string, why: string): KeelsonError {
  return new KeelsonError('MEMORY_STALE', `memory "${id}" cannot be changed so: ${why}`, {
    hint: 'Read it again and decide anew; what is in the bin can be restored.',
    data: { memory: id },
  })
}
