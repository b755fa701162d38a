/** Start: a run to create, with its first entry. */
import { SYSTEM, type Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { sha256 } from '../base/hash.ts'
import { canonical, canonicalAround, parseStored, verbatim } from '../base/json.ts'
import { parse, schemaMark } from '../base/schema.ts'
import { named } from '../base/known.ts'
import { isUnlabelled, type Labels } from '../base/labels.ts'
import type { Json } from '../base/value.ts'
import { chain, EMPTY_HEAD } from '../journal/entry.ts'
import type { Draft } from '../journal/entry.ts'
import type { EntryData } from '../journal/kinds.ts'
import { writesOf } from '../journal/records.ts'
import type { Put } from '../journal/put.ts'
import type { NewRun, Unit } from '../journal/store.ts'
import { hasCode, type AnyPlaybook } from '../playbook/playbook.ts'
import { withTrail } from './trail.ts'
import type { Persona } from '../policy/persona.ts'

export interface StartOptions {
  readonly workspace: string
  readonly id: string
  readonly input: unknown
  readonly by?: Actor
  readonly parent?: {
    readonly run: string
    readonly key: string
    readonly root: string
    readonly lanes: readonly string[]
    readonly lane: string | null
    readonly laneWhileRunning: boolean
  }
  /** On whose behalf: each of them bounds the run; the last one names it. */
  readonly personas?: readonly Persona[]
  readonly ancestors?: readonly { readonly run: string; readonly playbook: string }[]
  readonly labels?: Labels
  readonly settings?: { readonly version: number; readonly value: unknown; readonly schema?: number }
  /** In shadow, sharing the overlay of this run. */
  readonly shadow?: string | undefined
  readonly continuation?: number
  /** What a continuation keeps of the run before it. */
  readonly carry?: {
    readonly parent: { readonly run: string; readonly key: string } | undefined
    readonly lanes: readonly string[] | undefined
    readonly settings: Json | undefined
    readonly events: readonly string[]
    readonly earlier: boolean
    readonly working: NonNullable<EntryData['run.started']['working']>
  }
  /** Records that are there from its first entry on. Whoever writes it sees to it that it is new. */
  readonly puts?: readonly Put[]
  readonly now: number
  readonly salt: () => string
  /** Leaves a line in the audit trail: write it with `startUnit`. */
  readonly told?: boolean
}

/** A start with the records that it puts, which are written only if the run is new. */
export function startUnit(run: NewRun): Unit {
  const records = writesOf(run.entries)
  if (records.length === 0) return { starts: [run] }
  return { starts: [run], records, expect: [{ stream: run.stream, seq: 0 }] }
}

export function streamOf(run: string, continuation: number): string {
  return `run:${run}:${continuation}`
}

/** What a journal of a run calls its own: each continuation has names of its own. */
export function journalId(run: string, continuation: number): string {
  return continuation === 0 ? run : `${run}~${continuation}`
}

export function childId(run: string, continuation: number, key: string): string {
  return `${journalId(run, continuation)}/${key}`
}

/** Throws `INPUT_INVALID`, `VALUE_NOT_STORABLE`, `LANE_CYCLE`; nothing is stored then. */
export function newRun(playbook: AnyPlaybook, options: StartOptions): NewRun {
  const { workspace, id, parent, now } = options
  assertRunId(id)
  const text = (playbook.internal ? canonicalAround : canonical)(options.input ?? null)
  const input = parse(playbook.input, parseStored(text), 'INPUT_INVALID', `the input of ${playbook.name}`)
  const own = options.carry === undefined ? laneOf(playbook, input) : undefined // one that continues keeps its lane
  // A run in shadow never makes a real one wait, so it has lanes of its own.
  const lane =
    own === undefined
      ? (parent?.lane ?? null)
      : `${options.shadow === undefined ? '' : 'shadow '}${playbook.name}:${own}`
  const lanes = [...(parent?.lanes ?? []), ...(parent === undefined || parent.lane === null ? [] : [parent.lane])]
  if (own !== undefined && lanes.includes(lane!)) {
    throw new KeelsonError('LANE_CYCLE', `run ${id} would wait for the lane "${own}", which its own ancestor holds`, {
      hint: 'Call a playbook without serialize, or give the child another key.',
      data: { lane: own },
    })
  }
  const continuation = options.continuation ?? 0
  const stream = streamOf(id, continuation)
  const start = {
    playbook: playbook.name,
    version: playbook.version,
    input: verbatim(text),
    inputHash: sha256(text),
    ...(playbook.internal || !hasCode(playbook) ? {} : { outputMark: schemaMark(playbook.output) }),
    by: options.by ?? SYSTEM,
    ...(parent === undefined ? {} : { parent: { run: parent.run, key: parent.key } }),
    ...boundBy(options.personas ?? []),
    ...(options.ancestors === undefined || options.ancestors.length === 0 ? {} : { ancestors: options.ancestors }),
    ...(options.labels === undefined || isUnlabelled(options.labels) ? {} : { labels: options.labels }),
    ...(options.settings === undefined ? {} : { settings: options.settings as unknown as Json }),
    ...(lanes.length === 0 ? {} : { lanes }),
    ...(options.shadow === undefined ? {} : { shadow: options.shadow }),
    ...(options.carry?.parent === undefined ? {} : { parent: options.carry.parent }),
    ...(options.carry?.lanes === undefined ? {} : { lanes: options.carry.lanes }),
    ...(options.carry === undefined || options.carry.events.length === 0 ? {} : { events: options.carry.events }),
    ...(options.carry?.earlier === true ? { earlier: true as const } : {}),
    ...(options.carry === undefined || options.carry.working.length === 0 ? {} : { working: options.carry.working }),
    ...(options.carry?.settings === undefined ? {} : { settings: options.carry.settings }),
    ...(options.puts === undefined || options.puts.length === 0 ? {} : { puts: options.puts }),
    continuation,
  }
  const draft: Draft = { kind: 'run.started', data: start }
  const place = { stream, seq: 0, at: now, by: start.by, run: id }
  const drafts = options.told === true ? withTrail([draft], place) : [draft]
  const entries = chain(workspace, stream, EMPTY_HEAD, drafts, now, options.salt)
  return {
    id,
    stream,
    playbook: playbook.name,
    version: playbook.version,
    lane,
    laneWhileRunning: own === undefined ? (parent?.laneWhileRunning ?? false) : playbook.laneWhileRunning,
    root: own === undefined ? (parent?.root ?? id) : id,
    dueAt: now,
    createdAt: now,
    entries,
  }
}

function boundBy(personas: readonly Persona[]): object {
  const last = personas.at(-1)
  if (last === undefined) return {}
  return { persona: last.name, scopes: personas.map((one) => one.may), personas: personas as unknown as Json[] }
}

function laneOf({ name, serialize }: AnyPlaybook, input: unknown): string | undefined {
  if (serialize === undefined) return undefined
  let lane: unknown
  try {
    lane = serialize(input)
  } catch (cause) {
    throw new KeelsonError('INPUT_INVALID', `serialize of ${name} threw: ${String(cause)}`, { cause })
  }
  if (typeof lane === 'string' && lane !== '') return lane
  throw new KeelsonError(
    'INPUT_INVALID',
    `serialize of ${name} answered ${named(lane)}, and a lane is named by a text`,
    {
      hint: 'Answer the key at once, as a text that is not empty: serialize: (input) => String(input.customerId).',
    },
  )
}

function assertRunId(id: string): void {
  if (typeof id === 'string' && id.length > 0 && id.length <= 512 && id.isWellFormed() && !/\p{Cc}/u.test(id)) return
  throw new KeelsonError('INPUT_INVALID', 'a run id is a text of 1 to 512 characters without control characters', {
    hint: 'Take one from your domain: it makes start idempotent ("onboarding:42").',
  })
}

/** Ids that begin so belong to built-in playbooks: an effect, an event or a revert of the same name could never start. */
const TAKEN = /^(effect|event|revert|schedule|escalation):/

export function assertOwnId(id: string): void {
  const taken = TAKEN.exec(id)
  if (taken === null) return
  throw new KeelsonError('INPUT_INVALID', `a run id may not begin with "${taken[0]}": such runs are Keelson's own`, {
    hint: 'Begin it with the name of what it is about in your domain: "onboarding:42".',
    data: { run: id.slice(0, 100) },
  })
}
