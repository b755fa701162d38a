/** Items: what an effect run puts to a person, rendered from the exact bytes. */
import { KeelsonError, type StoredError } from '../../base/errors.ts'
import { actorJson, type Actor, type Money } from '../../base/actor.ts'
import { canonical } from '../../base/json.ts'
import { totals } from '../../base/money.ts'
import { fromStored, jsonSchema } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import type { AnyAction, Risk } from '../../connector/action.ts'
import { costsKnown } from '../../connector/cost.ts'
import type { Preview } from '../../connector/preview.ts'
import { shapeOf } from '../../connector/shape.ts'
import { dataOf, type Entry } from '../../journal/entry.ts'
import { whyOf, type Judgement, type OnSilence, type Rung } from '../../policy/verdict.ts'
import { asking, takenFor, type ItemRecord, type Provenance, type Sourced, type TrustedAs } from '../item.ts'
import { askItem, type AskItem, type ItemText } from '../ops/ask.ts'
import type { Handed } from '../ops/memory-texts.ts'
import type { Pass } from '../pass.ts'
import { stoodAt } from '../trust/stands.ts'
import { asksEach } from '../trust/use.ts'
import { iso } from '../waiting.ts'
import { holdOf, type Bytes } from './bytes.ts'
import { changeOf, rests } from './fresh.ts'
import { remoteKey } from './ledger.ts'
import { fieldsOf, previewOf } from './render.ts'
import type { EffectSpec } from './spec.ts'

export interface Decided {
  readonly decision: { readonly [verb: string]: Json }
  readonly by: Actor
  readonly item: string
  /** Since when it was held, where it was looked at again. */
  readonly since?: number
}

/** Waits for a decision; 'expired' when its time came first. */
export async function ask(pass: Pass, key: string, asked: AskItem): Promise<Decided | 'expired'> {
  try {
    return await decisionOf(pass, key, asked)
  } catch (thrown) {
    if (KeelsonError.is(thrown, 'STEP_TIMEOUT')) return 'expired'
    throw thrown
  }
}

export async function decisionOf(pass: Pass, key: string, asked: AskItem): Promise<Decided> {
  const decided = await askItem(pass, key, asked, (ok) => ok as unknown as { decision: Decided['decision']; by: Actor })
  const opened = pass.history.ops.get(key)?.opened
  const item = opened === undefined ? '' : dataOf(opened as Entry & { kind: 'ask.opened' }).item
  return { ...decided, item }
}

export function askItemOf(
  pass: Pass,
  spec: EffectSpec,
  action: AnyAction,
  bytes: Bytes,
  asks: Judgement['asks'],
  changed: boolean,
): AskItem {
  const reasons = asks.map((one) => whyOf(one)).join('; ')
  const timeouts = asks.flatMap((one) => (one.timeoutMs === undefined ? [] : [one.timeoutMs]))
  const undo = spec.mode === 'undo'
  const ladder = ladderIn(asks)
  const item: ItemText = {
    ...common(spec, action, bytes),
    kind: 'approval',
    title: `${undo ? 'Take back: ' : changed ? 'Changed: ' : ''}${action.title} (${reasons})`,
    allows: undo
      ? ['approve', 'reject', 'snooze']
      : [...(bytes.reshaped?.fits === false ? [] : (['approve'] as const)), 'edit', 'reject', 'respond', 'snooze'],
    ...(spec.revises === undefined ? {} : { revises: spec.revises }),
    ...changedIn(bytes),
    ...(isWaited(bytes) || bytes.heldSince !== undefined ? {} : { holdMs: bytes.verdict.holdMs }),
  }
  return {
    item: changed || undo ? alone(item) : item,
    alone: () => asksEach(pass.task.env, pass.task.claimed.row.workspace, item, spec.labels?.untrusted !== undefined),
    render: () => previewOf(pass, action, bytes.input),
    ...rests(pass, action, bytes.input),
    shape: shapeOf(action),
    ...standing(pass, spec, action, bytes),
    wait: 'approval',
    onSilence: strictest(asks),
    ...(ladder.length === 0 ? {} : { ladder }),
    ...(timeouts.length === 0 ? {} : { timeoutMs: Math.min(...timeouts) }),
  }
}

/** Whom silence goes on to. */
export function ladderIn(asks: Judgement['asks']): readonly Rung[] {
  return asks.find((one) => one.ladder !== undefined)?.ladder ?? []
}

/** Not to be decided with others: it is not what they are, or not what it was when somebody saw it. */
function alone({ batchKey: _together, ...item }: ItemText): ItemText {
  return item
}

/** What is not as it was when somebody last agreed to it. */
function changedIn({ stale, fresh, reshaped }: Bytes): Pick<ItemText, 'changed'> {
  const rows = [...(stale === undefined ? [] : changeOf(stale, fresh)), ...(reshaped?.rows ?? [])]
  return rows.length === 0 ? {} : { changed: rows }
}

export function holdItem(pass: Pass, spec: EffectSpec, action: AnyAction, bytes: Bytes): AskItem {
  const dueAt = pass.task.env.clock.now() + bytes.verdict.holdMs
  const undo = spec.mode === 'undo'
  const item: ItemText = {
    ...common(spec, action, bytes),
    kind: 'approval',
    title: `Held: ${undo ? 'Take back: ' : ''}${action.title} (${bytes.verdict.holds.join('; ')})`,
    allows: undo ? ['approve', 'reject'] : ['approve', 'edit', 'reject', 'respond'],
    reversibility: 'hold',
    consequence: `${undo ? 'It is taken back' : 'Executes'} by itself when it is due, unless it is stopped.`,
    dueAt,
    ...(spec.revises === undefined ? {} : { revises: spec.revises }),
  }
  return {
    item: alone(item),
    render: () => previewOf(pass, action, bytes.input),
    ...(bytes.fresh === undefined ? rests(pass, action, bytes.input) : {}),
    shape: shapeOf(action),
    ...standing(pass, spec, action, bytes),
    wait: 'hold',
    onSilence: 'wait',
    until: dueAt,
  }
}

export function unknownItem(
  pass: Pass,
  spec: EffectSpec,
  action: AnyAction,
  bytes: Bytes,
  error: StoredError,
): AskItem {
  const item: ItemText = {
    ...common(spec, action, bytes),
    kind: 'outcome-unknown',
    outsideKey: remoteKey(spec.effect, spec.generation),
    title: `Did it happen? ${action.title}: ${error.message}`,
    ...(error.code === 'OUTPUT_INVALID' ? { code: error.code } : {}),
    allows: ['outcome'],
    editSchema: jsonSchema(action.output) as Json,
  }
  const render = async (): Promise<Preview> => answered(await previewOf(pass, action, bytes.input), error)
  return { item, render, wait: 'operator', onSilence: 'wait' }
}

/** With the answer that came and does not fit. */
function answered(preview: Preview, { data }: StoredError): Preview {
  const answer = data?.['answer']
  if (typeof answer !== 'string') return preview
  if (preview.kind === 'text') return { ...preview, after: `${preview.after}\n\nIts answer: ${answer}` }
  return { ...preview, rows: [...preview.rows, { label: 'its answer', after: answer }] }
}

export function reauthItem(spec: EffectSpec, action: AnyAction, error: StoredError): AskItem {
  const item: ItemText = {
    kind: 'attention',
    title: `${action.title} needs new credentials: ${error.message}`,
    allows: ['retry'],
    onBehalfOf: spec.owner.run,
    ...askingOf(spec),
    why: sources(spec),
    preview: { kind: 'text', after: error.message },
    editSchema: {},
    code: error.code,
    hint: 'Renew the credentials of its account, then retry.',
  }
  return { item, wait: 'operator', onSilence: 'wait' }
}

/** What the action says of an input beside its preview. What its code throws hides nothing: the gravest is assumed. */
export function factsOf(
  action: AnyAction,
  input: Json,
): Pick<ItemRecord, 'risk' | 'reversibility' | 'batchKey'> & { risk: Risk; cost?: Money } {
  const irreversible = action.effect === 'irreversible'
  const byDefault: Risk = irreversible ? (action.idempotency.by === 'none' ? 'high' : 'medium') : 'low'
  const { risk: given, batchBy } = action
  const value = (): unknown => fromStored(action.input, canonical(input))
  const said = safely(() => (typeof given === 'function' ? given(value()) : given) ?? byDefault, 'high')
  const risk = said === 'low' || said === 'medium' ? said : 'high' // whatever else it says
  const sums = totals(costsKnown(action, input) ?? [])
  const part = safely(() => batchBy?.(value()) ?? '', undefined)
  const alone = irreversible || risk === 'high' || part === undefined
  return {
    risk,
    reversibility: action.compensate === undefined ? 'none' : 'revert',
    ...(sums.length === 1 ? { cost: sums[0]! } : {}),
    ...(alone ? {} : { batchKey: `${action.name}@${action.account}:${risk}:${part}` }),
  }
}

function safely<T>(say: () => T, otherwise: T): T {
  try {
    return say()
  } catch {
    return otherwise
  }
}

function common(spec: EffectSpec, action: AnyAction, bytes: Bytes): Omit<ItemText, 'kind' | 'title' | 'allows'> {
  return {
    onBehalfOf: spec.owner.run,
    ...askingOf(spec),
    why: sources(spec),
    preview: fieldsOf(bytes.input),
    editSchema: jsonSchema(action.input) as Json,
    action: action.name,
    account: action.account,
    input: bytes.input,
    ...factsOf(action, bytes.input),
    shape: shapeOf(action).mark,
    consequence: consequenceOf(spec, action, bytes),
    ...(spec.mode === 'undo' ? { undo: true } : {}),
    ...(action.rejectReasons.length === 0 ? {} : { rejectReasons: action.rejectReasons }),
    verdict: bytes.verdict as unknown as Json,
  }
}

/** As a spec names it: `name@version`. */
function askingOf({ playbook }: EffectSpec): ReturnType<typeof asking> {
  const at = playbook.lastIndexOf('@')
  return asking(playbook.slice(0, at), Number(playbook.slice(at + 1)))
}

/** Taking back climbs no ladder. */
function standing(pass: Pass, spec: EffectSpec, action: AnyAction, { input }: Bytes): Pick<AskItem, 'stands'> {
  if (spec.mode === 'undo') return {}
  return { stands: () => stoodAt(pass.task.env, pass.task.claimed.row.workspace, action, input) }
}

function consequenceOf({ mode }: EffectSpec, action: AnyAction, bytes: Bytes): string {
  if (mode === 'undo') return `It is taken back ${whenOf(bytes)}.`
  return `Executes ${whenOf(bytes)}; it ${action.compensate === undefined ? 'cannot' : 'can'} be taken back.`
}

/** A hold that was waited out is not waited for again, and one that had begun goes on. */
function whenOf(bytes: Bytes): string {
  const { verdict, heldSince } = bytes
  const { holdMs } = verdict
  const now = 'as soon as you approve'
  if (isWaited(bytes)) return now
  if (heldSince === undefined) return `${Math.ceil(holdMs / 60_000)} min after you approve, unless it is stopped`
  return `at ${iso(heldSince + holdMs)}, or ${now} if that is later, unless it is stopped`
}

function isWaited({ verdict: { holds, holdMs }, covered }: Bytes): boolean {
  return holdMs === 0 || holds.every((rule) => covered.has(holdOf(rule)))
}

/**
 * What an effect rests on, for people: who asked, and each source. Where it is untrusted and no source says so, it is who asked
 * who may have been told by an outsider.
 */
export function sources({
  playbook,
  owner,
  because,
  labels,
}: Pick<EffectSpec, 'playbook' | 'owner' | 'because' | 'labels'>): [Sourced, ...Sourced[]] {
  const named = because.map(sourceOf)
  const isNamed = named.some(({ trust }) => trust === 'outside')
  return [
    {
      label: `${playbook}, ${readableKey(owner.key)}`,
      trust: isNamed ? 'operator' : takenFor(labels, 'operator'),
      ref: `run:${owner.run}`,
    },
    ...named,
  ]
}

/** A key that a playbook gave to one of many is written as it gave it. */
function readableKey(key: string): string {
  try {
    return decodeURIComponent(key)
  } catch {
    return key
  }
}

/** What is known of one as it was named: sources of earlier releases say less, and are shown by their kind. */
interface Ref {
  readonly entity?: string
  readonly id?: string
  readonly version?: number
  readonly step?: string
  readonly value?: string
  readonly untrusted?: true
  /** A person has said it. */
  readonly person?: true
  /** Of what was read outside. */
  readonly readAt?: string
  readonly at?: number
  readonly entry?: Sourced['entry']
}

function sourceOf(one: Json): Sourced {
  const ref = one as Ref
  if ('memory' in ref) return memorySource(ref as unknown as Omit<Handed, 'labels'>)
  const at = ref.readAt ?? (ref.at === undefined ? undefined : iso(ref.at))
  const told = { ...(at === undefined ? {} : { at }), ...(ref.entry === undefined ? {} : { entry: ref.entry }) }
  return { ...namedAs(ref), ...told }
}

function namedAs(ref: Ref): Provenance {
  const trust = (otherwise: TrustedAs): TrustedAs => (ref.untrusted === true ? 'outside' : otherwise)
  if (ref.entity !== undefined)
    return {
      label: `${ref.entity} ${ref.id} v${ref.version}`,
      trust: trust('operator'),
      ref: `entity:${ref.entity}/${ref.id}@${ref.version}`,
    }
  if (ref.step !== undefined) {
    const by = ref.person === true ? 'operator' : 'connector'
    return { label: readableKey(ref.step), trust: trust(by), ref: `step:${ref.step}` }
  }
  return { label: 'a value of the playbook', trust: 'outside', ref: `sha256:${ref.value ?? ''}` }
}

/** By its id alone: its text stands in one place, from which it can be erased, and is read from there for whoever looks. */
function memorySource({ memory, kind, trust, by }: Omit<Handed, 'labels'>): Provenance {
  return { label: `${kind} ${memory}, noted by ${by}`, trust, ref: `memory:${memory}` }
}

/** A person's no to an effect or a plan. */
export function declined(
  what: string,
  no: { readonly reason: string; readonly text?: string; readonly by: Actor; readonly item?: string },
): KeelsonError {
  const decline = { reason: no.reason, ...(no.text === undefined ? {} : { text: no.text }), by: actorJson(no.by) }
  return new KeelsonError(
    'ACTION_DECLINED',
    `${what} was declined by ${no.by.name ?? no.by.id}: ${no.text ?? no.reason}`,
    {
      hint: 'Catch it and take another way, or pass revise to answer with a new proposal.',
      data: { action: what, decline, ...(no.item === undefined ? {} : { item: no.item }) },
    },
  )
}

const SILENCE: readonly OnSilence[] = ['wait', 'remind', 'escalate', 'reject']

function strictest(asks: Judgement['asks']): OnSilence {
  return asks
    .map((one) => one.onSilence)
    .reduce((worst, one) => (SILENCE.indexOf(one) > SILENCE.indexOf(worst) ? one : worst), 'wait' as OnSilence)
}
