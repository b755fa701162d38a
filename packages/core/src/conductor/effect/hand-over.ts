/** HandOver: an effect that cannot end at once becomes a run of its own, which outlives its caller. */
import { newRun } from '../start.ts'
import { KeelsonError } from '../../base/errors.ts'
import type { EntryData } from '../../journal/kinds.ts'
import type { NewRun } from '../../journal/store.ts'
import type { Pass } from '../pass.ts'
import { effectPut, effectRunId, readEffect, type EffectRecord } from './ledger.ts'
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
  sentAt: number,
  mode: 'reconcile' | 'judge' = 'reconcile',
): Promise<void> {
  const { env, claimed } = pass.task
  await pass.writer.submit(async () => {
    const found = await readEffect(env.store, claimed.row.workspace, sent.effect)
    if (found === undefined) throw new KeelsonError('STORE_CORRUPT', `effect ${sent.effect} has no record`)
    return handedOver(pass, key, sent, found, sentAt, mode)
  })
  env.nudge()
}

export function handedOver(
  pass: Pass,
  key: string,
  sent: Pick<EntryData['effect.sending'], 'hash' | 'effect' | 'verdict' | 'covered' | 'grant'>,
  { record, version }: { record: EffectRecord; version: number },
  sentAt: number,
  mode: 'reconcile' | 'judge',
): Built {
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
    because: record.because,
    verdict: sent.verdict as unknown as EffectSpec['verdict'],
    mode,
    sentAt,
    ...(sent.covered === undefined ? {} : { covered: sent.covered }),
    ...(sent.grant === undefined ? {} : { grant: sent.grant }),
  }
  const run = effectRun(pass, spec)
  const askers = [...record.askers, { run: row.id, key }]
  const put = effectPut({ ...record, effectRun: run.id, askers }, version + 1)
  const opened = { hash: sent.hash, action: record.action, effect: record.id, run: run.id, puts: [put] }
  return { drafts: [{ kind: 'effect.opened', key, data: opened }], starts: [run] }
}
