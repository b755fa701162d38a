/**
 * Field: why an entity's field holds what it holds: the change that made it so, the run and step or the person behind
 * it, where the value came from, and who agreed.
 *
 * F1. The change is the last one that gave the field another value; a write that repeats it is none.
 * F2. A source is an operation of that run, answered before the write, whose recorded outcome holds exactly this value,
 *     the latest first. A value that the code itself worked out has no source but its step.
 */
import type { Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import { streamOf } from '../conductor/start.ts'
import { TRAIL, entityField, type TrailRecord } from '../conductor/trail.ts'
import { readEffect } from '../conductor/effect/ledger.ts'
import { readItem } from '../conductor/item.ts'
import type { Placed } from '../journal/entry.ts'
import type { MemoryStore } from '../journal/store.ts'
import { bareType, notFound } from '../memory/entity.ts'
import { headOf } from '../memory/entity-read.ts'
import { madeField } from '../memory/entity-history.ts'
import { iso } from '../conductor/waiting.ts'

/** An operation whose outcome holds the value. */
export interface FieldSource {
  readonly kind: 'input' | 'step' | 'effect' | 'read' | 'event' | 'answer' | 'agent' | 'child'
  readonly key: string
  /** The effect, if it is one. */
  readonly effect?: string
}

export interface FieldStory {
  readonly field: string
  /** What it holds now; undefined: it is not there. */
  readonly value: Json | undefined
  /** The version that made it so. */
  readonly version: number
  readonly at: string
  readonly what: string
  readonly by: Actor | undefined
  readonly run?: string
  readonly step?: string
  readonly entry?: { readonly stream: string; readonly seq: number }
  readonly sources: readonly FieldSource[]
  /** Decisions of people on what the value came from. */
  readonly approvals: readonly {
    readonly item: string
    readonly by: Actor
    readonly at: string
    readonly decision: Json
  }[]
  /** All of it in one sentence. */
  readonly text: string
}

/** Throws `ENTITY_NOT_FOUND`, and `INPUT_INVALID` for a field that never was. */
export async function whyField(
  store: MemoryStore,
  workspace: string,
  type: string,
  id: string,
  field: string,
): Promise<FieldStory> {
  const shelf = { store, workspace }
  const head = await headOf(shelf, { name: type }, id)
  if (head === undefined) throw notFound({ name: type }, id)
  const made = await madeField(shelf, bareType(type, head.record.schema), id, field, head.version)
  if (made === undefined) {
    throw new KeelsonError('INPUT_INVALID', `${type} ${id} never had a field "${field}"`, { data: { field } })
  }
  const { value } = made
  const line = await trailOf(store, workspace, `${type}/${id}`, made.change.version, Date.parse(made.change.at))
  const { run, step } = made.change
  const journal = run === undefined ? undefined : await writing(store, workspace, run, step ?? '', made.change.version)
  const sources = journal === undefined || value === undefined ? [] : sourcesOf(journal.before, value)
  const approvals = await approvalsOf(store, workspace, sources)
  const by = line?.by
  const entry = journal?.at ?? line
  const story = {
    field,
    value,
    version: made.change.version,
    at: made.change.at,
    what: made.change.what,
    by,
    ...(run === undefined ? {} : { run }),
    ...(step === undefined ? {} : { step }),
    ...(entry === undefined ? {} : { entry: { stream: entry.stream, seq: entry.seq } }),
    sources,
    approvals,
  }
  return { ...story, text: textOf(story) }
}

async function trailOf(
  store: MemoryStore,
  workspace: string,
  entity: string,
  version: number,
  at: number,
): Promise<TrailRecord | undefined> {
  let after: { sort: number; id: string } | undefined
  for (;;) {
    const where = { field: entityField(entity), value: '' }
    const paged = after === undefined ? {} : { after }
    const rows = await store.records(workspace, { kind: TRAIL, where, from: at, limit: 200, ...paged })
    const lines = rows.map((row) => JSON.parse(row.data) as TrailRecord)
    const found = lines.find((line) => line.version === version)
    const last = rows.at(-1)
    if (found !== undefined || last === undefined || last.sort > at || rows.length < 200) return found
    after = { sort: last.sort, id: last.id }
  }
}

/** The entry that wrote the version, and the entries of its run before it. */
async function writing(
  store: MemoryStore,
  workspace: string,
  run: string,
  step: string,
  version: number,
): Promise<{ at: Placed; before: readonly Placed[] } | undefined> {
  for (let continuation = 0; ; continuation++) {
    const entries = await store.entries(workspace, streamOf(run, continuation))
    if (entries.length === 0) return undefined
    const at = entries.find(
      (entry) =>
        entry.key === step &&
        entry.payload !== null &&
        (JSON.parse(entry.payload) as { ok?: { version?: number } | null }).ok?.version === version,
    )
    if (at !== undefined) return { at, before: entries.filter((entry) => entry.seq < at.seq) }
  }
}

const KINDS: Readonly<Record<string, FieldSource['kind']>> = {
  'run.started': 'input',
  'step.completed': 'step',
  'effect.completed': 'effect',
  'read.completed': 'read',
  'wait.completed': 'event',
  'ask.completed': 'answer',
  'agent.completed': 'agent',
  'call.completed': 'child',
}

function sourcesOf(before: readonly Placed[], value: Json): FieldSource[] {
  const wanted = canonical(value)
  return before.toReversed().flatMap((entry) => {
    const kind = KINDS[entry.kind]
    if (kind === undefined || entry.payload === null) return []
    const data = JSON.parse(entry.payload) as { ok?: Json; input?: Json; receipt?: { effect?: string } }
    if (!holds(kind === 'input' ? data.input : data.ok, wanted)) return []
    const effect = data.receipt?.effect
    return [{ kind, key: entry.key, ...(effect === undefined ? {} : { effect }) }]
  })
}

/** True when the value itself, or anything in it, is the wanted one. */
function holds(value: Json | undefined, wanted: string): boolean {
  if (value === undefined) return false
  if (canonical(value) === wanted) return true
  return typeof value === 'object' && value !== null && Object.values(value).some((one) => holds(one, wanted))
}

type Approvals = FieldStory['approvals']

async function approvalsOf(store: MemoryStore, workspace: string, sources: readonly FieldSource[]): Promise<Approvals> {
  const found: Approvals[number][] = []
  for (const { effect } of sources) {
    const record = effect === undefined ? undefined : (await readEffect(store, workspace, effect))?.record
    if (record?.effectRun === undefined) continue
    for (const entry of await store.entries(workspace, streamOf(record.effectRun, 0))) {
      if (entry.kind !== 'ask.opened' || entry.payload === null) continue
      const { item } = JSON.parse(entry.payload) as { item: string }
      const decided = (await readItem(store, workspace, item))?.item.decided
      if (decided === undefined || found.some((one) => one.item === item)) continue
      found.push({ item, by: decided.by, at: iso(decided.at), decision: decided.decision })
    }
  }
  return found
}

function textOf(story: Omit<FieldStory, 'text'>): string {
  const { field, value, version, at, by, run, step, sources, approvals } = story
  const who = by === undefined ? '' : ` by ${by.name ?? by.id}`
  const how = run === undefined ? '' : ` in run ${run}, step "${step}"`
  const [source] = sources
  const from =
    source === undefined
      ? ''
      : `; it came from ${source.kind === 'input' ? 'its input' : `${source.kind} "${source.key}"`}`
  const agreed = approvals.map(({ by: one, at: when }) => `; ${one.name ?? one.id} agreed at ${when}`).join('')
  const held = value === undefined ? 'is gone' : `is ${canonical(value)}`
  return `${field} ${held} since version ${version} of ${at}${who}${how}${from}${agreed}`
}
