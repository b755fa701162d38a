/**
 * Fresh: what an effect rests on outside: read when it is put to a person or held, and again right before it is sent.
 *
 * H1. What could not be read is never taken for unchanged.
 * H2. It is compared only while nothing has been sent: afterwards the effect itself may be what changed it.
 */
import { canonical, stored } from '../../base/json.ts'
import { storeError } from '../../base/errors.ts'
import { fromStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import type { AnyAction } from '../../connector/action.ts'
import type { PreviewRow } from '../../connector/preview.ts'
import { dataOf, type Entry } from '../../journal/entry.ts'
import type { Judgement } from '../../policy/verdict.ts'
import type { AskItem } from '../ops/ask.ts'
import type { Pass } from '../pass.ts'
import { askOf, type Bytes } from './bytes.ts'
import { configOf, timedOut, within } from './send.ts'

/** What was read, or why nothing was. */
export type Rested = { readonly value: Json } | { readonly error: string }

/** The part of a question that keeps what its effect rests on as it opens. */
export function rests(pass: Pass, action: AnyAction, input: Json): Pick<AskItem, 'rests'> {
  return action.fresh === undefined ? {} : { rests: () => restedOn(pass, action, input) }
}

export async function restedOn(pass: Pass, action: AnyAction, input: Json): Promise<Json> {
  const { env, claimed } = pass.task
  try {
    const config = await configOf(env, claimed.row.workspace, action)
    const value = fromStored(action.input, canonical(input))
    const look = (): Promise<Json> | Json => action.fresh!(value, { config, signal: pass.signal })
    return { value: stored(await within(env, action.timeoutMs, timedOut(action), look)) }
  } catch (thrown) {
    return { error: storeError(thrown).message }
  }
}

/**
 * H1. Whether an effect is not to go by what is there now: it is other than it was, or can be read no better than then, and nobody has been
 * told so yet.
 */
export function hasMoved({ fresh: before, covered }: Bytes, now: Json): boolean {
  return canonical(now) !== canonical(before ?? null) || (isUnread(now) && !covered.has(askOf(FRESHNESS.rule)))
}

function isUnread(reading: Json | undefined): boolean {
  return (reading as { error?: string } | undefined)?.error !== undefined
}

/** What the question under `key` kept as it opened. */
export function keptBy(pass: Pass, key: string): Json | undefined {
  const opened = pass.history.ops.get(key)?.opened
  return opened === undefined ? undefined : dataOf(opened as Entry & { kind: 'ask.opened' }).fresh
}

/** What differs between two readings, as rows. */
export function changeOf(before: Json, after: Json | undefined): PreviewRow[] {
  const [was, is] = [fieldsIn(before), fieldsIn(after)]
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])].sort()
  return names
    .filter((name) => was[name] !== is[name] || isUnread(after))
    .map((name) => ({ label: name, before: was[name] ?? '(nothing)', after: is[name] ?? '(nothing)' }))
}

function fieldsIn(reading: Json | undefined): Record<string, string> {
  const rested = (reading ?? {}) as unknown as Partial<{ value: Json; error: string }>
  if (rested.error !== undefined) return { 'what it rests on': `could not be read: ${rested.error}` }
  const value = rested.value ?? null
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { 'what it rests on': canonical(value) }
  return Object.fromEntries(
    Object.entries(value as Record<string, Json>).map(([name, one]) => [
      name,
      typeof one === 'string' ? one : canonical(one),
    ]),
  )
}

/** What it rests on has changed: whoever agreed to it did so on other grounds, and is asked anew. */
export function stale(bytes: Bytes, fresh: Json): Bytes {
  const covered = new Set([...bytes.covered].filter((one) => one.startsWith('hold:')))
  return { ...bytes, covered, fresh, stale: bytes.fresh }
}

/** Asks anew, whatever the rules say. */
export const FRESHNESS: Judgement['asks'][number] = {
  rule: 'freshness',
  reason: 'what it rests on has changed since',
  onSilence: 'remind',
  grantable: false,
}
