/**
 * Trail: a line of the audit trail for each thing that somebody did, put by the very entry that records it.
 *
 * T1. A change of an entity, the end of an effect, an agent's answer, and every entry that names who did it leave a line. What a run merely
 *     computes or reads leaves none: its journal has that.
 * T2. A line says who, what, on what and when, and where the entry stands; it repeats nothing of what was written.
 * T3. An erasure leaves a line for what it is about, and none for what it puts again without the text: that was done by others, before.
 */
import { actorJson, type Actor } from '../base/actor.ts'
import type { Json } from '../base/value.ts'
import type { Draft } from '../journal/entry.ts'
import type { Put } from '../journal/put.ts'
import { versionMark } from '../memory/change.ts'
import type { EntityRecord } from '../memory/entity.ts'
import type { EffectRecord } from './effect/ledger.ts'
import type { ItemRecord } from './item.ts'

/** One line as its record keeps it. */
export interface TrailRecord {
  readonly at: number
  /** Kind of the entry. */
  readonly kind: string
  readonly what: string
  readonly by: Actor
  readonly run?: string
  readonly step?: string
  readonly action?: string
  readonly effect?: string
  readonly generation?: number
  /** This effect was taken back by it. */
  readonly undoes?: string
  readonly item?: string
  /** What it changed, or rests on: `type/id`. */
  readonly entities: readonly string[]
  /** The version that it made of the entity, or that of the agent. */
  readonly version?: number
  readonly stream: string
  readonly seq: number
}

/** Where drafts are about to stand, and who does what they do unless they say so themselves. */
export interface Place {
  readonly stream: string
  /** Of the entry before the first draft. */
  readonly seq: number
  readonly at: number
  readonly by: Actor
  readonly run?: string
}

export const TRAIL = 'audit'

/** The drafts, each with the lines that it leaves among its puts. */
export function withTrail(drafts: readonly Draft[], place: Place): readonly Draft[] {
  if (!drafts.some(tells)) return drafts
  const told: Draft[] = []
  for (const draft of drafts)
    told.push(tells(draft) ? withLines(draft, { ...place, seq: place.seq + told.length + 1 }) : draft)
  return told
}

/** `place.seq`: of the draft itself. */
function withLines(draft: Draft, place: Place): Draft {
  const data = draft.data as { puts?: readonly Put[]; by?: Actor }
  const lines = linesOf(draft, data, { ...place, by: data.by ?? place.by })
  if (lines.length === 0) return draft
  const puts = [...(data.puts ?? []), ...lines.map((line, n) => trailPut(line, n))]
  return { ...draft, data: { ...draft.data, puts } } as Draft
}

/** It may leave a line; most entries of a run cannot. */
function tells({ kind, data }: Draft): boolean {
  const { puts, by } = data as { puts?: unknown; by?: unknown }
  return puts !== undefined || by !== undefined || kind === 'agent.completed'
}

/** Names its entity in an index: one line may be found under several. */
export function entityField(entity: string): string {
  return `entity:${entity}`
}

export function actorValue(actor: Pick<Actor, 'kind' | 'id'>): string {
  return `${actor.kind}:${actor.id}`
}

type Said = { what: string } & Partial<TrailRecord>

function linesOf(draft: Draft, data: { puts?: readonly Put[]; by?: Actor }, place: Place): TrailRecord[] {
  const { stream, seq, at, by, run } = place
  const step = draft.key === undefined || draft.key === '' ? {} : { step: draft.key }
  const base = { at, kind: draft.kind, by, ...(run === undefined ? {} : { run }), ...step, entities: [], stream, seq }
  if (isAttempt(draft)) return [{ ...base, ...attemptSaid(draft) }]
  if (isErasure(draft)) return erasureSaid(draft).map((one) => ({ ...base, ...one }))
  const said = (data.puts ?? []).flatMap((put) => changeOf(put, data.puts!))
  if (draft.kind === 'agent.completed' && draft.data.agent !== undefined)
    return [{ ...base, ...answerOf(draft.data.agent) }]
  if (said.length === 0 && data.by !== undefined && !UNTOLD.has(draft.kind)) said.push(verbOf(draft))
  return said.map((one) => ({ ...base, ...one }))
}

/** What a put changes, as far as somebody did it: no waits, no look-ups, no lines in timelines. */
function changeOf(put: Put, all: readonly Put[]): Said[] {
  if (put.kind === 'entity') {
    const { type, id } = put.data as unknown as EntityRecord
    const line = all.find((one) => one.kind === 'timeline' && one.id === `${put.id}/${versionMark(put.version)}`)
    const what = (line?.data as { what?: string } | undefined)?.what ?? `${type} changed`
    return [{ what, entities: [`${type}/${id}`], version: put.version }]
  }
  if (put.kind === 'effect') return effectEnd(put.data as unknown as EffectRecord)
  if (put.kind === 'inbox') return decisionOf(put.data as unknown as ItemRecord)
  return []
}

function effectEnd(record: EffectRecord): Said[] {
  const { state, action, id, generation, compensates, owner, because, setBy } = record
  if (state === 'open' || state === 'compensated') return []
  const entities = because.flatMap((one) => {
    const { entity, id: of } = (one ?? {}) as { entity?: string; id?: string }
    return entity === undefined ? [] : [`${entity}/${of}`]
  })
  const executed = setBy === undefined ? 'executed' : 'set by hand as executed'
  const what = `${action} ${state !== 'done' ? state : compensates === undefined ? executed : 'taken back'}`
  const undoes = compensates === undefined ? {} : { undoes: compensates }
  const found = { what, action, effect: id, generation, run: owner.run, step: owner.key, ...undoes }
  return [{ ...found, entities: [...new Set(entities)] }]
}

function decisionOf(item: ItemRecord): Said[] {
  if (item.state !== 'decided' || item.decided === undefined) return []
  const [verb] = Object.keys(item.decided.decision as object)
  const action = item.action === undefined ? {} : { action: item.action }
  const run = item.onBehalfOf ?? item.run
  const what = `${item.kind} ${item.action ?? ''} answered: ${verb}`.replace('  ', ' ')
  return [{ what, item: item.id, ...action, ...(run === '' ? {} : { run }) }]
}

function answerOf(agent: { name: string; version: number }): Said & { by: Actor } {
  const { name, version } = agent
  return { what: `agent ${name}@${version} answered`, by: { kind: 'agent', id: name }, version }
}

/** Told by another line, or by somebody else's entry. */
const UNTOLD: ReadonlySet<string> = new Set(['ask.completed', 'run.refused'])

function verbOf(draft: Draft): Said {
  const data = draft.data as { playbook?: string; version?: number; item?: string }
  const item = data.item === undefined ? {} : { item: data.item }
  if (draft.kind === 'run.started' && data.playbook === 'keelson.revert') return { what: 'revert applied' }
  if (draft.kind === 'run.started') return { what: `run of ${data.playbook}@${data.version} started` }
  if (draft.kind === 'step.completed') return { what: 'step outcome set by hand' }
  if (draft.kind === 'effect.completed') return { what: 'answer of a read set by hand' } // others put their effect
  if (isOfTrust(draft)) return trustSaid(draft)
  return { what: draft.kind.replace('.', ' '), ...item }
}

type OfAttempt = Draft & { kind: 'approval.forged' | 'decision.refused' }

function isAttempt(draft: Draft): draft is OfAttempt {
  return draft.kind === 'approval.forged' || draft.kind === 'decision.refused'
}

/** What was given, and what was expected where that is other, is told in full: it is what an investigation begins with. */
function attemptSaid({ data }: OfAttempt): Said {
  const { item, why, verb, given, expected, count, puts = [] } = data
  const asked = puts.find((put) => put.kind === 'inbox')?.data as unknown as ItemRecord | undefined
  const times = count === 1 ? '' : `, ${count} times by now`
  const run = asked?.onBehalfOf ?? asked?.run ?? ''
  const hash =
    expected === undefined ? given : given === expected ? `hash ${given}` : `given ${given}, expected ${expected}`
  return {
    what: `${ATTEMPTS[why]}: ${asked?.action ?? asked?.kind ?? 'message history'} ${verb}${times} (${hash})`,
    ...(item === undefined ? {} : { item }),
    ...(asked?.action === undefined ? {} : { action: asked.action }),
    ...(run === '' ? {} : { run }),
  }
}

const ATTEMPTS: { readonly [W in OfAttempt['data']['why']]: string } = {
  forged: 'forged approval refused',
  stale: 'decision on what has changed refused',
  forbidden: 'decision by one who may not decide refused',
}

type OfTrust = Draft & { kind: 'trust.set' | 'trust.ceiling' | 'trust.promoted' }

function isOfTrust(draft: Draft): draft is OfTrust {
  return draft.kind === 'trust.set' || draft.kind === 'trust.ceiling' || draft.kind === 'trust.promoted'
}

function trustSaid({ kind, data }: OfTrust): Said {
  const { action, account, segment, rung } = data
  const named = account === undefined ? action : `${action}@${account}`
  const where = segment === 'all' ? named : `${named} (${segment})`
  switch (kind) {
    case 'trust.set':
      return { what: `${where} put on "${rung}"`, action }
    case 'trust.ceiling':
      return { what: `${where} may go as high as "${rung}"`, action }
    case 'trust.promoted': {
      const setting = `autoPromote "${data.autoPromote}" of its version ${data.version}`
      return { what: `${where} went from "${data.from}" to "${rung}" by ${setting}`, action }
    }
    default:
      return kind satisfies never
  }
}

type OfErasure = Draft & { kind: 'entity.erased' | 'memory.erased' }

function isErasure(draft: Draft): draft is OfErasure {
  return draft.kind === 'entity.erased' || draft.kind === 'memory.erased'
}

/** T3. */
function erasureSaid(draft: OfErasure): Said[] {
  if (draft.kind === 'memory.erased') return [verbOf(draft)]
  const { entities, puts = [] } = draft.data
  return entities.map((entity) => {
    const version = puts.find((put) => put.kind === 'entity' && put.id === entity)?.version
    const what = `${entity.slice(0, entity.indexOf('/'))} erased`
    return { what, entities: [entity], ...(version === undefined ? {} : { version }) }
  })
}

function trailPut(line: TrailRecord, n: number): Put {
  const { at, by, run, action, entities, stream, seq } = line
  return {
    kind: TRAIL,
    id: `${stream}#${String(seq).padStart(8, '0')}.${n}`,
    version: 1,
    data: { ...line, by: actorJson(by) },
    index: {
      all: '',
      actor: actorValue(by),
      ...(run === undefined ? {} : { run }),
      ...(action === undefined ? {} : { action }),
      ...Object.fromEntries(entities.map((entity) => [entityField(entity), ''])),
    },
    sort: at,
  }
}

/** Who does what a run does: its playbook; of an effect's own run, whoever asked for it; of a revert, who applied it. */
export function actingFor(
  playbook: { readonly name: string; readonly internal: boolean },
  start: { readonly input: Json; readonly by: Actor },
): Actor {
  if (!playbook.internal) return { kind: 'system', id: playbook.name }
  const input = start.input as { by?: Actor; playbook?: string } | null
  if (input?.by !== undefined) return input.by
  if (input?.playbook !== undefined) return { kind: 'system', id: input.playbook.replace(/@\d+$/, '') }
  return start.by
}
