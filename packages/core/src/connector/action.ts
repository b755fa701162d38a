/**
 * Action: one typed operation on an outside system. It declares facts; policy decides.
 *
 * A1. `run` is given a key that stays the same for one effect, however often it is tried.
 * A2. An irreversible action says how it avoids happening twice, if only by saying `none`.
 * A3. Input and output are stored as canonical JSON: schemas parse once and to themselves.
 */
import type { z } from 'zod'
import { durationMs, type Duration } from '../base/duration.ts'
import type { Money } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { parseLabels, type Label } from '../base/labels.ts'
import { rateOf, type Rate, type RateLimit } from '../base/rate.ts'
import { namesOf, noSuch } from '../base/known.ts'
import type { Returned, Json } from '../base/value.ts'
import { assertFacts, assertUndo, type Category } from './facts.ts'
import type { PreviewSource } from './preview.ts'
import { assertStorable } from '../base/schema.ts'

/** A typed operation. `In` is what callers pass, `Out` what they get. */
export interface Action<In, Out> {
  readonly name: string
  readonly '~in'?: (input: In) => void
  readonly '~out'?: Out
  /** The same operation under another configured identity of its connector. */
  account(name: string): Action<In, Out>
}

/** How much harm a wrong one does. */
export type Risk = 'low' | 'medium' | 'high'

/** A reason to say no that a card offers; `fill` is what is said with it. */
export interface RejectReason {
  readonly id: string
  readonly label: string
  readonly fill?: string
}

/** How a second try of the same effect is kept from being a second effect. */
export type Idempotency =
  /** The system honours a key; for so many milliseconds (for ever, if left out). */
  | { readonly by: 'key'; readonly forMs?: number }
  /** What is made carries an id that follows from the key: a second try finds it there. */
  | { readonly by: 'id' }
  /** The system refuses a second try by a precondition (an ETag, a version). */
  | { readonly by: 'precondition' }
  /** `reconcile` can look whether it happened. */
  | { readonly by: 'lookup' }
  /** Nothing of the kind: sent at most once; an unknown outcome is put to a person. */
  | { readonly by: 'none' }

/** What went wrong with a try, as far as the next one is concerned. */
export type Failure =
  | { readonly class: 'retry' }
  | { readonly class: 'rate-limited'; readonly afterMs?: number }
  | { readonly class: 'final' }
  | { readonly class: 'reauth' }
  /** Nobody knows whether it happened. */
  | { readonly class: 'unknown' }

/** What a look at the outside system found. 'not-found' counts only after the settle window. */
export type Reconciled<Out, Undo> =
  | { readonly state: 'done'; readonly output: Out; readonly undo?: Undo }
  /** `settleMs`: how long that may still be wrong here, where it is longer than the action's own window. */
  | { readonly state: 'not-found'; readonly settleMs?: number }
  | { readonly state: 'unknown'; readonly why?: string }

export interface ActionRun {
  /** Stable for one effect over all tries, crashes and workers. */
  readonly key: string
  readonly signal: AbortSignal
  /** 1, 2, 3 … */
  readonly attempt: number
  /** When this effect was first sent, the same for every try; of a read, when this try began. Milliseconds, the conductor's clock. */
  readonly since: number
  /** What the connector's `connect` made of its options and credentials; undefined for an action of its own. */
  readonly config: unknown
}

/** What a run in shadow knows when it simulates. */
export interface Simulation<Out> {
  /** What it would have done before, through the same connector and account, oldest first. */
  readonly effects: readonly { readonly action: string; readonly input: Json; readonly output: Json }[]
  /** What a read really found; undefined for a write. */
  readonly real?: Out
}

/** Tags, or how they follow from the input. */
export type Tags<In> = readonly string[] | ((input: In) => readonly string[])

/** What `run` answers. */
type Ran<O extends z.ZodType, U extends z.ZodType> = { output: z.input<O>; undo?: z.input<U> }

interface Base<I extends z.ZodType, O extends z.ZodType, U extends z.ZodType, R, S> {
  /** 'connector.verb'. */
  readonly name: string
  /** For people. Default its name. */
  readonly title?: string
  /** What a caller passes: a schema of zod. */
  readonly input: I
  /** What a caller gets. */
  readonly output: O
  /** What `compensate` needs: prior bytes and our own version mark. */
  readonly undo?: U
  /** Business identity: the same parts are the same effect, whoever asks. Default: the run and the step. */
  readonly intent?: (input: z.output<I>) => readonly (string | number)[]
  /** What an approval shows. May look (at the file that would be overwritten), but changes nothing. */
  readonly preview?: (
    input: z.output<I>,
    options: { config: unknown; signal: AbortSignal },
  ) => Promise<PreviewSource> | PreviewSource
  /** How much harm a wrong one does. Default: high where it is irreversible and nothing keeps it from happening twice, medium where irreversible, else low. */
  readonly risk?: Risk | ((input: z.output<I>) => Risk)
  /** What a wrong one would touch. Trust goes no higher than 'approve' then, in a conversation 'batch', unless a person lets it. */
  readonly category?: Category
  /**
   * What it costs: shown to whoever decides, taken of budgets and of what grants allow, looked at by trust and by reports of shadow. Without
   * it, all money in its input together.
   */
  readonly cost?: (input: z.output<I>) => Money
  /** Reasons to say no that a card offers: `[{ id, label, fill? }]`; `fill` is what is said with it, else the label. */
  readonly rejectReasons?: readonly RejectReason[]
  /** What makes two of them alike, so that they may be decided together (a template, a segment). Default: the action. */
  readonly batchBy?: (input: z.output<I>) => string
  /**
   * What the effect rests on outside, as it is now (`{ open, amount }` of an invoice). Read when it is put to a person or
   * held, and again right before it is sent: when it differs, nothing is sent and it is asked anew, showing what changed.
   */
  readonly fresh?: (input: z.output<I>, options: { config: unknown; signal: AbortSignal }) => Promise<Json> | Json
  /** Does it, under a key that stays the same for one effect; throws `ActionError` to say what a failure is to the next try. */
  readonly run: (input: z.output<I>, options: ActionRun) => Promise<R | Ran<O, U>> | R | Ran<O, U>
  /** Looks whether it has happened, where no answer came. */
  readonly reconcile?: (
    input: z.output<I>,
    options: { key: string; since: number; signal: AbortSignal; config: unknown },
  ) => Promise<Reconciled<z.input<O>, z.input<U>>>
  /** Takes the effect back, if its object is still as we left it; throws `ActionError` of class 'final' if it is not. */
  readonly compensate?: (
    undo: z.output<U>,
    options: { key: string; signal: AbortSignal; config: unknown },
  ) => Promise<void> | void
  /**
   * What a run in shadow gets. Of a write: what it would have answered; left out, or undefined, it is what `preview` shows to be
   * there afterwards. Of a read: what it answers after what the run would have done; left out, or undefined: what is really there.
   */
  readonly simulate?: (input: z.output<I>, shadow: Simulation<z.output<O>>) => S | z.input<O> | undefined
  /** What an error that is no `ActionError` is to the next try; undefined: as without it. */
  readonly classify?: (error: unknown) => Failure | undefined
  /** How long 'not-found' may still be wrong. Default: timeout plus 30 s. */
  readonly settleWindowMs?: number
  /** The longest that one try may take. Default '30s'. */
  readonly timeout?: Duration
  /**
   * Tries in all, where they failed as 'retry' or 'rate-limited', or nobody heard of them and their key, or a look-up, makes another harmless.
   * What a person decides about it begins the count anew. Default 5.
   */
  readonly attempts?: number
  /** What it answers may be stale for so long; only for reads. Without it, every read is fresh. */
  readonly cache?: {
    readonly ttl: Duration
    /** Under which a write, an event or a person makes the answer count no more: `['customer:42']`. */
    readonly tags?: Tags<z.output<I>>
    /** For so long behind `ttl` the old answer is given while a new one is fetched. Default: never. */
    readonly stale?: Duration
  }
  /** Tags of cached reads that its end makes count no more; only for writes. */
  readonly invalidates?: Tags<z.output<I>>
  /**
   * What its output is to be taken for: an outsider may have written it, or it is private. Without it, for what its input
   * was, as that may come back.
   */
  readonly labels?: readonly Label[]
  /** False: what it is given stays with the company (its own disk, its own calendar). Default true, for reads too. */
  readonly outgoing?: boolean
  /** At most so many per time in a company, and the pause after each; what is too early waits for its turn. */
  readonly rate?: RateLimit
  /** Fields whose change makes it another decision. */
  readonly material?: readonly (keyof z.output<I> & string)[]
}

/** `effect`: a read changes nothing; what is irreversible says how it avoids happening twice. */
export type ActionDefinition<
  I extends z.ZodType,
  O extends z.ZodType,
  U extends z.ZodType,
  R = Returned<Ran<O, U>>,
  S = Returned<z.input<O>>,
> = Base<I, O, U, R, S> &
  (
    | { readonly effect: 'read'; readonly idempotency?: never }
    | { readonly effect: 'reversible'; readonly idempotency?: Idempotency }
    | { readonly effect: 'irreversible'; readonly idempotency: Idempotency }
  )

/** A definition with its types worn off: what core executes. Values cross it as stored JSON. */
export interface AnyAction {
  readonly name: string
  readonly title: string
  readonly account: string
  readonly effect: 'read' | 'reversible' | 'irreversible'
  readonly idempotency: Idempotency
  readonly input: z.ZodType
  readonly output: z.ZodType
  readonly undo: z.ZodType | undefined
  readonly intent: ((input: unknown) => readonly (string | number)[]) | undefined
  readonly preview: ((input: unknown, options: { config: unknown; signal: AbortSignal }) => unknown) | undefined
  readonly risk: Risk | ((input: unknown) => Risk) | undefined
  readonly category?: Category | undefined
  readonly cost: ((input: unknown) => Money) | undefined
  readonly rejectReasons: readonly RejectReason[]
  readonly batchBy: ((input: unknown) => string) | undefined
  readonly fresh:
    ((input: unknown, options: { config: unknown; signal: AbortSignal }) => Promise<Json> | Json) | undefined
  readonly run: (input: unknown, options: ActionRun) => Promise<{ output: unknown; undo?: unknown }>
  readonly reconcile:
    | ((
        input: unknown,
        options: { key: string; since: number; signal: AbortSignal; config: unknown },
      ) => Promise<Reconciled<unknown, unknown>>)
    | undefined
  readonly compensate:
    ((undo: unknown, options: { key: string; signal: AbortSignal; config: unknown }) => Promise<void>) | undefined
  readonly simulate: ((input: unknown, shadow: Simulation<unknown>) => unknown) | undefined
  readonly classify: ((error: unknown) => Failure | undefined) | undefined
  readonly settleWindowMs: number
  readonly timeoutMs: number
  readonly attempts: number
  readonly labels: readonly Label[] | undefined
  readonly outgoing: boolean
  readonly rate: Rate | undefined
  readonly material: readonly string[]
  readonly cache:
    | { readonly ttlMs: number; readonly staleMs: number; readonly tags: (input: unknown) => readonly string[] }
    | undefined
  readonly invalidates: ((input: unknown) => readonly string[]) | undefined
}

const NAMES = namesOf<ActionDefinition<z.ZodType, z.ZodType, z.ZodType>>({
  ...{ name: true, title: true, effect: true, input: true, output: true, undo: true, idempotency: true, intent: true },
  ...{ preview: true, risk: true, category: true, cost: true, rejectReasons: true, batchBy: true, fresh: true },
  ...{
    run: true,
    reconcile: true,
    compensate: true,
    simulate: true,
    classify: true,
    settleWindowMs: true,
    timeout: true,
  },
  ...{ attempts: true, cache: true, invalidates: true, labels: true, outgoing: true, rate: true, material: true },
})

const definitions = new WeakMap<object, AnyAction>()

/** Defines an action. Throws `DEFINITION_INVALID` for a definition that could not keep its promises. */
export function action<
  I extends z.ZodType,
  O extends z.ZodType,
  U extends z.ZodType = z.ZodUndefined,
  const R extends Returned<Ran<O, U>> = Returned<Ran<O, U>>,
  const S extends Returned<z.input<O>> = Returned<z.input<O>>,
>(definition: ActionDefinition<I, O, U, R, S>): Action<z.input<I>, z.output<O>> {
  const worn = wear(definition as unknown as ActionDefinition<z.ZodType, z.ZodType, z.ZodType>)
  return handle(worn)
}

/** The definition behind an action. */
export function definitionOf(value: { readonly name: string }): AnyAction {
  const found = definitions.get(value)
  if (found !== undefined) return found
  throw noSuch('ACTION_NOT_FOUND', value, 'an action', 'action() or defineConnector()')
}

export function isAction(value: unknown): value is Action<unknown, unknown> {
  return typeof value === 'object' && value !== null && definitions.has(value)
}

/** The connector's part of an action's name. */
export function connectorOf(actionName: string): string {
  const dot = actionName.indexOf('.')
  return dot < 0 ? '' : actionName.slice(0, dot)
}

/** An action from its worn definition, for those who replace how one executes (a fake, a bridge). */
export function handle<In, Out>(worn: AnyAction): Action<In, Out> {
  const made: Action<In, Out> = {
    name: worn.name,
    account: (name) => handle<In, Out>({ ...worn, account: name }),
  }
  definitions.set(made, worn)
  return Object.freeze(made)
}

function wear(definition: ActionDefinition<z.ZodType, z.ZodType, z.ZodType>): AnyAction {
  const d = definition
  assertFacts(d as unknown as Record<string, unknown>, NAMES)
  const { name } = d
  if (!/^[a-z][\w-]*(\.[\w-]+)+$/i.test(d.name)) {
    throw invalid(d.name, 'has no name of the form "connector.verb"', 'Name it after its system and verb: email.send.')
  }
  assertStorable(d.input, `the input of ${d.name}`)
  assertStorable(d.output, `the output of ${d.name}`)
  if (d.undo !== undefined) assertStorable(d.undo, `the undo token of ${d.name}`)
  assertUndo(d as unknown as Record<string, unknown>)
  const idempotency: Idempotency | undefined = d.idempotency
  if (d.effect === 'irreversible' && idempotency === undefined) {
    throw invalid(
      name,
      'is irreversible and does not say how it avoids happening twice',
      "Say at least idempotency: { by: 'none' }.",
    )
  }
  if (idempotency?.by === 'lookup' && d.reconcile === undefined) {
    throw invalid(
      d.name,
      'is idempotent by lookup but has no reconcile()',
      'Write reconcile(), or choose another kind.',
    )
  }
  const timeoutMs = durationMs(d.timeout ?? '30s')
  return Object.freeze({
    name: d.name,
    title: d.title ?? d.name,
    account: 'default',
    effect: d.effect,
    idempotency: idempotency ?? { by: 'none' as const },
    input: d.input,
    output: d.output,
    undo: d.undo,
    intent: d.intent,
    preview: d.preview,
    risk: d.risk,
    category: d.category,
    cost: d.cost,
    rejectReasons: d.rejectReasons ?? [],
    batchBy: d.batchBy,
    fresh: d.fresh,
    run: async (input: unknown, options: ActionRun) => d.run(input, options),
    reconcile: d.reconcile,
    compensate: d.compensate === undefined ? undefined : async (undo, options) => d.compensate?.(undo, options),
    simulate: d.simulate as AnyAction['simulate'],
    classify: d.classify,
    settleWindowMs: d.settleWindowMs ?? timeoutMs + 30_000,
    timeoutMs,
    attempts: d.attempts ?? 5,
    cache: cacheOf(d),
    invalidates: d.invalidates === undefined ? undefined : tagging(d.invalidates),
    labels: d.labels === undefined ? undefined : labelsOf(d.name, d.labels),
    outgoing: d.outgoing ?? true,
    rate: d.rate === undefined ? undefined : rateOf(d.rate, `action "${d.name}"`),
    material: (d.material as readonly string[] | undefined) ?? [],
  } satisfies AnyAction)
}

function cacheOf(d: ActionDefinition<z.ZodType, z.ZodType, z.ZodType>): AnyAction['cache'] {
  const { name, cache } = d
  if (cache !== undefined && d.effect !== 'read') {
    throw invalid(name, 'writes, and asks to be cached', 'Only reads can be: name the tags it invalidates instead.')
  }
  if (d.invalidates !== undefined && d.effect === 'read') {
    throw invalid(name, 'only reads, and says that it invalidates', 'Only writes do: leave it out.')
  }
  if (cache === undefined) return undefined
  const staleMs = cache.stale === undefined ? 0 : durationMs(cache.stale)
  return { ttlMs: durationMs(cache.ttl), staleMs, tags: tagging(cache.tags ?? []) }
}

function tagging(tags: Tags<unknown>): (input: unknown) => readonly string[] {
  return typeof tags === 'function' ? tags : () => tags
}

function labelsOf(name: string, labels: readonly Label[]): readonly Label[] {
  const parsed = parseLabels(labels)
  if (parsed === undefined)
    throw invalid(name, 'declares labels that there are not', "The labels are 'untrusted' and 'private'.")
  return parsed
}

function invalid(name: string, what: string, hint: string): KeelsonError {
  return new KeelsonError('DEFINITION_INVALID', `action "${name}" ${what}`, { hint })
}

/** Thrown by a connector to say what its failure means. Anything else is judged by the action's `classify`. */
export class ActionError extends Error {
  readonly failure: Failure
  /** Facts for whoever decides, without secrets. */
  readonly data: Json

  constructor(failure: Failure, message: string, options: { data?: Json; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ActionError'
    this.failure = failure
    this.data = options.data ?? null
    Object.defineProperty(this, Symbol.for('keelson.action-error'), { value: true })
  }

  static is(value: unknown): value is ActionError {
    return typeof value === 'object' && value !== null && Symbol.for('keelson.action-error') in value
  }
}
