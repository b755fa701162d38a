/** Explain: what another set of rules would have said of what was judged, from the journal alone. */
import { durationMs } from '../base/duration.ts'
import { KeelsonError } from '../base/errors.ts'
import { parseStored, canonicalAround } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { AnyAction } from '../connector/action.ts'
import { dataOf, type Entry } from '../journal/entry.ts'
import { difference, rehearsal, type Recorded, type Rejudged } from '../policy/rehearsal.ts'
import type { PolicyGate } from '../policy/rule.ts'
import { schemaIn, settingsFrom, type Settings } from '../policy/settings.ts'
import type { Judgement } from '../policy/verdict.ts'
import type { Environment } from './environment.ts'
import { Judgements, type LastJudged } from './judgements.ts'
import { iso } from './waiting.ts'

/** One effect of which the candidate says something else. */
export interface PolicyDifference {
  readonly effect: string
  readonly run: string
  readonly step: string
  readonly action: string
  readonly input: Json
  readonly at: string
  readonly from: Judgement['verdict']
  /** `unknown` where it needs something that nobody looked up then, and of an action that this process does not know. */
  readonly to: Rejudged['verdict']
  readonly why: string
}

export interface Explained {
  /** Effects that were judged in that time. */
  readonly judged: number
  /** Of them, those that a persona did not allow: so it was journaled, and other rules change nothing of it. */
  readonly barred: number
  readonly changes: readonly PolicyDifference[]
}

export interface PolicyVerbs {
  /** The version of the rules in force here. */
  readonly version: string
  /**
   * Judges again, under other rules, what was judged since then (an instant, or so long back: '7d'): each effect once, as it was judged at last,
   * from the inputs, labels, settings, personas and finds on record.
   * Reads the whole journal of the workspace; writes nothing.
   */
  explain(options: { since?: string | Date; candidate: PolicyGate }): Promise<Explained>
}

export function policyOf(env: Environment, workspace: string): PolicyVerbs {
  return { version: env.policy.version, explain: (options) => explain(env, workspace, options) }
}

const PAGE = 500

async function explain(
  env: Environment,
  workspace: string,
  { since = 0, candidate }: { since?: string | Date | number; candidate: PolicyGate },
): Promise<Explained> {
  const from = fromOf(since, env.clock.now())
  const again = rehearsal(candidate)
  const all = new Judgements()
  const told: Told = { judged: 0, barred: 0, changes: [] }
  const look = async (some: readonly LastJudged[]): Promise<void> => {
    for (const one of some) if (one.at >= from) await tell(told, env, workspace, one, again)
  }
  let settings: Settings = {}
  for (let after = 0; ;) {
    const page = await env.store.tail(workspace, after, PAGE)
    for (const entry of page) {
      settings = settingsIn(env, entry) ?? settings
      await look(all.take(entry, settings))
    }
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) break
    after = last.position
  }
  await look(all.rest())
  const { judged, barred, changes } = told
  const inOrder = [...changes].sort(([a], [b]) => a - b).map(([, one]) => one)
  return { judged, barred, changes: inOrder }
}

type Told = { judged: number; barred: number; readonly changes: (readonly [asked: number, PolicyDifference])[] }

async function tell(
  told: Told,
  env: Environment,
  workspace: string,
  one: LastJudged,
  again: ReturnType<typeof rehearsal>,
): Promise<void> {
  told.judged++
  if (isBarred(one.verdict)) {
    told.barred++
    return
  }
  const { effect, run, step, action, input, verdict } = one
  const known = env.actions.find(action)
  const to = known === undefined ? unknownHere(action) : await again(recordedOf(workspace, one, known), verdict)
  const why = difference(verdict, to)
  if (why === undefined) return
  const about = { effect, run, step, action, input, at: iso(one.at) }
  told.changes.push([one.asked, { ...about, from: verdict.verdict, to: to.verdict, why }])
}

/** Whether it only reads, and whether it goes out, nobody can tell here. */
function unknownHere(action: string): Rejudged {
  return { verdict: 'unknown', reason: `action ${action} is not known to this process: pass its connector` }
}

function recordedOf(workspace: string, one: LastJudged, { effect, outgoing }: AnyAction): Recorded {
  const { action, account, settings, persona, undo } = one
  const input = parseStored(canonicalAround(one.input))
  return { workspace, action, account, effect, input, settings, outgoing, persona, undo }
}

function fromOf(since: string | Date | number, now: number): number {
  const back = typeof since === 'string' && /^\d+(\.\d+)?[smhd]$/.test(since)
  const from = back ? now - durationMs(since) : new Date(since).getTime()
  if (Number.isFinite(from)) return from
  throw new KeelsonError('INPUT_INVALID', `"${String(since)}" is not an instant`, {
    hint: "Write ISO text with a zone, '7d' for so long back, or pass a Date.",
  })
}

function isBarred({ denies }: Judgement): boolean {
  return denies.some((one) => one.rule === 'persona')
}

function settingsIn({ settings: shape }: Environment, entry: Entry): Settings | undefined {
  if (entry.kind !== 'workspace.configured' || entry.payload === null) return undefined
  const puts = dataOf(entry as Entry & { kind: 'workspace.configured' }).puts ?? []
  const put = puts.find((one) => one.id === 'settings')
  return put === undefined ? undefined : settingsFrom(shape, put.data, schemaIn(put.index))
}
