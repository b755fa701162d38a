/**
 * Given: what the verbs of a workspace are given, checked before they begin, for callers whose code no compiler reads.
 *
 * Only what a verb would stumble over is here: that there are options, who does it, texts that are texts. What a verb says
 * itself, with words of its own, it goes on saying. Decisions of the inbox answer `refused` where nobody is named.
 */
import type { z } from 'zod'
import { KeelsonError } from './base/errors.ts'
import { withZod } from './base/zod.ts'
import type { WorkspaceMemory } from './memory/handle.ts'

const shapes = withZod((z) => {
  const text = z.string()
  const any = z.unknown()
  const some = z.looseObject({})
  const by = z.looseObject({ by: z.looseObject({ kind: z.enum(['person', 'system', 'agent']), id: text }) })
  const reason = by.extend({ reason: text })
  const named = z.looseObject({ name: text })
  const version = z.int()
  const query = some.optional()
  const doing = (verb: string) => z.looseObject({ [verb]: z.custom((value) => typeof value === 'function') })
  const kept = text.or(z.looseObject({ sha256: text }))
  const content = text.or(z.instanceof(Uint8Array)).or(z.looseObject({ text }))
  return new Map<string, readonly z.ZodType[]>([
    ...each('', { configure: [any, by], why: [text, query], rehearse: [query], import: [any, by], merge: [any, by] }),
    ...each('', { freeze: [reason], thaw: [by], adopt: [by], suspend: [reason], resume: [by] }),
    ...each('', { send: [named, any, z.looseObject({ id: text })] }),
    ...each('', { delete: [by.extend({ confirm: text })], 'workspaces.create': [text, by] }),
    ...each('runs.', { cancel: [text, reason], pause: [text, reason], resume: [text, by], retry: [text, by] }),
    ...each('runs.', { setOutcome: [text, by.extend({ step: text })], restart: [text, by] }),
    ...each('runs.', { move: [text, by.extend({ to: version })] }),
    ...each('runs.', { list: [query], upgrade: [by.extend({ playbook: text, to: version })] }),
    ...each('inbox.', { list: [query], get: [text], opened: [text, by], decide: [text, some], delegate: [text, some] }),
    ...each('inbox.', { batch: [z.array(z.looseObject({ id: text, hash: text })), some] }),
    ...each('inbox.', { snooze: [text, z.looseObject({ until: text })], fatigue: [z.looseObject({ since: text })] }),
    ...each('holds.', { cancel: [text, z.looseObject({ reason: text })], sendNow: [text, some] }),
    ...each('holds.', { reschedule: [text, z.looseObject({ to: text })], list: [query] }),
    ...each('audit.', { story: [text], why: [named, text, text], query: [query] }),
    ...each('audit.', { verify: [z.looseObject({ anchors: z.array(some) }).optional()] }),
    ...each('revert.', { plan: [some], apply: [z.looseObject({ hash: text, target: some }), by] }),
    ...each('schedules.', { set: [text, named, z.looseObject({ cron: text })], remove: [text, by], next: [text] }),
    ...each('grants.', { create: [by.extend({ action: named, where: some, cap: some, until: text })] }),
    ...each('grants.', { attenuate: [text, by], uses: [text, query], revoke: [text, by], suggest: [query] }),
    ...each('budgets.', { raise: [text, by] }),
    ...each('policy.', { explain: [z.looseObject({ candidate: some })] }),
    ...each('shadow.', { on: [named, by], off: [named, by], observe: [named, any, by] }),
    ...each('shadow.', { report: [named, query], diff: [text, query] }),
    ...each('artifacts.', { put: [content, query], get: [kept], text: [kept], diff: [kept, kept] }),
    ...each('cache.', { invalidate: [some, by] }),
    ...each('templates.', { put: [text, text, by], get: [text, query], fill: [text, some, query] }),
    ...each('taxonomy.', { set: [some, by] }),
    ...each('metrics.', { report: [query], spent: [named, text, by], 'alerts.acknowledge': [text, by] }),
    ...each('trust.', { set: [named, text, by], ceiling: [named, text, by] }),
    ...each('maintenance.', { prune: [by], run: [by], schedule: [by.extend({ cron: text })], unschedule: [by] }),
    ...each('memory.', {
      scope: [text, query],
      remember: [some.or(z.array(some)), by],
      append: [some.or(z.array(some)), by],
    }),
    ...each('memory.', { import: [any, by], correct: [text, some, by], pin: [text, by], unpin: [text, by] }),
    ...each('memory.', { expire: [text, by.extend({ at: text })], forget: [text, by], restore: [text, by] }),
    ...each('memory.', { erase: [some, reason], revert: [some, by], consolidate: [doing('propose').optional(), by] }),
    ...each('memory.', { calibrate: [z.array(some), by], get: [text], context: [z.looseObject({ task: text })] }),
    ...each('memory.', { recall: [text.or(some)], facts: [query], history: [query], contexts: [query] }),
    ...each('memory.changes.', { list: [query], get: [text], diff: [text], propose: [z.array(some), reason] }),
    ...each('memory.changes.', { apply: [text, by], reject: [text, by] }),
    ...each('memory.retention.', { set: [some, by], remove: [text, by], forecast: [text], run: [by] }),
  ])
})

function each(
  prefix: string,
  verbs: { readonly [verb: string]: readonly z.ZodType[] },
): (readonly [string, readonly z.ZodType[]])[] {
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

function checked(path: string, verb: Verb): Verb {
  return (...given) => {
    const wanted = shapes().get(path) ?? []
    const wrong = wrongIn(path, wanted, given)
    if (path !== 'memory.scope') return wrong === undefined ? verb(...given) : Promise.reject(wrong)
    if (wrong !== undefined) throw wrong
    return checkingGiven(verb(...given) as WorkspaceMemory, 'memory.')
  }
}

const HINTS: Readonly<Record<string, string>> = {
  by: "Say who does it: { by: { kind: 'person', id } }.",
  cap: 'Cap it by count or amount, per period: { cap: { count: 20, per: "30d" } }.',
  where: 'Say which inputs it covers: { where: { to: "ada" } }; {} covers all.',
  reason: 'Say why, in words: it is recorded.',
}

function hintFor(field: string, { def }: z.ZodType): string {
  const missing = field === '' && 'shape' in def ? Object.keys(def.shape as object) : [field]
  const known = missing.find((one) => Object.hasOwn(HINTS, one))
  return known === undefined ? 'Nothing was done. The type of the verb says what it takes.' : HINTS[known]!
}

function wrongIn(path: string, wanted: readonly z.ZodType[], given: readonly unknown[]): KeelsonError | undefined {
  for (const [at, schema] of wanted.entries()) {
    const { error } = schema.safeParse(given[at])
    const issue = error?.issues[0]
    if (issue === undefined) continue
    const field = issue.path.map(String).join('.')
    const what = field === '' ? `argument ${at + 1}` : `"${field}" of argument ${at + 1}`
    return new KeelsonError('INPUT_INVALID', `${path} cannot begin: ${what}: ${issue.message}`, {
      hint: hintFor(field.split('.')[0]!, schema),
      data: { verb: path },
    })
  }
  return undefined
}
