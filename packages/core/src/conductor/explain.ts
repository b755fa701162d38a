/** Explain: what another set of rules would have said of what was judged, from the journal alone. */
import { durationMs } from '../base/duration.ts'
import { KeelsonError } from '../base/errors.ts'
import { parseStored, canonicalAround } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import { dataOf, type Entry, type Placed } from '../journal/entry.ts'
import type { Put } from '../journal/put.ts'
import { difference, rehearsal, type Recorded, type Rejudged } from '../policy/rehearsal.ts'
import type { PolicyGate } from '../policy/rule.ts'
import { schemaIn, settingsFrom, type Settings } from '../policy/settings.ts'
import type { Judgement } from '../policy/verdict.ts'
import type { EffectRecord } from './effect/ledger.ts'
import type { Environment } from './environment.ts'
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
  /** `unknown` where it needs something that nobody looked up then. */
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
   * Judges again, under other rules, what was judged since then (an instant, or so long back: '7d'): from the inputs, labels, settings and finds on record.
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
  const changes: PolicyDifference[] = []
  let settings: Settings = {}
  let [judged, barred] = [0, 0]
  for (let after = 0; ;) {
    const page = await env.store.tail(workspace, after, PAGE)
    for (const entry of page) {
      settings = settingsIn(env, entry) ?? settings
      const found = entry.at < from ? undefined : judgementIn(env, workspace, entry, settings)
      if (found === undefined) continue
      judged++
      if (isBarred(found.verdict)) {
        barred++
        continue
      }
      const to = await again(found.recorded, found.verdict)
      const why = difference(found.verdict, to)
      if (why === undefined) continue
      const { action, input } = found.recorded
      const place = { run: runOf(entry), step: entry.key, at: iso(entry.at) }
      changes.push({
        effect: found.effect,
        ...place,
        action,
        input: input as Json,
        from: found.verdict.verdict,
        to: to.verdict,
        why,
      })
    }
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return { judged, barred, changes }
    after = last.position
  }
}

function fromOf(since: string | Date | number, now: number): number {
  const back = typeof since === 'string' && /^\d+(\.\d+)?[smhd]$/.test(since)
  const from = back ? now - durationMs(since) : new Date(since).getTime()
  if (Number.isFinite(from)) return from
  throw new KeelsonError('INPUT_INVALID', `"${String(since)}" is not an instant`, {
    hint: "Write ISO text with a zone, '7d' for so long back, or pass a Date.",
  })
}

interface Found {
  readonly effect: string
  readonly recorded: Recorded
  readonly verdict: Judgement
}

function isBarred({ denies }: Judgement): boolean {
  return denies.some((one) => one.rule === 'persona')
}

/** The first judgement of an effect, a denial, or that of a read. */
function judgementIn(env: Environment, workspace: string, entry: Placed, settings: Settings): Found | undefined {
  if (entry.payload === null) return undefined
  const found = of(entry)
  if (found === undefined) return undefined
  const known = env.actions.find(found.action)
  const recorded: Recorded = {
    workspace,
    action: found.action,
    account: found.account,
    effect: known?.effect ?? 'irreversible',
    input: parseStored(canonicalAround(found.input)),
    settings,
    outgoing: known?.outgoing ?? true,
    persona: undefined,
  }
  return { effect: found.effect, recorded, verdict: found.verdict }
}

type Judged = { effect: string; action: string; account: string; input: Json; verdict: Judgement }

function of(entry: Entry): Judged | undefined {
  switch (entry.kind) {
    case 'effect.sending':
    case 'effect.opened': {
      const data = dataOf(entry as Entry & { kind: 'effect.sending' })
      const record = recordIn(data.puts ?? [])
      const verdict = (data.judged ?? data.verdict) as unknown as Judgement | undefined
      if (record === undefined || verdict?.policy === undefined) return undefined // a later try, or joined
      return { effect: record.id, action: record.action, account: record.account, input: record.input, verdict }
    }
    case 'effect.completed':
      return dataOf(entry as Entry & { kind: 'effect.completed' }).judged as unknown as Judged | undefined
    default:
      return undefined
  }
}

function recordIn(puts: readonly Put[]): EffectRecord | undefined {
  return puts.find((put) => put.kind === 'effect')?.data as unknown as EffectRecord | undefined
}

function settingsIn({ settings: shape }: Environment, entry: Entry): Settings | undefined {
  if (entry.kind !== 'workspace.configured' || entry.payload === null) return undefined
  const puts = dataOf(entry as Entry & { kind: 'workspace.configured' }).puts ?? []
  const put = puts.find((one) => one.id === 'settings')
  return put === undefined ? undefined : settingsFrom(shape, put.data, schemaIn(put.index))
}

function runOf({ stream }: Entry): string {
  return stream.replace(/^run:/, '').replace(/:\d+$/, '')
}
