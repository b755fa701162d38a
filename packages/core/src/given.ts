/**
 * Given: what the verbs of a workspace are given, checked before they begin, for callers whose code no compiler reads.
 *
 * Only what a verb would stumble over, or leave out without a word, is here: that there are options and no others than it has,
 * values of closed lists, who does it, texts that are texts. What a verb says itself, with words of its own, it goes on saying.
 * Decisions of the inbox answer `refused` where nobody is named.
 */
import type { z } from 'zod'
import { KeelsonError } from './base/errors.ts'
import { meantBy, named } from './base/known.ts'
import { TAXONOMIES } from './base/taxonomy.ts'
import { REVERT_CAUSES } from './conductor/revert/revert.ts'
import { withZod, type Zod } from './base/zod.ts'
import type { WorkspaceMemory } from './memory/handle.ts'
import { MEMORY_KINDS } from './memory/unit.ts'

/** What stands at one place; where it may be one or a list of them, by what stands there. */
type Wanted = z.ZodType | ((given: unknown) => z.ZodType)

/** What the shapes of verbs are made of. */
const words = (z: Zod) => {
  const text = z.string()
  const any = z.unknown()
  const flag = z.boolean().optional()
  const some = z.looseObject({})
  /** So many of a list: each verb has its bounds, and what is no whole number would be past none of them. */
  const limit = z.custom((value) => value === Infinity || Number.isInteger(value), 'a whole number is needed')
  /** Options: those in `shape` are looked at; of the others, in `more`, only the name, and that a `limit` is one. */
  const takes = <S extends z.ZodRawShape>(shape: S, more = '') => {
    const names = more.split(' ').filter((name) => name !== '')
    const known = names.map((name) => [name, (name === 'limit' ? limit : any).optional()])
    return z.strictObject({ ...shape, ...(Object.fromEntries(known) as z.ZodRawShape) })
  }
  const asks = (more: string, shape: z.ZodRawShape = {}) => takes(shape, more).optional()
  const actor = z.looseObject({ kind: z.enum(['person', 'system', 'agent']), id: text })
  const by = (more = '', shape: z.ZodRawShape = {}) => takes({ by: actor, ...shape }, more)
  const reason = (more = '') => by(more, { reason: text })
  const noted = (more = '', shape: z.ZodRawShape = {}) => by(`reason ${more}`, shape)
  const thing = z.looseObject({ name: text })
  const version = z.int()
  const cap = takes({}, 'count amount per')
  const persona = z.looseObject({ name: text, may: z.array(text) })
  const doing = (verb: string) => z.looseObject({ [verb]: z.custom((value) => typeof value === 'function') })
  const kept = text.or(z.looseObject({ sha256: text }))
  const content = text.or(z.instanceof(Uint8Array)).or(z.looseObject({ text }))
  return {
    z,
    text,
    any,
    flag,
    some,
    takes,
    asks,
    by,
    reason,
    noted,
    thing,
    version,
    cap,
    persona,
    doing,
    kept,
    content,
  }
}
type Words = ReturnType<typeof words>
type Verbs = readonly (readonly [string, readonly Wanted[]])[]

const shapes = withZod((z) => {
  const made = words(z)
  return new Map([...ofRuns(made), ...ofDesks(made), ...ofMemory(made)])
})

/** Of the workspace itself, its runs and its inbox. */
function ofRuns({ z, text, any, flag, takes, asks, by, reason, thing, version, persona }: Words): Verbs {
  const state = z.enum(['open', 'settled', 'held']).optional()
  const decided = takes({ hash: text }, 'by approve edit reject respond answer outcome output retry dismiss')
  return [
    ...each('', {
      start: [any, any, takes({ id: text, shadow: flag, persona: persona.optional() }, 'by labels')],
      entities: [any, asks('by')],
      configure: [any, by()],
      why: [text, asks('how')],
      rehearse: [asks('playbook to finished onProgress signal')],
      export: [asks('since onProgress signal', { artifacts: z.enum(['inline', 'reference']).optional() })],
      import: [
        any,
        by('onProgress signal', { mode: z.enum(['restore', 'replace']).optional(), adopt: flag, dryRun: flag }),
      ],
      merge: [any, by('onProgress signal', { onConflict: z.enum(['keep', 'take']).optional(), dryRun: flag })],
    }),
    ...each('', { freeze: [reason()], thaw: [by()], adopt: [by()], suspend: [reason()], resume: [by()] }),
    ...each('', { send: [thing, any, takes({ id: text }, 'by')] }),
    ...each('', { delete: [by('', { confirm: text })], 'workspaces.create': [text, by()] }),
    ...each('runs.', { cancel: [text, reason()], pause: [text, reason()], resume: [text, by()] }),
    ...each('runs.', { retry: [text, by('step')], setOutcome: [text, by('outcome', { step: text })] }),
    ...each('runs.', {
      restart: [text, by('checkpoint step', { from: z.literal('start').optional() })],
    }),
    ...each('runs.', { move: [text, by('', { to: version })] }),
    ...each('runs.', { list: [asks('playbook limit', { state, builtIn: flag, after: z.number().optional() })] }),
    ...each('runs.', { upgrade: [by('from runs', { playbook: text, to: version, dryRun: flag })] }),
    ...each('inbox.', { list: [asks('after limit run entity assignee', { snoozed: flag })], get: [text] }),
    ...each('inbox.', { opened: [text, by()], decide: [text, decided], delegate: [text, takes({}, 'by to note')] }),
    ...each('inbox.', { batch: [z.array(z.looseObject({ id: text, hash: text })), takes({}, 'by approve reject')] }),
    ...each('inbox.', { snooze: [text, takes({ until: text }, 'by')], fatigue: [takes({ since: text })] }),
    ...each('inbox.', { watch: [asks('signal')] }),
    ...each('holds.', { cancel: [text, takes({ reason: text }, 'by')], sendNow: [text, takes({ hash: text }, 'by')] }),
    ...each('holds.', { reschedule: [text, takes({ to: text }, 'by')], list: [asks('action after limit')] }),
  ]
}

/** Of all that is looked up, planned and set. */
function ofDesks({ z, text, any, flag, some, takes, asks, by, noted, thing, cap, kept, content }: Words): Verbs {
  const id = text.optional()
  const plan = {
    backup: takes({ to: text }, 'keep').optional(),
    prune: takes({}, 'olderThan').optional(),
    ...{ retention: flag, compact: flag, digest: flag },
  }
  const shown = asks('window tolerance since')
  const mode = z.enum(['all', 'this']).optional()
  return [
    ...each('audit.', { story: [text], why: [thing, text, text], export: [asks('', { payloads: flag })] }),
    ...each('audit.', {
      query: [asks('actor entity action run from to after limit', { order: z.enum(['newest', 'oldest']).optional() })],
    }),
    ...each('audit.', { verify: [takes({ anchors: z.array(some), keys: z.array(text) }).optional()] }),
    ...each('revert.', { plan: [takes({ run: id, to: any.optional(), effect: id }, 'from playbook version agent')] }),
    ...each('revert.', {
      apply: [z.looseObject({ hash: text, target: some }), noted('', { cause: z.enum(REVERT_CAUSES).optional() })],
    }),
    ...each('schedules.', {
      set: [
        ...[text.refine((name) => !name.startsWith('keelson.'), 'names of Keelson itself cannot be used'), thing],
        takes({ cron: text, missed: z.enum(['skip', 'once', 'all']).optional() }, 'timezone input by'),
      ],
    }),
    ...each('schedules.', { remove: [text, by()], next: [text] }),
    ...each('grants.', {
      create: [by('persona playbook', { action: thing, where: some, cap, until: text })],
      attenuate: [text, by('persona playbook where until', { cap: cap.optional() })],
    }),
    ...each('grants.', { uses: [text, asks('after limit')], revoke: [text, by()], suggest: [asks('since least')] }),
    ...each('budgets.', { raise: [text, by('money tokens calls')] }),
    ...each('policy.', { explain: [takes({ candidate: some }, 'since')] }),
    ...each('shadow.', { on: [thing, by('', { version: mode })], off: [thing, by('', { version: mode })] }),
    ...each('shadow.', { observe: [thing, any, by('id at about')], report: [thing, shown], diff: [text, shown] }),
    ...each('artifacts.', { put: [content, asks('name type origin because by')], get: [kept], text: [kept] }),
    ...each('artifacts.', { diff: [kept, kept] }),
    ...each('cache.', { invalidate: [takes({}, 'tags action'), by()] }),
    ...each('templates.', { put: [text, text, by('note')], get: [text, asks('version')] }),
    ...each('templates.', { fill: [text, some, asks('version')] }),
    ...each('taxonomy.', {
      set: [takes(Object.fromEntries(TAXONOMIES.map((name) => [name, z.array(any).optional()]))), by()],
    }),
    ...each('metrics.', {
      report: [asks('from to', { by: z.enum(['playbook', 'day', 'week', ...TAXONOMIES]).optional() })],
      spent: [thing, text, by('', { on: z.enum(['setup', 'takeover', 'by-hand']).optional() })],
      'alerts.acknowledge': [text, by()],
    }),
    ...each('trust.', { digest: [takes({ from: text }, 'to')] }),
    ...each('trust.', { set: [thing, text, by('segment')], ceiling: [thing, text, noted('segment until')] }),
    ...each('maintenance.', {
      prune: [by('olderThan playbook onProgress signal', { dryRun: flag })],
      run: [by('id', plan)],
      schedule: [by('timeZone', { cron: text, ...plan })],
      unschedule: [by()],
    }),
  ]
}

/** Of memory. */
function ofMemory({ z, text, any, flag, some, takes, asks, by, reason, noted, doing }: Words): Verbs {
  const kinds = z.array(z.enum(MEMORY_KINDS)).optional()
  const clocks = asks('valid known')
  const about = z.array(any).optional()
  const recall = takes({ text, about, kinds, asOf: clocks }, 'thread terms from to limit')
  const status = z.enum(['proposed', 'applied', 'rejected', 'reverted']).optional()
  return [
    ...each('memory.', {
      scope: [text, asks('read maxSensitivity')],
      remember: [some.or(z.array(some)), noted()],
      append: [some.or(z.array(some)), noted()],
      import: [any, noted('id onProgress')],
      correct: [text, takes({}, 'text value validFrom confidence'), noted()],
      ...{ pin: [text, noted()], unpin: [text, noted()] },
      expire: [text, noted('', { at: text })],
      ...{ forget: [text, noted('graceMs')], restore: [text, noted()] },
      erase: [
        takes({}, 'ids about thread files'),
        by('', { reason: text, everywhere: flag, keepEffects: flag, files: flag }),
      ],
      revert: [takes({}, 'run changeSet actor since'), noted()],
      consolidate: [doing('propose').optional(), noted()],
      ...{ calibrate: [z.array(some), noted()], get: [text] },
      context: [takes({ task: text, about }, 'thread budgetTokens countTokens')],
      recall: [(given: unknown) => (typeof given === 'string' ? text : recall)],
      facts: [asks('about predicate terms limit', { kinds, asOf: clocks, history: flag })],
      ...{ history: [asks('thread about from to limit')], contexts: [asks('run limit')] },
    }),
    ...each('memory.changes.', { list: [asks('run actor limit', { status })], get: [text], diff: [text] }),
    ...each('memory.changes.', { propose: [z.array(some), reason()], apply: [text, noted()], reject: [text, noted()] }),
    ...each('memory.retention.', { set: [takes({}, 'name scope kinds authority outside keep grace'), noted()] }),
    ...each('memory.retention.', { remove: [text, noted()], forecast: [text], run: [noted()] }),
  ]
}

function each(prefix: string, verbs: { readonly [verb: string]: readonly Wanted[] }): Verbs {
  return Object.entries(verbs).map(([verb, given]) => [`${prefix}${verb}`, given])
}

type Verb = (...given: unknown[]) => unknown

/** The same verbs, which throw `INPUT_INVALID` for what they cannot begin with. */
export function checkingGiven<T extends object>(verbs: T, prefix = ''): T {
  const made = Object.entries(verbs).map(([name, verb]: [string, unknown]) => {
    const path = `${prefix}${name}`
    if (typeof verb === 'function') return [name, checked(path, verb as Verb)]
    return [name, typeof verb === 'object' && verb !== null ? checkingGiven(verb, `${path}.`) : verb]
  })
  return Object.fromEntries(made) as T
}

/** They answer what is no promise. */
const AT_ONCE: ReadonlySet<string> = new Set(['memory.scope', 'entities'])
const STREAMS: ReadonlySet<string> = new Set(['export', 'audit.export', 'inbox.watch'])

function checked(path: string, verb: Verb): Verb {
  return (...given) => {
    const wanted = shapes().get(path) ?? []
    const wrong = wrongIn(path, wanted, given)
    if (wrong === undefined)
      return path === 'memory.scope' ? checkingGiven(verb(...given) as WorkspaceMemory, 'memory.') : verb(...given)
    if (AT_ONCE.has(path)) throw wrong
    return STREAMS.has(path) ? failing(wrong) : Promise.reject(wrong)
  }
}

// eslint-disable-next-line require-yield -- it has nothing but its error
async function* failing(wrong: KeelsonError): AsyncGenerator<never> {
  throw wrong
}

const HINTS: Readonly<Record<string, string>> = {
  id: 'Name it after what it is about: { id: "order:42" }. Once more with the same id is the same once.',
  about: 'Give a list: about: [{ type, id }].',
  by: "Say who does it: { by: { kind: 'person', id } }.",
  cap: 'Cap it by count or amount, per period: { cap: { count: 20, per: "30d" } }.',
  where: 'Say which inputs it covers: { where: { to: "ada" } }; {} covers all.',
  reason: 'Say why, in words: it is recorded.',
  hash: 'It is that of the item which was shown: inbox.get(id) or inbox.list() has it.',
  persona: 'Pass what definePersona() returned.',
}

function hintFor(field: string, schema: z.ZodType): string {
  const lacked = field === '' ? lackedOf(schema) : [field]
  const known = lacked.find((one) => Object.hasOwn(HINTS, one))
  const lacks = field === '' && lacked.length > 0 ? `It lacks ${lacked.join(' and ')}.` : ''
  const hint = known === undefined ? 'The type of the verb says what it takes.' : HINTS[known]!
  return lacks === '' && known === undefined ? `Nothing was done. ${hint}` : `${lacks} ${hint}`.trim()
}

/** What is needed of an argument that is not there at all. */
function lackedOf({ def }: z.ZodType): string[] {
  const { shape = {} } = def as { shape?: Record<string, z.ZodType> }
  return Object.entries(shape).flatMap(([name, one]) => (one.safeParse(undefined).success ? [] : [name]))
}

function wrongIn(path: string, wanted: readonly Wanted[], given: readonly unknown[]): KeelsonError | undefined {
  for (const [at, one] of wanted.entries()) {
    const schema = typeof one === 'function' ? one(given[at]) : one
    const wrong = schema.safeParse(given[at]).error?.issues.find((issue) => isWrong(issue, given[at]))
    if (wrong !== undefined) return told(path, at, wrong, { schema, given: given[at] })
  }
  return undefined
}

type Issue = z.core.$ZodIssue

/** A name that there is not is no matter where nothing is given under it. */
function isWrong(issue: Issue, given: unknown): boolean {
  return issue.code !== 'unrecognized_keys' || strayOf(issue.keys, valueAt(given, issue.path)) !== undefined
}

function strayOf(names: readonly string[], given: unknown): string | undefined {
  return names.find((name) => (given as Record<string, unknown>)[name] !== undefined)
}

function told(
  verb: string,
  at: number,
  issue: Issue,
  { schema, given }: { readonly schema: z.ZodType; readonly given: unknown },
): KeelsonError {
  const field = issue.path.map(String).join('.')
  const what = field === '' ? `argument ${at + 1}` : `"${field}" of argument ${at + 1}`
  const value = valueAt(given, issue.path)
  const invalid = (wrong: string, hint: string): KeelsonError =>
    new KeelsonError('INPUT_INVALID', `${verb} cannot begin: ${what}${wrong}`, { hint, data: { verb } })
  if (issue.code === 'unrecognized_keys') {
    const stray = strayOf(issue.keys, value)!
    return invalid(` has no option "${stray}"`, meantBy(stray, namesAt(schema, issue.path)))
  }
  if (issue.code === 'invalid_value' && typeof value === 'string')
    return invalid(`: ${issue.message}, and not ${named(value)}`, meantBy(value, issue.values.map(String)))
  const id = issue.code === 'invalid_type' && issue.expected === 'string' ? idOf(value) : undefined
  if (id !== undefined)
    return invalid(': an id is needed, and not what has it', `Nothing was done. Pass its id: ${named(id)}.`)
  return invalid(`: ${issue.message}`, hintFor(field.split('.')[0]!, schema))
}

/** Of a run, an item or a record, which is given where its id is needed. */
function idOf(value: unknown): string | undefined {
  const { id } = (typeof value === 'object' && value !== null ? value : {}) as { id?: unknown }
  return typeof id === 'string' ? id : undefined
}

function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, step) => (value as Record<PropertyKey, unknown>)[step], given)
}

/** The names that the schema has at a place. */
function namesAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const { shape, innerType } = schema.def as { shape?: Record<string, z.ZodType>; innerType?: z.ZodType }
  if (innerType !== undefined) return namesAt(innerType, path)
  const [step, ...more] = path
  if (step === undefined) return Object.keys(shape ?? {})
  return namesAt(shape![String(step)]!, more)
}
