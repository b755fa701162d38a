/**
 * Plan of a revert: what a run did that can be taken back, in reverse order, and what cannot and why.
 *
 * R1. Pure reading: making a plan changes nothing. Its hash covers every line, so that what is applied is what was seen.
 * R2. Of an entity, only fields that the run wrote and that still hold its value are restored.
 */
import { sha256 } from '../../base/hash.ts'
import { canonical, canonicalAround } from '../../base/json.ts'
import { KeelsonError } from '../../base/errors.ts'
import type { Json } from '../../base/value.ts'
import { dataOf, type Entry } from '../../journal/entry.ts'
import type { EntityRecord } from '../../memory/entity.ts'
import type { EffectRecord } from '../effect/ledger.ts'
import type { Environment } from '../environment.ts'
import { rowOf } from '../status.ts'

export type Target = { readonly run: string; readonly to?: string } | { readonly effect: string }

export type Line =
  | {
      readonly kind: 'effect'
      readonly id: string
      readonly generation: number
      readonly action: string
      readonly what: string
      readonly can: true
    }
  | {
      readonly kind: 'effect'
      readonly id: string
      readonly action: string
      readonly what: string
      readonly can: false
      readonly why: string
    }
  | {
      readonly kind: 'entity'
      readonly type: string
      readonly id: string
      readonly version: number
      readonly restore: { readonly [field: string]: Json }
      /** Fields that were not there before. */
      readonly drop: readonly string[]
      readonly kept: readonly string[]
      readonly what: string
      readonly can: true
    }
  | {
      readonly kind: 'entity'
      readonly type: string
      readonly id: string
      readonly what: string
      readonly can: false
      readonly why: string
    }

export interface RevertPlan {
  readonly target: Target
  /** In the order of taking back: last first. */
  readonly lines: readonly Line[]
  /** Runs and effects that rest on what would be taken back. */
  readonly dependents: readonly string[]
  readonly hash: string
}

export async function planOf(env: Environment, workspace: string, target: Target): Promise<RevertPlan> {
  const lines =
    'effect' in target
      ? [await effectLine(env, workspace, target.effect)]
      : await runLines(env, workspace, target.run, target.to)
  const dependents = await dependentsOf(env, workspace, lines, 'run' in target ? target.run : '')
  const bare = { target, lines, dependents }
  return { ...bare, hash: sha256(canonicalAround(bare)) }
}

async function effectLine(env: Environment, workspace: string, id: string): Promise<Line> {
  const [row] = await env.store.records(workspace, { kind: 'effect', ids: [id], limit: 1 })
  if (row === undefined)
    throw new KeelsonError('STEP_NOT_FOUND', `there is no effect "${id}"`, { data: { effect: id } })
  return lineOf(env, JSON.parse(row.data) as EffectRecord)
}

function lineOf(env: Environment, record: EffectRecord): Line {
  const action = env.actions.find(record.action)
  const what = `${record.action} ${inShort(record.input)}`
  const cannot = (why: string): Line => ({
    kind: 'effect',
    id: record.id,
    action: record.action,
    what,
    can: false,
    why,
  })
  if (record.state === 'compensated') return cannot('it has been taken back already')
  if (record.state === 'open') return cannot('it has not ended yet: cancel or decide it')
  if (record.state !== 'done') return cannot(`nothing to take back: it was ${record.state}`)
  if (action === undefined) return cannot('its action is not known to this process')
  if (action.compensate === undefined)
    return cannot(action.effect === 'irreversible' ? 'its action is irreversible' : 'its action cannot be compensated')
  if (action.undo !== undefined && record.undo === undefined) return cannot('it left no undo token')
  return { kind: 'effect', id: record.id, generation: record.generation, action: record.action, what, can: true }
}

/** An input for a line: its plain fields, each cut short between characters, as half of one could not be stored. */
function inShort(input: Json): string {
  const cut = (text: string, max: number): string => {
    const characters = [...text.replaceAll(/\s+/g, ' ')]
    return characters.length > max ? `${characters.slice(0, max - 1).join('')}…` : characters.join('')
  }
  if (typeof input !== 'object' || input === null) return cut(canonical(input), 120)
  const plain = Object.entries(input).filter(([, value]) => typeof value !== 'object')
  return cut(
    plain.map(([name, value]) => `${name}: ${cut(String(value as string | number | boolean), 60)}`).join(', ') ||
      canonical(input),
    180,
  )
}

/** What a run did, its children included, behind its checkpoint if one is named; last first. */
async function runLines(env: Environment, workspace: string, run: string, to: string | undefined): Promise<Line[]> {
  const entries = await streamEntries(env, workspace, run)
  if (isInShadow(entries)) return []
  const from = to === undefined ? 0 : checkpointSeq(entries, run, to)
  const lines: { at: number; line: Line }[] = []
  const written = new Map<string, { at: number; versions: number[] }>()
  for (const entry of entries.filter((one) => one.seq > from)) {
    if (entry.kind === 'call.opened') {
      const { child } = dataOf(entry as Entry & { kind: 'call.opened' })
      for (const line of await runLines(env, workspace, child, undefined)) lines.push({ at: entry.seq, line })
    }
    if (entry.kind === 'effect.completed') {
      const receipt = dataOf(entry as Entry & { kind: 'effect.completed' }).receipt as
        { effect?: string; deduplicated?: boolean; shadow?: boolean } | undefined
      if (receipt?.effect !== undefined && receipt.shadow !== true && receipt.effect !== '')
        lines.push({ at: entry.seq, line: await effectLine(env, workspace, receipt.effect) })
    }
    if (entry.kind === 'entity.completed') {
      const ok = dataOf(entry as Entry & { kind: 'entity.completed' }).ok as
        { type: string; id: string; version: number } | undefined
      if (ok === undefined) continue
      const key = canonical([ok.type, ok.id])
      const before = written.get(key) ?? { at: entry.seq, versions: [] }
      written.set(key, { at: entry.seq, versions: [...before.versions, ok.version] })
    }
  }
  for (const [key, { at, versions }] of written) {
    const [type, id] = JSON.parse(key) as [string, string]
    lines.push({ at, line: await entityLine(env, workspace, type, id, versions) })
  }
  lines.reverse()
  return lines.sort((a, b) => b.at - a.at).map(({ line }) => line)
}

/** What a run in shadow did is nowhere to be taken back. */
function isInShadow([first]: readonly Entry[]): boolean {
  return first?.kind === 'run.started' && dataOf(first as Entry & { kind: 'run.started' }).shadow !== undefined
}

async function streamEntries(env: Environment, workspace: string, run: string): Promise<readonly Entry[]> {
  return env.store.entries(workspace, (await rowOf(env, workspace, run)).stream)
}

function checkpointSeq(entries: readonly Entry[], run: string, name: string): number {
  const found = entries.findLast(
    (entry) =>
      entry.kind === 'checkpoint.completed' && dataOf(entry as Entry & { kind: 'checkpoint.completed' }).ok === name,
  )
  if (found !== undefined) return found.seq
  throw new KeelsonError('STEP_NOT_FOUND', `run ${run} has not reached checkpoint "${name}"`, {
    data: { run, checkpoint: name },
  })
}

/** Fields that the run wrote and nobody has changed since, with what they held before. */
async function entityLine(
  env: Environment,
  workspace: string,
  type: string,
  id: string,
  versions: readonly number[],
): Promise<Line> {
  const recordId = `${type}/${id}`
  const what = `${type} ${id}`
  const [row] = await env.store.records(workspace, { kind: 'entity', ids: [recordId], limit: 1 })
  if (row === undefined) return { kind: 'entity', type, id, what, can: false, why: 'it is gone' }
  if (versions.includes(1))
    return { kind: 'entity', type, id, what, can: false, why: 'the run created it; archive it if it is not wanted' }
  const first = Math.min(...versions)
  const now = (JSON.parse(row.data) as EntityRecord).data as Record<string, Json>
  const before = await dataAt(env, workspace, recordId, first - 1)
  const ours: Record<string, Json> = {}
  for (const version of versions) Object.assign(ours, await changedAt(env, workspace, recordId, version))
  const restore: Record<string, Json> = {}
  const drop: string[] = []
  const kept: string[] = []
  for (const [field, value] of Object.entries(ours)) {
    if (canonical(now[field] ?? null) !== canonical(value)) kept.push(field)
    else if (!Object.hasOwn(before, field)) drop.push(field)
    else if (canonical(before[field]!) !== canonical(value)) restore[field] = before[field]!
  }
  if (Object.keys(restore).length + drop.length === 0)
    return {
      kind: 'entity',
      type,
      id,
      what,
      can: false,
      why: kept.length > 0 ? `changed since: ${kept.join(', ')}` : 'it is as it was before',
    }
  return {
    kind: 'entity',
    type,
    id,
    version: row.version,
    restore,
    drop,
    kept,
    what: `${what}: ${[...Object.keys(restore), ...drop].join(', ')}`,
    can: true,
  }
}

async function changedAt(
  env: Environment,
  workspace: string,
  recordId: string,
  version: number,
): Promise<Record<string, Json>> {
  const [row] = await env.store.records(workspace, { kind: 'timeline', ids: [`${recordId}/v${version}`], limit: 1 })
  return ((JSON.parse(row?.data ?? '{}') as { changed?: Json }).changed ?? {}) as Record<string, Json>
}

/** The entity's data at a version: its changes, one upon the other. */
async function dataAt(
  env: Environment,
  workspace: string,
  recordId: string,
  version: number,
): Promise<Record<string, Json>> {
  const data: Record<string, Json> = {}
  for (let v = 1; v <= version; v++) {
    const [row] = await env.store.records(workspace, { kind: 'timeline', ids: [`${recordId}/v${v}`], limit: 1 })
    const { changed = {}, dropped = [] } = JSON.parse(row?.data ?? '{}') as { changed?: object; dropped?: string[] }
    Object.assign(data, changed)
    for (const field of dropped) delete data[field]
  }
  return data
}

/** Open effects whose sources name an entity or effect that would be taken back. */
async function dependentsOf(
  env: Environment,
  workspace: string,
  lines: readonly Line[],
  own: string,
): Promise<string[]> {
  const ids = new Set(lines.filter((line) => line.can).map((line) => line.id))
  const found = new Set<string>()
  for (const line of lines) {
    if (line.kind !== 'entity' || !line.can) continue
    const rows = await env.store.records(workspace, {
      kind: 'timeline',
      where: { field: 'entity', value: `${line.type}/${line.id}` },
      limit: 500,
    })
    for (const row of rows) {
      const { run } = JSON.parse(row.data) as { run?: string }
      if (run !== undefined && run !== own && ids.has(line.id)) found.add(`run:${run}`)
    }
  }
  return [...found].sort()
}
