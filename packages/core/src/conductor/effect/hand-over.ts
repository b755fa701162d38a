/** HandOver: an effect that cannot end at once becomes a run of its own, which outlives its caller. */
import { newRun } from '../start.ts'
import { KeelsonError, type StoredError } from '../../base/errors.ts'
import { dataOf, type Entry } from '../../journal/entry.ts'
import type { Op } from '../../journal/op.ts'
import type { EntryData } from '../../journal/kinds.ts'
import type { Left } from '../mail.ts'
import type { NewRun } from '../../journal/store.ts'
import { behalfOf } from '../behalf.ts'
import type { Pass } from '../pass.ts'
import { deciderOf } from './bytes.ts'
import { effectPut, effectRunId, readEffect, type Asker, type EffectRecord } from './ledger.ts'
import type { Tried } from './send.ts'
import type { EffectSpec } from './spec.ts'
import type { Built } from '../writer.ts'

export const EFFECT_PLAYBOOK = 'keelson.effect'

/** The effect run of a spec, to be started in the unit that opens the effect. */
export function effectRun(pass: Pass, spec: EffectSpec): NewRun {
  const { env, claimed } = pass.task
  const playbook = env.catalog.newest(EFFECT_PLAYBOOK)
  if (playbook === undefined) throw new KeelsonError('PLAYBOOK_NOT_FOUND', `${EFFECT_PLAYBOOK} is not registered`)
  return newRun(playbook, {
    workspace: claimed.row.workspace,
    id: effectRunId(spec.effect, spec.generation),
    input: spec,
    now: env.clock.now(),
    salt: () => env.ids.salt(),
  })
}

/** Leaves a sent effect of unknown outcome to a run of its own. The operation then waits for that run. */
export async function handOver(
  pass: Pass,
  key: string,
  sent: EntryData['effect.sending'],
  when: SentWhen,
  mode: Mode = 'reconcile',
): Promise<void> {
  const { env, claimed } = pass.task
  await pass.writer.submit(async () => {
    const found = await readEffect(env.store, claimed.row.workspace, sent.effect)
    if (found === undefined) throw new KeelsonError('STORE_CORRUPT', `effect ${sent.effect} has no record`)
    return handedOver(pass, key, sent, found, when, mode)
  })
  env.nudge()
}

export function handedOver(
  pass: Pass,
  key: string,
  sent: Sent & { hash: string },
  found: Found,
  when: SentWhen,
  mode: Mode,
): Built {
  const asker = { run: pass.task.claimed.row.id, key }
  const { run, put } = leftTo(pass, sent, found, when, mode, asker)
  const { record } = found
  const opened = { hash: sent.hash, action: record.action, effect: record.id, run: run.id, puts: [put] }
  return { drafts: [{ kind: 'effect.opened', key, data: opened }], starts: [run] }
}

/** What leaves a rewound operation's effect to a run of its own: nobody else would see to it. Nothing, if it is seen to. */
export async function left(pass: Pass, op: Op): Promise<Left | undefined> {
  if (pass.task.playbook.internal || op.sending === undefined) return undefined
  const { env, claimed } = pass.task
  const sent = dataOf(op.sending as Entry & { kind: 'effect.sending' })
  const found = await readEffect(env.store, claimed.row.workspace, sent.effect)
  if (found?.record.state !== 'open' || found.record.effectRun !== undefined) return undefined
  if (found.record.generation !== sent.generation) return undefined
  return leftTo(pass, sent, found, sentOf(op), op.dangling ? 'reconcile' : 'judge')
}

/** Open, and its owner is this very run, which no longer knows of it: it was rewound while the effect was being sent. */
export function orphaned(pass: Pass, key: string, record: EffectRecord): boolean {
  if (record.effectRun !== undefined || record.owner.run !== pass.task.claimed.row.id) return false
  const owner = record.owner.key === key ? undefined : pass.history.ops.get(record.owner.key)
  return owner?.sending === undefined || owner.outcome !== undefined || owner.withdrawn
}

/** When an operation's effect was sent. */
export function sentOf(op: Op): SentWhen {
  const tries = op.attempts === 0 ? {} : { tries: op.attempts }
  return { first: op.sentAt!, last: op.sending!.at, ...(isUnsure(op) ? { unsure: true } : {}), ...tries }
}

/** The same, where its last try has just ended so. What was refused for its credentials has not happened by that try. */
export function heardOf(
  op: Op,
  { end, error: heard }: Exclude<Tried, { end: 'done' }>,
): { when: SentWhen; mode: Mode } {
  if (end !== 'reauth') return { when: { ...sentOf(op), heard }, mode: 'reconcile' }
  const { unsure: _dangling, ...sent } = sentOf(op)
  const when = { ...sent, ...(op.unsure ? { unsure: true as const } : {}), heard, reauth: true as const }
  return { when, mode: op.unsure ? 'reconcile' : 'judge' }
}

/** One of its tries may have happened: nobody has heard what came of it. */
export function isUnsure({ dangling, unsure }: Op): boolean {
  return dangling || unsure
}

type Sent = Pick<EntryData['effect.sending'], 'effect' | 'verdict' | 'covered' | 'grant' | 'trust' | 'shape'>
type Found = { readonly record: EffectRecord; readonly version: number }
type Mode = 'reconcile' | 'judge'

export interface SentWhen {
  readonly first: number
  readonly last: number
  /** It may have happened. */
  readonly unsure?: true
  /** What was heard of it. */
  readonly heard?: StoredError
  /** That its credentials are refused, which no other try mends. */
  readonly reauth?: true
  /** Tries before the last. */
  readonly tries?: number
}

function leftTo(
  pass: Pass,
  sent: Sent,
  { record, version }: Found,
  { first, last, unsure, heard, reauth, tries }: SentWhen,
  mode: Mode,
  asker?: Asker,
): Left {
  const { row } = pass.task.claimed
  const { start } = pass.history
  const spec: EffectSpec = {
    effect: record.id,
    generation: record.generation,
    action: record.action,
    account: record.account,
    input: record.input,
    inputHash: record.inputHash,
    owner: record.owner,
    playbook: `${row.playbook}@${row.version}`,
    ...(start.persona === undefined ? {} : { persona: start.persona }),
    scopes: start.scopes ?? [],
    behalf: behalfOf(pass),
    ...(record.labels === undefined ? {} : { labels: record.labels }),
    because: record.because,
    verdict: sent.verdict as unknown as EffectSpec['verdict'],
    mode,
    sentAt: last,
    ...(first === last ? {} : { firstSentAt: first }),
    ...(unsure === undefined ? {} : { unsure }),
    ...(heard === undefined ? {} : { heard }),
    ...(reauth === undefined ? {} : { reauth }),
    ...(tries === undefined ? {} : { tries }),
    ...deciderOf(sent),
    ...(sent.shape === undefined ? {} : { shape: { mark: sent.shape } }),
  }
  const run = effectRun(pass, spec)
  const askers = asker === undefined ? record.askers : [...record.askers, asker]
  return { run, put: effectPut({ ...record, effectRun: run.id, askers }, version + 1) }
}
