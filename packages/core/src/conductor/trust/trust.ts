/** Trust: a company's verbs for the ladder: where each action stands, and a person's word on it. */
import type { Actor } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import { definitionOf, type Action } from '../../connector/action.ts'
import type { Category } from '../../connector/facts.ts'
import type { TrustRule } from '../../policy/trust-rule.ts'
import { isAbove, nextRung, RUNGS, topOf, wilsonLower, type TrustRung } from '../../policy/trust.ts'
import type { Environment } from '../environment.ts'
import { pagesOf } from '../../journal/pages.ts'
import { itemsWhere } from '../item.ts'
import { iso } from '../waiting.ts'
import { digest, type DigestSpan, type TrustDigest } from './digest.ts'
import { assertSegment, termOf } from './segment.ts'
import { ceilingAt, ceilingBy, happened, ruleOf, segmentOf, standingNow, trustOf, under } from './record.ts'
import type { Ceiling, TrustRecord } from './record.ts'

export interface Trusted {
  readonly action: string
  /** The account of its connector; absent: the default one. */
  readonly account?: string
  /** Absent: it was only declared, and each of its segments begins so. */
  readonly segment?: string
  readonly rung: TrustRung
  /** Absent where it was only declared. */
  readonly since?: string
  /** Nothing was judged yet, and nobody has set it: where its `defineTrust()` begins. No record says so. */
  readonly declared?: true
  /** Decisions that a person looked at since the current version, and the bound that they bear. */
  readonly seen: number
  readonly good: number
  readonly lower: number
  /** Asks since then that nobody answered in time: shown beside, and evidence of nothing. */
  readonly expired: number
  readonly ceiling: TrustRung
  /** What of the action its ceiling follows from, where nobody has said another. */
  readonly category?: Category
  /** Who has said so, in place of its `defineTrust()`, and until when. */
  readonly ceilingBy?: { readonly by: Actor; readonly at: string; readonly until?: string; readonly reason?: string }
  readonly next?: TrustRung
  readonly proposed?: TrustRung
  /** How far it is promoted without a person; absent where it is not, and once a person took such a promotion back. */
  readonly autoPromote?: TrustRung
}

export interface Trust {
  /**
   * Where each action stands that people have decided on, by segment; behind those, as `declared`, what this conductor was given
   * in `trust` and nobody has judged yet.
   */
  list(): Promise<readonly Trusted[]>
  /** A person's own choice of a rung, up to the ceiling. Recorded with who chose it. */
  set(action: Action<any, any>, rung: TrustRung, options: { by: Actor; segment?: string }): Promise<void>
  /**
   * How high it may climb in a segment, in place of what its `defineTrust()` says: higher or lower, for good or `until` an
   * instant (ISO text). Moves nothing up; what stands above comes down at once. A person says it, and it is recorded.
   */
  ceiling(action: Action<any, any>, rung: TrustRung, options: CeilingOptions): Promise<void>
  /** What began to act by itself in a time, on the rungs 'veto' and 'automatic': what came of it, and how it is taken back. */
  digest(span: DigestSpan): Promise<TrustDigest>
}

export interface CeilingOptions {
  readonly by: Actor
  readonly segment?: string
  readonly until?: string
  readonly reason?: string
}

export function trustVerbs(env: Environment, workspace: string): Trust {
  return {
    async list() {
      const records: TrustRecord[] = []
      const where = { field: 'all', value: 'trust' }
      for await (const row of pagesOf(env.store, workspace, { kind: 'trust', where }))
        records.push(JSON.parse(row.data) as TrustRecord)
      const unanswered = await unansweredOf(env, workspace, records)
      const all: Trusted[] = []
      for (const record of records) all.push(await shown(env, workspace, record, unanswered))
      return [...all, ...env.trust.filter((rule) => !isIn(records, rule)).map((rule) => declared(rule, unanswered))]
    },
    digest: (span) => digest(env, workspace, span),
    async set(action, rung, { by, segment = 'all' }) {
      const rule = climbing(env, action, rung, by)
      await env.company(workspace).edit(async () => {
        await assertSegment(env, workspace, rule, segment)
        const record = await trustOf(env, workspace, rule, segment)
        if (isAbove(rung, topOf({ ceiling: ceilingAt(rule, record, env.clock.now()) })))
          throw notSo(action.name, rung, 'that is above its ceiling')
        const { puts } = await happened(env, workspace, rule, record, [{ what: 'set', rung, at: env.clock.now() }])
        return {
          drafts: [{ kind: 'trust.set', data: { by, action: action.name, ...under(rule), segment, rung, puts } }],
        }
      })
    },
    async ceiling(action, rung, { by, segment = 'all', until, reason }) {
      const rule = climbing(env, action, rung, by)
      const why = reason === undefined ? {} : { reason }
      await env.company(workspace).edit(async () => {
        await assertSegment(env, workspace, rule, segment)
        const at = env.clock.now()
        const ends = until === undefined ? {} : { until: endOf(action.name, rung, until, at) }
        const ceiling: Ceiling = { rung, by, at, ...ends, ...why }
        const record = { ...(await trustOf(env, workspace, rule, segment)), ceiling }
        const { puts } = await happened(env, workspace, rule, record, [])
        return {
          drafts: [
            {
              kind: 'trust.ceiling',
              data: { by, action: action.name, ...under(rule), segment, rung, ...ends, ...why, puts },
            },
          ],
        }
      })
    },
  }
}

/** The rule of an action that climbs, and a person who speaks of one of its rungs. */
function climbing(env: Environment, given: Action<any, any>, rung: TrustRung, by: Actor): TrustRule {
  const { name: action, account } = definitionOf(given)
  const rule = ruleOf(env, action, account)
  if (rule === undefined) throw notSo(action, rung, 'no defineTrust() in createConductor({ trust }) names it')
  if (!RUNGS.includes(rung)) throw notSo(action, rung, 'that is no rung')
  if (by?.kind !== 'person' || typeof by.id !== 'string' || by.id === '') throw notSo(action, rung, 'no person says so')
  return rule
}

function endOf(action: string, rung: TrustRung, text: string, now: number): number {
  const until = Date.parse(text)
  if (Number.isFinite(until) && until > now) return until
  throw notSo(action, rung, `"${text}" is no instant to come`)
}

function notSo(action: string, rung: TrustRung, why: string): KeelsonError {
  return new KeelsonError('INPUT_INVALID', `"${String(rung)}" is not for ${action}: ${why}`, {
    hint: 'A named person sets a rung up to the ceiling; trust.ceiling() says how high that is, dated by ISO text.',
  })
}

async function shown(
  env: Environment,
  workspace: string,
  record: TrustRecord,
  unanswered: Unanswered,
): Promise<Trusted> {
  const { action, account, segment } = record
  const found = ruleOf(env, action, account)
  const known = found !== undefined && (await termOf(env, workspace, found, segment)).known
  const rule = known ? found : undefined
  const standing = rule === undefined ? record.standing : standingNow(env, rule, record)
  const now = env.clock.now()
  const said = ceilingBy(record, now)
  const ceiling = rule === undefined ? 'approve' : ceilingAt(rule, record, now)
  const { since, seen, good, proposed } = standing
  const rung = rule === undefined && isAbove(standing.rung, 'approve') ? 'approve' : standing.rung
  const next = nextRung(rung, ceiling)
  return {
    action,
    ...(account === undefined ? {} : { account }),
    segment,
    rung,
    since: iso(since),
    seen,
    good,
    lower: wilsonLower(good, seen),
    expired: rule === undefined ? 0 : unanswered(rule, segment).filter((at) => at >= since).length,
    ceiling,
    ...(said === undefined ? {} : { ceilingBy: saidBy(said) }),
    ...(said !== undefined || rule?.category === undefined ? {} : { category: rule.category }),
    ...(next === undefined ? {} : { next }),
    ...(proposed === undefined ? {} : { proposed }),
    ...(rule?.autoPromote === undefined || standing.asksFirst === true ? {} : { autoPromote: rule.autoPromote }),
  }
}

function isIn(records: readonly TrustRecord[], rule: TrustRule): boolean {
  return records.some(({ action, account = 'default' }) => action === rule.action && account === rule.account)
}

/** As it begins. Of whoever tells segments apart nobody knows which there are: all of them begin so. */
function declared(rule: TrustRule, unanswered: Unanswered): Trusted {
  const { action, start: rung, ceiling, category, autoPromote, isSegmented } = rule
  const next = nextRung(rung, ceiling)
  return {
    action,
    ...under(rule),
    ...(isSegmented ? {} : { segment: 'all' }),
    rung,
    declared: true,
    ...{ seen: 0, good: 0, lower: 0, expired: unanswered(rule).length },
    ceiling,
    ...(category === undefined ? {} : { category }),
    ...(next === undefined ? {} : { next }),
    ...(autoPromote === undefined ? {} : { autoPromote }),
  }
}

/** When each ask of a segment was made that nobody answered in time; of none: of them all. */
type Unanswered = (rule: TrustRule, segment?: string) => readonly number[]

/** Read once for each action, from the first of its standings on, whatever segments it has. */
async function unansweredOf(env: Environment, workspace: string, records: readonly TrustRecord[]): Promise<Unanswered> {
  const found = new Map<TrustRule, { readonly segment: string; readonly at: number }[]>()
  for (const action of new Set(env.trust.map((rule) => rule.action))) {
    const rules = env.trust.filter((rule) => rule.action === action)
    const since = records.filter((one) => one.action === action).map(({ standing }) => standing.since)
    const from = rules.every((rule) => isIn(records, rule)) ? Math.min(...since) : undefined
    for (const item of await itemsWhere(env.store, workspace, { field: 'unanswered', value: action }, from)) {
      const rule = rules.find(({ account }) => account === (item.account ?? 'default'))
      const segment = rule === undefined ? undefined : segmentOf(rule, item.input ?? null)
      if (rule === undefined || segment === undefined) continue
      const list = found.get(rule) ?? []
      list.push({ segment, at: item.openedAt })
      found.set(rule, list)
    }
  }
  return (rule, segment) =>
    (found.get(rule) ?? []).filter((one) => segment === undefined || one.segment === segment).map(({ at }) => at)
}

function saidBy({ by, at, until, reason }: Ceiling): NonNullable<Trusted['ceilingBy']> {
  const more = reason === undefined ? {} : { reason }
  return { by, at: iso(at), ...(until === undefined ? {} : { until: iso(until) }), ...more }
}
