/** Items: what an effect run puts to a person, rendered from the exact bytes. */
import { KeelsonError, type StoredError } from '../../base/errors.ts'
import type { Actor } from '../../base/actor.ts'
import { canonical, stored } from '../../base/json.ts'
import { fromStored, jsonSchema } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import type { AnyAction, Preview } from '../../connector/action.ts'
import { dataOf, type Entry } from '../../journal/entry.ts'
import type { Judgement, OnSilence } from '../../policy/verdict.ts'
import type { Provenance } from '../item.ts'
import { askItem, type AskItem, type ItemText } from '../ops/ask.ts'
import type { Pass } from '../pass.ts'
import type { Bytes } from './attempt.ts'
import { remoteKey } from './ledger.ts'
import { configOf, timedOut, within } from './send.ts'
import type { EffectSpec } from './spec.ts'

export interface Decided {
  readonly decision: { readonly [verb: string]: Json }
  readonly by: Actor
  readonly item: string
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
  const reasons = asks.map((one) => `${one.rule}${one.reason === undefined ? '' : `: ${one.reason}`}`).join('; ')
  const timeouts = asks.flatMap((one) => (one.timeoutMs === undefined ? [] : [one.timeoutMs]))
  const item: ItemText = {
    ...common(spec, action, bytes),
    kind: 'approval',
    title: `${changed ? 'Changed: ' : ''}${action.title} (${reasons})`,
    allows: ['approve', 'edit', 'reject', 'respond'],
    ...(spec.revises === undefined ? {} : { revises: spec.revises }),
  }
  return {
    item,
    render: () => previewOf(pass, action, bytes.input),
    wait: 'approval',
    onSilence: strictest(asks),
    ...(timeouts.length === 0 ? {} : { timeoutMs: Math.min(...timeouts) }),
  }
}

export function holdItem(pass: Pass, spec: EffectSpec, action: AnyAction, bytes: Bytes): AskItem {
  const dueAt = pass.task.env.clock.now() + bytes.verdict.holdMs
  const item: ItemText = {
    ...common(spec, action, bytes),
    kind: 'approval',
    title: `Held: ${action.title} (${bytes.verdict.holds.join('; ')})`,
    allows: ['approve', 'edit', 'reject', 'respond'],
    reversibility: 'hold',
    dueAt,
  }
  return { item, render: () => previewOf(pass, action, bytes.input), wait: 'hold', onSilence: 'wait', until: dueAt }
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
    allows: ['outcome'],
    editSchema: jsonSchema(action.output) as Json,
  }
  return { item, render: () => previewOf(pass, action, bytes.input), wait: 'operator', onSilence: 'wait' }
}

export function reauthItem(spec: EffectSpec, action: AnyAction, error: StoredError): AskItem {
  const item: ItemText = {
    kind: 'attention',
    title: `${action.title} needs new credentials: ${error.message}`,
    allows: ['retry'],
    onBehalfOf: spec.owner.run,
    why: sources(spec),
    preview: { kind: 'text', after: error.message },
    editSchema: {},
    code: error.code,
    hint: 'Renew the credentials of its account, then retry.',
  }
  return { item, wait: 'operator', onSilence: 'wait' }
}

/** The connector's own rendering, or all fields; never prose of a model. */
export async function previewOf(pass: Pass, action: AnyAction, input: Json): Promise<Preview> {
  try {
    const { env, claimed } = pass.task
    const { preview, timeoutMs } = action
    if (preview === undefined) return fieldsOf(input)
    const config = await configOf(env, claimed.row.workspace, action)
    const value = fromStored(action.input, canonical(input))
    const made = await within(env, timeoutMs, timedOut(action), () => preview(value, { config, signal: pass.signal }))
    if (made !== undefined) return stored(made) as unknown as Preview
  } catch {
    // a preview that throws or cannot be kept must not hide what would execute: all fields are shown instead
  }
  return fieldsOf(input)
}

function fieldsOf(input: Json): Preview {
  if (typeof input !== 'object' || input === null) return { kind: 'text', after: String(input) }
  const rows = Object.entries(input as Record<string, Json>).map(([label, value]) => ({
    label,
    after: typeof value === 'string' ? value : canonical(value),
  }))
  return { kind: 'fields', rows }
}

function common(spec: EffectSpec, action: AnyAction, bytes: Bytes): Omit<ItemText, 'kind' | 'title' | 'allows'> {
  return {
    onBehalfOf: spec.owner.run,
    why: sources(spec),
    preview: fieldsOf(bytes.input),
    editSchema: jsonSchema(action.input) as Json,
    action: action.name,
    account: action.account,
    input: bytes.input,
    risk: action.effect === 'irreversible' ? (action.idempotency.by === 'none' ? 'high' : 'medium') : 'low',
    reversibility: action.compensate === undefined ? 'none' : 'revert',
    verdict: bytes.verdict as unknown as Json,
  }
}

function sources(spec: EffectSpec): Provenance[] {
  const asked: Provenance = {
    label: `${spec.playbook}, ${spec.owner.key}`,
    trust: 'operator',
    ref: `run:${spec.owner.run}`,
  }
  return [asked, ...spec.because.map(sourceOf)]
}

function sourceOf(one: Json): Provenance {
  const ref = one as { entity?: string; id?: string; version?: number; step?: string; value?: string }
  if (ref.entity !== undefined)
    return {
      label: `${ref.entity} ${ref.id} v${ref.version}`,
      trust: 'operator',
      ref: `entity:${ref.entity}/${ref.id}@${ref.version}`,
    }
  if (ref.step !== undefined) return { label: ref.step, trust: 'connector', ref: `step:${ref.step}` }
  return { label: 'a value of the playbook', trust: 'outside', ref: `sha256:${ref.value ?? ''}` }
}

const SILENCE: readonly OnSilence[] = ['wait', 'remind', 'escalate', 'reject']

function strictest(asks: Judgement['asks']): OnSilence {
  return asks
    .map((one) => one.onSilence)
    .reduce((worst, one) => (SILENCE.indexOf(one) > SILENCE.indexOf(worst) ? one : worst), 'wait' as OnSilence)
}
