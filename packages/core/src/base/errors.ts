/** KeelsonError: the one error class, its closed list of codes, and its stored form. */
import type { Json } from './value.ts'

/** Every code that Keelson throws or stores. Each has a heading in docs/reference/errors.md. */
export const ERROR_CODES = [
  'ACTION_DECLINED',
  'ACTION_DENIED',
  'ACTION_FAILED',
  'ACTION_NOT_DECLARED',
  'ACTION_NOT_FAKED',
  'ACTION_NOT_FOUND',
  'ADOPTION_NEEDED',
  'ARTIFACT_NOT_FOUND',
  'ANCHOR_FAILED',
  'BUNDLE_GAP',
  'BUNDLE_INVALID',
  'BUNDLE_NEWER',
  'CHANNEL_NOT_FOUND',
  'AGENT_DENIED',
  'BUDGET_NOT_FOUND',
  'BUDGET_REFUSED',
  'CONDUCTOR_STOPPED',
  'CREDENTIALS_MISSING',
  'DECISION_REFUSED',
  'DEFINITION_INVALID',
  'DURATION_INVALID',
  'EFFECT_OPEN',
  'ENTITY_ARCHIVED',
  'ENTITY_CONFLICT',
  'ENTITY_EXISTS',
  'ENTITY_NOT_FOUND',
  'ERASED',
  'FAN_OUT_TOO_LARGE',
  'GRANT_NOT_FOUND',
  'GRANT_WIDER',
  'INPUT_INVALID',
  'ITEM_NOT_FOUND',
  'JOURNAL_DIVERGED',
  'LANE_CYCLE',
  'LANE_HELD',
  'LINK_BROKEN',
  'MEMORY_NOT_FOUND',
  'MEMORY_OUT_OF_SCOPE',
  'MEMORY_STALE',
  'NESTED_STEP',
  'NOT_A_STEP',
  'MODEL_FAILED',
  'MODEL_MISSING',
  'OUTPUT_INVALID',
  'PLAN_CHANGED',
  'PLAYBOOK_NOT_FOUND',
  'REF_TAKEN',
  'POLICY_TEST_FAILED',
  'REPLAY_STALLED',
  'REVERT_INCOMPLETE',
  'RUN_CANCELLED',
  'RUN_CLOSED',
  'RUN_EXISTS',
  'RUN_FAILED',
  'RUN_NOT_FOUND',
  'RUN_PRUNED',
  'RUN_QUARANTINED',
  'RUN_TOO_DEEP',
  'RUN_TOO_LARGE',
  'RUN_WAITING',
  'SCHEMA_NEWER',
  'SETTINGS_INVALID',
  'SIMULATION_FAILED',
  'STEP_FAILED',
  'STEP_KEY_NEEDED',
  'STEP_NOT_AWAITED',
  'STEP_NOT_FOUND',
  'STEP_TIMEOUT',
  'STORE_BUSY',
  'STORE_CLOSED',
  'STORE_CORRUPT',
  'STORE_FAILED',
  'STORE_FULL',
  'STORE_IN_USE',
  'STORE_NEWER',
  'STORE_READ_ONLY',
  'TAXONOMY_UNKNOWN',
  'TEMPLATE_INCOMPLETE',
  'TRANSITION_ILLEGAL',
  'TRANSITION_NEEDS_APPROVAL',
  'UPCASTER_MISSING',
  'UPCAST_FAILED',
  'VALUE_NOT_STORABLE',
  'UPKEEP_MISSING',
  'WORKSPACE_ACTIVE',
  'WORKSPACE_CLOSED',
  'WORKSPACE_INVALID',
  'WORKSPACE_NOT_EMPTY',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

/** How an error is kept in a journal entry. */
export interface StoredError {
  readonly code: string
  readonly message: string
  readonly name?: string
  readonly hint?: string
  readonly data?: { readonly [key: string]: Json }
}

interface ErrorOptions {
  /** What the reader can do about it. */
  readonly hint?: string
  readonly data?: { readonly [key: string]: Json }
  readonly cause?: unknown
}

const BRAND = Symbol.for('keelson.error')

/** The one error of Keelson: branch on `code`, show `message` and `hint`. Recognise it with `KeelsonError.is`. */
export class KeelsonError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly data: { readonly [key: string]: Json }

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'KeelsonError'
    this.code = code
    this.hint = options.hint
    this.data = options.data ?? {}
    Object.defineProperty(this, BRAND, { value: true })
  }

  /** True for an error of any copy of this package, optionally of one code. */
  static is(value: unknown, code?: ErrorCode): value is KeelsonError {
    if (typeof value !== 'object' || value === null || !(BRAND in value)) return false
    return code === undefined || (value as unknown as KeelsonError).code === code
  }
}

const CODES: ReadonlySet<string> = new Set(ERROR_CODES)

/**
 * Any thrown value as it is stored: code, name and message, and what its cause says; stacks stay out of the journal. Always storable:
 * of `data`, what is no JSON is kept as text, and what is too much is left out with a note.
 */
export function storeError(thrown: unknown): StoredError {
  try {
    if (KeelsonError.is(thrown)) return ofKeelson(thrown)
    if (!(thrown instanceof Error)) return { code: 'STEP_FAILED', message: wellFormed(saidBy(thrown)) }
    return { code: 'STEP_FAILED', name: wellFormed(thrown.name), message: wellFormed(withCause(thrown)) }
  } catch {
    return { code: 'STEP_FAILED', message: 'something that cannot be read' }
  }
}

/** Longest part of a cause that is kept. */
const CAUSE_MAX = 300

/** `fetch failed` alone says nothing: what it is for is in its cause, or in the errors that it stands for. */
function withCause(error: Error): string {
  const { cause } = error
  const own = messageOf(error)
  const why = cause instanceof Error ? messageOf(cause) : error instanceof AggregateError ? several(error) : ''
  if (why === '' || own.includes(why)) return own
  return own === '' ? why.slice(0, CAUSE_MAX) : `${own} (${why.slice(0, CAUSE_MAX)})`
}

function messageOf(error: Error): string {
  const { code } = error as { code?: unknown }
  return error.message === '' && typeof code === 'string' ? code : error.message
}

function several({ errors }: AggregateError): string {
  return errors.map((one: unknown) => (one instanceof Error ? messageOf(one) : printed(one))).join('; ')
}

/** What was thrown and is no error: its message, or all of it where it has no words of its own. */
function saidBy(thrown: unknown): unknown {
  if (typeof thrown !== 'object' || thrown === null) return thrown
  const { message } = thrown as { message?: unknown }
  if (typeof message === 'string' && message !== '') return message
  const text = Array.isArray(thrown) ? '[object' : printed(thrown)
  if (!text.startsWith('[object')) return text
  const all = JSON.stringify(asJson(thrown, DATA_MAX.depth - OBJECT_DEPTH, { left: DATA_MAX.values }))
  return all.length > CAUSE_MAX ? `${all.slice(0, CAUSE_MAX)}…` : all
}

/** So deep is looked into what was thrown. */
const OBJECT_DEPTH = 4

function ofKeelson({ code, name, message, hint, data }: KeelsonError): StoredError {
  const kept = dataOf(data)
  return {
    code: wellFormed(code),
    ...(name === 'KeelsonError' ? {} : { name: wellFormed(name) }), // that of the host's error that it stands for
    message: wellFormed(message),
    ...(hint === undefined ? {} : { hint: wellFormed(hint) }),
    ...(Object.keys(kept).length === 0 ? {} : { data: kept }),
  }
}

/** Deepest nesting, most values and longest text of an error's data. */
const DATA_MAX = { depth: 32, values: 10_000, text: 100_000 }

function dataOf(data: unknown): { readonly [key: string]: Json } {
  if (typeof data !== 'object' || data === null) return {}
  const kept = asJson(data, 0, { left: DATA_MAX.values }) as { readonly [key: string]: Json }
  const { length } = JSON.stringify(kept)
  return length <= DATA_MAX.text ? kept : { note: `data of ${length} characters was left out` }
}

/** Code may throw anything in there: only JSON stays as it is. */
function asJson(value: unknown, depth: number, budget: { left: number }): Json {
  if (value === null || typeof value === 'boolean') return value
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (typeof value === 'function') return `function ${value.name}`.trim().toWellFormed()
  if (typeof value !== 'object') return wellFormed(value)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
  if (value instanceof Error) return wellFormed(value)
  if (depth >= DATA_MAX.depth || budget.left <= 0) return '…'
  const next = (inner: unknown): Json => {
    budget.left--
    return asJson(inner, depth + 1, budget)
  }
  if (Array.isArray(value)) return value.slice(0, Math.max(0, budget.left)).map(next)
  if (value instanceof Map || value instanceof Set) return next([...value])
  const fields = Object.entries(value)
    .filter(([name, inner]) => inner !== undefined && name !== '__proto__' && budget.left > 0)
    .map(([name, inner]): [string, Json] => [name.toWellFormed(), next(inner)])
  return Object.fromEntries(fields)
}

/** A stored error as code sees it, the same live and in replay. An error of the host keeps its `name`. */
export function reviveError(stored: StoredError): KeelsonError {
  const code = CODES.has(stored.code) ? (stored.code as ErrorCode) : 'STEP_FAILED'
  const error = new KeelsonError(code, stored.message, {
    ...(stored.hint === undefined ? {} : { hint: stored.hint }),
    ...(stored.data === undefined ? {} : { data: stored.data }),
  })
  if (stored.name !== undefined) error.name = stored.name
  return error
}

function wellFormed(value: unknown): string {
  const text = printed(value)
  const short = text.length > 4000 ? `${text.slice(0, 4000)}…` : text
  return short.toWellFormed()
}

/** What was thrown may be anything, and say anything of itself. */
function printed(value: unknown): string {
  try {
    return String(value)
  } catch {
    return 'something that cannot be printed'
  }
}
