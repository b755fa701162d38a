/**
 * Dependents: who has built on what would be taken back: by reading it, by resting an effect on it, by writing over it,
 * by having the same effect answered.
 *
 * Reads are in the journal and in no index, so the journal is read from the first deed on.
 */
import { canonical } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import type { Entry, Placed } from '../../journal/entry.ts'
import { putsOf } from '../../journal/records.ts'
import type { EffectRecord } from '../effect/ledger.ts'
import type { Environment } from '../environment.ts'
import { versionsIn, type Deeds } from './deeds.ts'

export interface Dependent {
  readonly kind: 'run' | 'effect'
  readonly id: string
  /** In words: 'read customer c1 at version 3'. */
  readonly why: string
}

const PAGE = 1000

/** `also`: sees what is to be said of this target beside that. */
export async function dependentsOf(
  env: Environment,
  workspace: string,
  deeds: Deeds,
  also?: (entry: Placed, add: (one: Dependent) => void) => void,
): Promise<Dependent[]> {
  if (!Number.isFinite(deeds.since) || deeds.effects.size + deeds.entities.length + deeds.memories.size === 0) return []
  const found = new Map<string, Dependent>()
  const add = (one: Dependent): void => {
    const key = `${one.kind} ${one.id}`
    if (!found.has(key)) found.set(key, one)
  }
  const seen = seeing(deeds, add)
  for (let after = deeds.since; ;) {
    const page = await env.store.tail(workspace, after, PAGE)
    for (const entry of page) {
      if (entry.payload === null) continue
      seen(entry)
      also?.(entry, add)
    }
    after = page.at(-1)?.position ?? after
    if (page.length < PAGE) break
  }
  return [...found.values()].sort((a, b) => (`${a.kind} ${a.id}` < `${b.kind} ${b.id}` ? -1 : 1))
}

interface Ref {
  readonly memory?: string
  readonly entity?: string
  readonly id?: string
  readonly version?: number
}

function seeing(deeds: Deeds, add: (one: Dependent) => void): (entry: Placed) => void {
  const first = new Map(deeds.entities.map((one) => [canonical([one.type, one.id]), Math.min(...one.versions)]))
  const ours = new Map(deeds.entities.map((one) => [canonical([one.type, one.id]), one.versions]))
  const rests = ({ memory, entity, id, version }: Ref): boolean => {
    if (memory !== undefined) return deeds.memories.has(memory)
    const since = entity === undefined || id === undefined ? undefined : first.get(canonical([entity, id]))
    return since !== undefined && (version === undefined || version >= since)
  }
  return (entry) => {
    const run = runOf(entry)
    if (run !== undefined && deeds.runs.has(run)) return
    if ((entry.kind === 'read.completed' || entry.kind === 'memory.completed') && run !== undefined) {
      const { reads = [] } = JSON.parse(entry.payload!) as { reads?: readonly Ref[] }
      const read = reads.find(rests)
      if (read !== undefined) add({ kind: 'run', id: run, why: `read ${said(read)}` })
    }
    if (entry.kind === 'effect.completed' && run !== undefined) {
      const { receipt } = JSON.parse(entry.payload!) as { receipt?: { effect?: string } }
      if (receipt?.effect !== undefined && deeds.effects.has(receipt.effect))
        add({ kind: 'run', id: run, why: `was answered by effect ${receipt.effect}` })
    }
    if (entry.kind === 'entity.completed' && run !== undefined) {
      for (const { type, id, version } of versionsIn(entry))
        if (rests({ entity: type, id, version }) && !ours.get(canonical([type, id]))!.has(version))
          add({ kind: 'run', id: run, why: `wrote ${type} ${id} at version ${version}` })
    }
    for (const put of putsOf(entry)) if (put.kind === 'effect') restingEffect(put.data, deeds, rests, add)
  }
}

function restingEffect(data: Json, deeds: Deeds, rests: (ref: Ref) => boolean, add: (one: Dependent) => void): void {
  const { id, action, state, because, owner, compensates } = data as unknown as EffectRecord
  if (deeds.effects.has(id) || deeds.runs.has(owner.run) || compensates !== undefined) return
  if (state !== 'open' && state !== 'done') return
  const ref = because.find((one) => rests((one ?? {}) as Ref)) as Ref | undefined
  if (ref !== undefined) add({ kind: 'effect', id, why: `${action} of run ${owner.run} rests on ${said(ref, '')}` })
}

function said({ memory, entity, id, version }: Ref, at = ` at version ${version}`): string {
  return memory === undefined ? `${entity} ${id}${at}` : `memory ${memory}`
}

/** The run whose journal an entry is in; none for effects' own runs, which act for others. */
function runOf({ stream }: Entry): string | undefined {
  const run = /^run:(.+):\d+$/s.exec(stream)?.[1]
  return run?.startsWith('effect:') === true || run?.startsWith('revert:') === true ? undefined : run
}
