/**
 * Plan of a revert: what was done that can be taken back, last first, and what cannot and why.
 *
 * R1. Pure reading: making a plan changes nothing. Its hash covers every line, so that what is applied is what was seen; it
 *     leaves out what became of earlier tries, so that a plan can be applied once more.
 * R2. An effect is taken back by the target that asked for it first; one that merely was answered by it leaves it.
 */
import { actorText } from '../../base/actor.ts'
import { keyedHash } from '../../base/hash.ts'
import { canonical, canonicalAround } from '../../base/json.ts'
import { moneyText } from '../../base/money.ts'
import { KeelsonError } from '../../base/errors.ts'
import type { Json } from '../../base/value.ts'
import { readEffect, type EffectRecord } from '../effect/ledger.ts'
import type { Environment } from '../environment.ts'
import { deedsOf, type Deeds } from './deeds.ts'
import { dependentsOf, type Dependent } from './dependents.ts'
import { entityLines } from './entity-line.ts'
import type { RevertLine } from './line.ts'
import { memoryLines } from './memory-line.ts'
import { buildingOn, editedSince, firstEntryOf } from './one-effect.ts'
import { whyStayed } from './stayed.ts'
import { partsOf, type RevertTarget } from './target.ts'

export interface RevertPlan {
  readonly target: RevertTarget
  /** In the order of taking back: last first. */
  readonly lines: readonly RevertLine[]
  /** Runs and effects that rest on what would be taken back. */
  readonly dependents: readonly Dependent[]
  /** Runs of the target that have not ended and may do more: cancel them first. */
  readonly running: readonly string[]
  /**
   * Runs of the target whose journals were pruned, and for one of a version those of which an erasure took when they were of it: what they
   * did (then) is in no line. Take back their effects one by one.
   */
  readonly pruned: readonly string[]
  readonly hash: string
}

export async function planOf(env: Environment, workspace: string, target: RevertTarget): Promise<RevertPlan> {
  const bare = {
    target,
    ...(await ('effect' in target ? ofEffect(env, workspace, target.effect) : ofRuns(env, workspace, target))),
  }
  // Keyed: it names what was there before, and the run that applies it, which stay when that is erased.
  const hash = keyedHash(await env.company(workspace).key(), `plan: ${canonicalAround(bare)}`)
  return { ...(await withTries(env, workspace, bare)), hash }
}

type Found = Pick<RevertPlan, 'lines' | 'dependents' | 'running' | 'pruned'>

async function ofRuns(
  env: Environment,
  workspace: string,
  target: Exclude<RevertTarget, { effect: string }>,
): Promise<Found> {
  const deeds = await deedsOf(env, await partsOf(env, workspace, target))
  const { running, pruned } = deeds
  const lines = await linesOf(env, workspace, deeds)
  return { lines, dependents: await dependentsOf(env, workspace, deeds), running, pruned }
}

async function ofEffect(env: Environment, workspace: string, id: string): Promise<Found> {
  const found = await readEffect(env.store, workspace, id)
  if (found === undefined)
    throw new KeelsonError('STEP_NOT_FOUND', `there is no effect "${id}"`, { data: { effect: id } })
  const deeds = oneDeed(found.record, await firstEntryOf(env, workspace, found.record))
  const since = await editedSince(env, workspace, found.record)
  const lines = (await linesOf(env, workspace, deeds)).map((line): RevertLine => ({ ...line, since }) as RevertLine)
  const also = await buildingOn(env, workspace, found.record, deeds.since)
  return { lines, dependents: await dependentsOf(env, workspace, deeds, also), running: [], pruned: [] }
}

/** The id of the effect that takes back another. */
export async function undoId(
  env: Environment,
  workspace: string,
  of: Pick<Compensable, 'id' | 'generation'>,
): Promise<string> {
  return keyedHash(await env.company(workspace).key(), canonical(['undo', of.id, of.generation])).slice(0, 32)
}

export type Compensable = RevertLine & { kind: 'effect'; can: true }

async function withTries<P extends { readonly lines: readonly RevertLine[] }>(
  env: Environment,
  workspace: string,
  plan: P,
): Promise<P> {
  const lines: RevertLine[] = []
  for (const line of plan.lines) {
    const tried = line.can ? await whyNot(env, workspace, line) : undefined
    lines.push(tried === undefined ? line : ({ ...line, tried } as RevertLine))
  }
  return { ...plan, lines }
}

/** Why taking it back came to nothing, when that was tried last. */
async function whyNot(
  env: Environment,
  workspace: string,
  line: RevertLine & { can: true },
): Promise<string | undefined> {
  if (line.kind !== 'effect') return whyStayed(env.store, workspace, line)
  const before = await readEffect(env.store, workspace, await undoId(env, workspace, line))
  return (before?.record.error as { message?: string } | undefined)?.message
}

function oneDeed({ id, owner }: EffectRecord, since: number): Deeds {
  return {
    effects: new Map([[id, 0]]),
    entities: [],
    sets: new Map(),
    memories: new Set(),
    runs: new Set([owner.run]),
    running: [],
    pruned: [],
    since,
  }
}

async function linesOf(env: Environment, workspace: string, deeds: Deeds): Promise<RevertLine[]> {
  const lines: { at: number; line: RevertLine }[] = []
  for (const [id, at] of deeds.effects) {
    const found = await readEffect(env.store, workspace, id)
    const line = found === undefined ? undefined : effectLine(env, found.record, deeds)
    if (line !== undefined) lines.push({ at, line })
  }
  lines.push(...(await entityLines(env, workspace, deeds.entities)))
  lines.push(...(await memoryLines(env, workspace, deeds.sets)))
  return lines.sort((a, b) => b.at - a.at).map(({ line }) => line)
}

/** Undefined for what only read. */
function effectLine(env: Environment, record: EffectRecord, { runs }: Deeds): RevertLine | undefined {
  const action = env.actions.find(record.action)
  if (action?.effect === 'read') return undefined
  const { id } = record
  const hand = record.setBy === undefined ? '' : ` (set by hand by ${actorText(record.setBy)})`
  const what = `${record.action} ${inShort(record.input)}${hand}`
  const cannot = (why: string): RevertLine => ({ kind: 'effect', id, action: record.action, what, can: false, why })
  if (record.compensates !== undefined) return cannot('it took something back itself: do that anew')
  if (record.state === 'compensated') return cannot('it has been taken back already')
  if (!runs.has(record.owner.run)) return cannot(`run ${record.owner.run} asked for it first, and has it too`)
  if (record.state === 'open') return cannot('it has not ended yet: cancel or decide it')
  if (record.state !== 'done') return cannot(`nothing to take back: it was ${record.state}`)
  if (action === undefined) return cannot('its action is not known to this process')
  if (action.compensate === undefined)
    return cannot(action.effect === 'irreversible' ? 'its action is irreversible' : 'its action cannot be compensated')
  if (record.erased?.includes('undo') === true) return cannot('what that needs was erased')
  if (action.undo !== undefined && record.undo === undefined) return cannot('it left no undo token')
  return { kind: 'effect', id, generation: record.generation, action: record.action, what, can: true }
}

/** An input for a line: its plain fields and money, each cut short between characters, as half of one could not be stored. */
function inShort(input: Json): string {
  const cut = (text: string, max: number): string => {
    const characters = [...text.replaceAll(/\s+/g, ' ')]
    return characters.length > max ? `${characters.slice(0, max - 1).join('')}…` : characters.join('')
  }
  if (typeof input !== 'object' || input === null) return cut(canonical(input), 120)
  const plain = Object.entries(input).flatMap(([name, value]: [string, Json]) => {
    const text = typeof value === 'object' ? moneyText(value) : String(value)
    return text === undefined ? [] : [`${name}: ${cut(text, 60)}`]
  })
  return cut(plain.join(', ') || canonical(input), 180)
}
