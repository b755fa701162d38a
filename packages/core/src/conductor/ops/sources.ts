/** Sources: what a write or an effect rests on, as references that are kept. */
import { keyedHash } from '../../base/hash.ts'
import { canonical } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import type { Source } from '../../memory/unit.ts'
import type { Pass } from '../pass.ts'
import { secretOf } from './asked.ts'
import { handedAs } from './memory-texts.ts'

/** Which operation handed an object out: how `because` finds its source. */
export type ActMemory = WeakMap<object, string>

/** Memories by id, entities by id and version, earlier outcomes by their operation; of what was read outside, when that was. */
export function sourcesIn(pass: Pass, memory: ActMemory, because: readonly unknown[] = []): Json[] {
  return because.flatMap((one): Json[] => {
    if (typeof one !== 'object' || one === null) return []
    const fact = handedAs(pass, one)
    if (fact !== undefined) {
      const { labels: _labels, ...source } = fact
      return [{ ...source }]
    }
    const entity = one as { type?: unknown; id?: unknown; version?: unknown }
    if (typeof entity.type === 'string' && typeof entity.id === 'string' && typeof entity.version === 'number') {
      return [{ entity: entity.type, id: entity.id, version: entity.version }]
    }
    const step = memory.get(one)
    if (step === undefined) return [{ value: keyedHash(secretOf(pass), canonical(one)) }]
    const readAt = readAtOf(pass, step)
    return [{ step, ...(readAt === undefined ? {} : { readAt }) }]
  })
}

function readAtOf(pass: Pass, step: string): string | undefined {
  const outcome = pass.history.ops.get(step)?.outcome?.outcome as { receipt?: { readAt?: string } } | undefined
  return outcome?.receipt?.readAt
}

/** Who remembers what an operation writes. */
export function sourceOf(pass: Pass, key: string): Source {
  const { name, version } = pass.task.playbook
  return { by: { kind: 'agent', id: `${name}@${version}` }, run: pass.task.claimed.row.id, step: key }
}
