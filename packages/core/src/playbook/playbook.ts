/** Playbook: the definition of a durable workflow. Plain async code; what it remembers, it does through its context. */
import type { z } from 'zod'
import { KeelsonError } from '../base/errors.ts'
import { assertCallable, assertCount, assertKnown, assertOneOf, named, namesOf, noSuch } from '../base/known.ts'
import { assertLists, type Terms } from '../base/taxonomy.ts'
import { assertStorable } from '../base/schema.ts'
import { assertJson } from '../base/storable.ts'
import type { Returned } from '../base/value.ts'
import { withZod, zod, type Zod } from '../base/zod.ts'
import { agentOf, isAgent, type AnyAgent } from '../agent/agent.ts'
import { isAction, type AnyAction, definitionOf } from '../connector/action.ts'
import { spendingIn, type Spending } from '../policy/budget.ts'
import { assertPersona } from '../policy/is-persona.ts'
import type { Persona } from '../policy/persona.ts'
import { baselineMs, type Baseline, type BaselineMs } from './baseline.ts'
import type { Context, Playbook } from './context.ts'

/** How this version's operations relate to an older version's journal. */
export interface Changes {
  /** Old key → new key. */
  readonly renamed?: Readonly<Record<string, string>>
  readonly removed?: readonly string[]
  readonly inserted?: readonly string[]
}

/** A definition with its types worn off. `internal` ones are Keelson's own and also get the pass. */
export interface AnyPlaybook {
  readonly name: string
  readonly version: number
  /** Keelson's own: its input and output hold values of others, so they may be larger than a value. */
  readonly internal: boolean
  readonly input: z.ZodType
  readonly output: z.ZodType
  readonly persona: Persona | undefined
  /** Names of connectors, actions, agents and playbooks that it declares. */
  readonly uses: ReadonlySet<string>
  /** It declares actions or connectors, so others are refused. */
  readonly limitsActions: boolean
  readonly usedActions: readonly AnyAction[]
  readonly usedAgents: readonly AnyAgent[]
  readonly serialize: ((input: unknown) => string) | undefined
  readonly laneWhileRunning: boolean
  readonly atOnce: number | undefined
  readonly changes: Changes
  /** How long a person takes, by its input. */
  readonly baseline: ((input: unknown) => BaselineMs) | undefined
  /** How its runs are sorted, by their input. */
  readonly terms: ((input: unknown) => Terms) | undefined
  /** What one run may spend, its children included. */
  readonly budget: Spending | undefined
  readonly run: (ctx: Context, input: unknown, pass: unknown) => Promise<unknown>
}

const definitions = new WeakMap<object, AnyPlaybook>()

/** Defines a playbook. Keep a version registered until its last run has ended. */
export function definePlaybook<
  I extends z.ZodType,
  O extends z.ZodType,
  const R extends Returned<z.input<O>>,
>(definition: {
  /** Letters, digits, ".", "-", "_"; "keelson." is taken. */
  readonly name: string
  /** A whole number. Raise it when the code no longer fits the journals of open runs. */
  readonly version: number
  /** What it is started with: a schema of zod. */
  readonly input: I
  /** What it returns. */
  readonly output: O
  /** In whose name it acts: what it may do, and within which limits. */
  readonly persona?: Persona
  /** What it may use. Once it names an action or connector, any other action is `ACTION_NOT_DECLARED`. */
  readonly uses?: readonly ({ readonly name: string } | Record<string, unknown>)[]
  /** How long a person takes for the same work, or how that follows from the input: the base of time saved. */
  readonly baseline?: Baseline | ((input: z.output<I>) => Baseline)
  /** Terms of the workspace's taxonomy by which its runs are counted in metrics; one that is not in use there counts as none. */
  readonly terms?: Terms | ((input: z.output<I>) => Terms)
  /** What one run of it may spend, its children included. */
  readonly budget?: Spending
  /** Runs with the same key go one after the other. A run whose key is no text, or an empty one, is not started. */
  readonly serialize?: (input: z.output<I>) => string
  /** When the lane is held: from start to settle, or only while a pass runs. Default 'open'. */
  readonly while?: 'open' | 'running'
  /** Passes of this playbook at once in one process. Where its versions differ, the least counts for all. */
  readonly atOnce?: number
  /** Names of steps that are other than in the journals of open runs. */
  readonly changes?: Changes
  /** Its code: `ctx` for all that is remembered, plain code for the rest. */
  run(ctx: Context, input: z.output<I>): Promise<R | z.input<O>>
}): Playbook<z.input<I>, z.output<O>> {
  const d = definition
  assertKnown(`playbook ${named(d?.name)}`, d, PLAYBOOK)
  if (!/^[a-z][\w.-]*$/i.test(d.name) || d.name.startsWith('keelson.'))
    throw invalid(
      `"${d.name}" is not a name for a playbook`,
      'Use letters, digits, ".", "-", "_"; "keelson." is taken.',
    )
  if (!Number.isSafeInteger(d.version) || d.version < 1)
    throw invalid(`playbook ${d.name} has version ${JSON.stringify(d.version)}`, 'Use whole numbers from 1.')
  assertCallable(`playbook ${d.name}`, d, ['run', 'serialize'])
  if (d.run === undefined) throw invalid(`playbook ${d.name} has no run`, 'run: async (ctx, input) => …')
  assertOneOf(`"while" of playbook ${d.name}`, d.while, ['open', 'running'])
  assertCount(`"atOnce" of playbook ${d.name}`, d.atOnce)
  assertPersona(d.persona, `playbook ${d.name}`)
  if (d.changes !== undefined) assertKnown(`"changes" of playbook ${d.name}`, d.changes, CHANGES)
  assertUses(d.name, d.uses ?? [])
  return registerPlaybook({
    ...d,
    changes: d.changes ?? {},
    uses: d.uses ?? [],
    run: async (ctx, input) => d.run(ctx, input as z.output<I>),
    serialize: d.serialize as ((input: unknown) => string) | undefined,
    baseline: d.baseline as BareDefinition['baseline'],
    terms: d.terms as BareDefinition['terms'],
  })
}

const PLAYBOOK = namesOf<Parameters<typeof definePlaybook>[0]>({
  ...{ name: true, version: true, input: true, output: true, persona: true, uses: true, baseline: true, terms: true },
  ...{ budget: true, serialize: true, while: true, atOnce: true, changes: true, run: true },
})
const CHANGES = namesOf<Changes>({ renamed: true, removed: true, inserted: true })

/** What is no thing to use would bound nothing: any action could then be used. */
function assertUses(name: string, uses: readonly unknown[]): void {
  if (!Array.isArray(uses)) throw invalid(`the uses of playbook ${name} are no list`, 'Write uses: [ … ].')
  for (const one of uses as readonly unknown[]) {
    if ((typeof one === 'object' && one !== null) || typeof one === 'function') continue
    const what = `anything that playbook ${name} could use`
    throw noSuch('DEFINITION_INVALID', one, what, 'action(), defineConnector(), defineAgent() or definePlaybook()')
  }
}

/** A definition without types. */
interface BareDefinition {
  name: string
  version: number
  input: z.ZodType
  output: z.ZodType
  persona?: Persona
  uses?: readonly ({ readonly name: string } | Record<string, unknown>)[]
  baseline?: Baseline | ((input: unknown) => Baseline) | undefined
  terms?: Terms | ((input: unknown) => Terms) | undefined
  budget?: Spending
  serialize?: ((input: unknown) => string) | undefined
  while?: 'open' | 'running'
  atOnce?: number
  changes?: Changes
  run: AnyPlaybook['run']
}

/** A playbook from a definition without types. */
export function registerPlaybook<In, Out>(d: BareDefinition): Playbook<In, Out> {
  assertJson(d.input, `the input of playbook ${d.name}`, 'given')
  assertStorable(d.output, `the output of playbook ${d.name}`)
  const used = (d.uses ?? []).flatMap((one) => actionsIn(one))
  const made = Object.freeze({ name: d.name, version: d.version })
  definitions.set(made, {
    name: d.name,
    version: d.version,
    internal: d.name.startsWith('keelson.'),
    input: d.input,
    output: d.output,
    persona: d.persona,
    uses: new Set((d.uses ?? []).map((one) => nameIn(one))),
    limitsActions: used.length > 0,
    usedActions: used,
    usedAgents: (d.uses ?? []).flatMap((one) => (isAgent(one) ? [agentOf(one)] : [])),
    serialize: d.serialize,
    laneWhileRunning: d.while === 'running',
    atOnce: d.atOnce,
    changes: d.changes ?? {},
    baseline: baselineOf(d),
    terms: termsOf(d),
    budget: d.budget === undefined ? undefined : spendingIn(d.budget, `playbook ${d.name}`),
    run: d.run,
  })
  return made
}

function baselineOf({ name, baseline }: BareDefinition): AnyPlaybook['baseline'] {
  if (baseline === undefined) return undefined
  const what = `playbook ${name}`
  if (typeof baseline === 'function') return (input) => baselineMs(baseline(input), what)
  const same = baselineMs(baseline, what)
  return () => same
}

function termsOf({ terms }: BareDefinition): AnyPlaybook['terms'] {
  if (terms === undefined || typeof terms === 'function') return terms
  assertLists(terms)
  return () => terms
}

/** A playbook of Keelson's own: made when it is first needed, for its schemas need zod to be loaded. */
export function builtIn(make: (z: Zod) => BareDefinition): () => AnyPlaybook {
  return withZod((z) => playbookOf(registerPlaybook(make(z))))
}

/** Stands for a playbook of which this process does not have the code: what needs none can be done with it. */
export function standIn(name: string, version: number): AnyPlaybook {
  return playbookOf(registerPlaybook({ name, version, input: zod().json(), output: zod().json(), run: absent }))
}

export function hasCode(playbook: AnyPlaybook): boolean {
  return playbook.run !== absent
}

function absent(): Promise<never> {
  return Promise.reject(new KeelsonError('PLAYBOOK_NOT_FOUND', 'its code is not here'))
}

export function playbookOf(value: { readonly name: string }): AnyPlaybook {
  const found = definitions.get(value)
  if (found !== undefined) return found
  throw noSuch('PLAYBOOK_NOT_FOUND', value, 'a playbook', 'definePlaybook()')
}

function nameIn(member: object): string {
  const { name } = member as { name?: unknown }
  return typeof name === 'string' ? name : ''
}

/** The actions of a `uses` member: an action itself, or a connector with actions as members. */
function actionsIn(member: object): AnyAction[] {
  if (isAction(member)) return [definitionOf(member)]
  return Object.values(member)
    .filter(isAction)
    .map((one) => definitionOf(one))
}

function invalid(message: string, hint: string): KeelsonError {
  return new KeelsonError('DEFINITION_INVALID', message, { hint })
}
