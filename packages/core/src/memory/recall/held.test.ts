/** What is shared between records keeps none of them in memory: what was erased is gone from there, too. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import type { MemoryRecord } from '../unit.ts'
import { shared } from './held.ts'

setFlagsFromString('--expose_gc')
const gc = runInNewContext('gc') as () => void

function record(text: string, by = 'me'): MemoryRecord {
  return {
    ...{ id: text, scope: 'customer:ada', kind: 'note', text, load: 'search', authority: 'operator', sensitivity: 0 },
    ...{ from: 0, recordedAt: 0, ends: [], source: { by: { kind: 'person', id: by } }, evidence: [], set: 's' },
  }
}

it('is one source for all that have the same', () => {
  expect(shared(record('tea')).source).toBe(shared(record('milk')).source)
})

it('does not keep the record that it came from', async () => {
  const kept = new WeakRef(shared(record('tea', 'somebody who has said nothing before')))
  await new Promise(setImmediate)
  gc()
  expect(kept.deref()).toBeUndefined()
})
