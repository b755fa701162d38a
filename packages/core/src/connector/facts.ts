/** Facts: what the definition of an action may say, for callers whose code no compiler reads. */
import { KeelsonError } from '../base/errors.ts'
import { assertCallable, assertCount, assertKnown, assertMs, assertOneOf, named } from '../base/known.ts'

export const CATEGORIES = [
  'money',
  'deletion',
  'promise',
  'publishing',
  'first-contact',
  'rules',
  'conversation',
] as const

/**
 * What a wrong one would touch: money that moves, a deletion, a promise (also by law), publishing under the own name, a first
 * contact, rules (also schedules and agents), a conversation that is going on.
 */
export type Category = (typeof CATEGORIES)[number]

/** A definition as it may be given. */
type Given = Readonly<Record<string, unknown>>

const FUNCTIONS = [
  ...['run', 'intent', 'preview', 'cost', 'batchBy', 'fresh', 'reconcile', 'compensate', 'simulate', 'classify'],
] as const
const KINDS = ['key', 'id', 'precondition', 'lookup', 'none']

/** Throws `DEFINITION_INVALID` for a name that there is not, and for a fact that is none: it would count as not said. */
export function assertFacts(d: Given, names: readonly string[]): void {
  const what = `action ${named((d as Given | undefined)?.['name'])}`
  assertKnown(what, d, names)
  assertOneOf(`"effect" of ${what}`, d['effect'] ?? null, ['read', 'reversible', 'irreversible'])
  assertCallable(what, d, FUNCTIONS)
  if (d['run'] === undefined) throw invalid(`${what} has no run`, 'run: async (input, { key }) => ({ output })')
  if (d['idempotency'] !== undefined) {
    assertKnown(`"idempotency" of ${what}`, d['idempotency'], ['by', 'forMs'])
    assertOneOf(`"idempotency" of ${what}`, (d['idempotency'] as Given)['by'] ?? null, KINDS)
    assertMs(`"forMs" of ${what}`, (d['idempotency'] as Given)['forMs'], Infinity)
  }
  assertCount(`"attempts" of ${what}`, d['attempts'])
  assertMs(`"settleWindowMs" of ${what}`, d['settleWindowMs'])
  if (typeof d['risk'] !== 'function') assertOneOf(`"risk" of ${what}`, d['risk'], ['low', 'medium', 'high'])
  assertOneOf(`"category" of ${what}`, d['category'], CATEGORIES)
  assertOneOf(`"outgoing" of ${what}`, d['outgoing'], [true, false])
  if (d['cache'] !== undefined) assertKnown(`"cache" of ${what}`, d['cache'], ['ttl', 'tags', 'stale'])
}

/** Throws `DEFINITION_INVALID` for an effect that says what undoes it, and could not be taken back. */
export function assertUndo(d: Given): void {
  const what = `action ${named(d['name'])}`
  if (d['undo'] !== undefined && d['compensate'] === undefined)
    throw invalid(`${what} keeps what undoes it, and has no compensate()`, 'Write compensate(), or leave undo out.')
  if (d['effect'] === 'read' && d['compensate'] !== undefined)
    throw invalid(`${what} only reads, and is to be taken back`, 'Leave compensate out, or say its effect.')
}

function invalid(message: string, hint: string): KeelsonError {
  return new KeelsonError('DEFINITION_INVALID', message, { hint })
}
