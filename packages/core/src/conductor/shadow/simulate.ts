/**
 * Simulate: an effect of a run in shadow: judged as any other, then answered by the action itself instead of by the outside.
 *
 * M1. What policy denies is denied; whatever else it says is recorded and shown, and nobody is waited for.
 * M2. The intent lives in the overlay: it holds no key of the outside, answers no real intent, and none answers it.
 * M3. The same intent is one effect within the overlay.
 */
import { KeelsonError, storeError } from '../../base/errors.ts'
import { sha256 } from '../../base/hash.ts'
import { canonical, parseStored } from '../../base/json.ts'
import { fromStored, toStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import { connectorOf, type AnyAction, type Simulation } from '../../connector/action.ts'
import type { Preview } from '../../connector/preview.ts'
import type { Draft } from '../../journal/entry.ts'
import { shapeOf } from '../../connector/shape.ts'
import type { Put } from '../../journal/put.ts'
import { HOW_TO_ASK, inShadowText } from '../../policy/trust.ts'
import { whyOf, type Judgement } from '../../policy/verdict.ts'
import type { Acting } from '../effect/act.ts'
import { denied, judge } from '../effect/judge.ts'
import { effectPut, readEffect, type EffectRecord } from '../effect/ledger.ts'
import { sources } from '../effect/items.ts'
import { previewOf } from '../effect/render.ts'
import { receiptOf } from '../effect/settling.ts'
import { behalfOf } from '../behalf.ts'
import { asking, itemHash, itemId, itemPut, type ItemRecord } from '../item.ts'
import { labelsOfOutput } from '../ops/rests.ts'
import type { Pass } from '../pass.ts'
import type { Built } from '../writer.ts'
import { standsAt, stoodOn, type Stands } from '../trust/stands.ts'
import { isSampled, proposed, trustIn } from '../trust/pairs.ts'
import { lostPut } from './fidelity.ts'
import { keysOf } from './keys.ts'
import { standing, type Shadowed } from './mode.ts'
import { submitInTurn } from './turns.ts'
import { overlaidStore, redirected } from './overlay.ts'
import { subjectsOf, wouldsOf, type Would } from './would.ts'

/** Records the effect as simulated, or as denied. False: its action may stand elsewhere by now, so look anew. */
export async function simulate(pass: Pass, acting: Acting, shadow: Shadowed): Promise<boolean> {
  const { root } = shadow
  let said: Judgement | undefined
  const job = async (): Promise<Built> => {
    const built = await simulation(pass, acting, shadow, (verdict) => (said = verdict))
    if (pass.task.redirect !== undefined) return built // the pass of a run in shadow writes to its overlay by itself
    const { env, claimed } = pass.task
    const drafts = await redirected(env.store, claimed.row.workspace, root, built.drafts)
    return drafts === 'conflict' ? job() : { ...built, drafts }
  }
  const once = standing(pass, shadow)
  const written = await pass.work.run(() => submitInTurn(pass, 'proposals', once.job(job)))
  if (written !== undefined && said !== undefined) tell(pass, acting, shadow, said)
  return !once.moved()
}

function tell(pass: Pass, { action, effect }: Acting, { segment }: Shadowed, { verdict }: Judgement): void {
  const { workspace, id: run, playbook } = pass.task.claimed.row
  const what = { action: action.name, effect, verdict, ...(segment === undefined ? {} : { segment }) }
  pass.task.env.emit('effect.simulated', { workspace, run, playbook, ...what })
}

async function simulation(
  pass: Pass,
  acting: Acting,
  shadow: Shadowed,
  onJudged: (verdict: Judgement) => void,
): Promise<Built> {
  const { root } = shadow
  const { claimed } = pass.task
  const { workspace } = claimed.row
  const { key, hash, action, input, effect } = acting
  const env = pass.task.redirect === undefined ? inside(pass, root) : pass.task.env
  const found = await readEffect(env.store, workspace, effect)
  if (found !== undefined) return { drafts: [again(acting, found.record)] }
  const { labels } = acting
  const verdict = await judge(env, { workspace, action, input, behalf: behalfOf(pass), labels, effect })
  if (verdict.verdict === 'deny') return { drafts: [failed(acting, denied(action, verdict))] }
  try {
    const earlier = await wouldsOf(env.store, workspace, root)
    const stands = await standsAt(env, workspace, action, parseStored(input))
    const { output, guessed } = await answerOf(pass, action, input, { effects: through(earlier, action) })
    const secret = await env.company(workspace).key()
    const subjects = subjectsOf(secret, action, action.name, parseStored(input), acting.because)
    const would: Would = {
      ...placeOf(pass, acting, root),
      output: output ?? null,
      verdict: verdict.verdict,
      reason: verdict.reason,
      subjects,
      at: env.clock.now(),
      order: earlier.length,
      place: pass.history.outcomes.length + 1,
      ...(guessed ? { guessed } : {}),
      ...(shadow.segment === undefined ? {} : { rung: shadow.segment }),
      ...trustIn(stands, () =>
        keysOf(secret, { action: action.name, account: action.account, subjects, input: parseStored(input) }),
      ),
    }
    const isShown = verdict.asks.length > 0 || (stands?.rung === 'shadow' && (await isSampled(env, workspace, would)))
    const asked = isShown ? await shown(pass, acting, verdict, shadow, stands) : undefined
    const record = recordOf(pass, acting, verdict, output)
    const item = asked === undefined ? {} : { item: asked.id }
    const puts: Put[] = [effectPut(record, 1)]
    const judged = await proposed(env, workspace, { ...would, ...item }, stands)
    if (asked !== undefined && judged.agreed !== true) puts.push(itemPut(asked, 1))
    puts.push(...judged.puts)
    const receipt = { ...receiptOf(effect, record as never, record.inputHash, record.inputHash), shadow: true }
    const of = labelsOfOutput(action, labels)
    onJudged(verdict)
    const data = { hash, ...(output === undefined ? {} : { ok: output }), labels: of, receipt, puts }
    return { drafts: [{ kind: 'effect.completed', key, data }, ...judged.drafts] }
  } catch (thrown) {
    if (!KeelsonError.is(thrown, 'SIMULATION_FAILED')) throw thrown
    const { id, run, playbook, step } = placeOf(pass, acting, root)
    const at = env.clock.now()
    const lost = await lostPut(env.store, workspace, { id, run, root, playbook, step, action: action.name, at })
    const error = shadow.segment === undefined ? thrown : orAsks(acting, shadow, thrown)
    return { drafts: [failed(acting, error, [lost])] }
  }
}

/** What a read of a run in shadow answers, after what the run would have done. */
export async function overlaidRead(pass: Pass, acting: Acting, real: Json): Promise<Json> {
  const { action, input, shadow } = acting
  if (shadow === undefined) return real
  const { env, claimed } = pass.task
  const effects = through(await wouldsOf(env.store, claimed.row.workspace, shadow.root), action)
  if (effects.length === 0) return real
  if (action.simulate === undefined) return lastState(action, parseStored(input), effects) ?? real
  const value = fromStored(action.output, canonical(real))
  const said = guarded(action, () => action.simulate?.(fromStored(action.input, input), { effects, real: value }))
  return said === undefined ? real : fitting(action, said)
}

/** The environment of a real run as its own overlay would show it: for an action that alone is in shadow. */
function inside(pass: Pass, root: string): Pass['task']['env'] {
  const { env } = pass.task
  return { ...env, store: overlaidStore(env.store, root) }
}

function placeOf(pass: Pass, { key, action, input, because, effect }: Acting, root: string) {
  const { id: run, playbook, version } = pass.task.claimed.row
  const { name, account } = action
  return {
    id: effect,
    run,
    root,
    playbook,
    version,
    step: key,
    action: name,
    account,
    input: parseStored(input),
    because,
  }
}

/** Effects through the same connector and account. */
function through(woulds: readonly Would[], { name, account }: AnyAction): Simulation<unknown>['effects'] {
  const connector = connectorOf(name)
  return woulds
    .filter((one) => connectorOf(one.action) === connector && one.account === account)
    .map(({ action, input, output }) => ({ action, input, output }))
}

interface Answer {
  readonly output: Json | undefined
  /** Its action does not say so. */
  readonly guessed: boolean
}

async function answerOf(pass: Pass, action: AnyAction, input: string, shadow: Simulation<unknown>): Promise<Answer> {
  const said = guarded(action, () => action.simulate?.(fromStored(action.input, input), shadow))
  if (said !== undefined) return { output: fitting(action, said), guessed: false }
  if (action.effect === 'read') {
    const known = lastState(action, parseStored(input), shadow.effects)
    if (known !== undefined) return { output: known, guessed: true }
    throw failure(action, 'policy asks before it reads, and nothing that the run did says what it would find')
  }
  const preview = await previewOf(pass, action, parseStored(input))
  for (const state of afterStates(parseStored(input), preview)) {
    const parsed = action.output.safeParse(state)
    if (!parsed.success) continue
    if (state === undefined) return { output: undefined, guessed: false }
    const output = fitting(action, parsed.data)
    return { output, guessed: output !== null }
  }
  throw failure(action, 'it has no simulate(), and its preview does not say what it would answer')
}

/** What a preview shows to be there afterwards, in the forms that an output may have. */
function afterStates(input: Json, preview: Preview): unknown[] {
  if (preview.kind === 'text') return [{ ...(input as object) }, preview.after, null, undefined]
  const shown = preview.rows.map(({ label, after }) => [label, after] as const)
  const lower = shown.map(([label, after]) => [label.toLowerCase(), after] as const)
  const named = Object.fromEntries<string>([...lower, ...shown])
  const fields = (typeof input === 'object' && input !== null ? input : {}) as Record<string, Json>
  return [{ ...named, ...fields }, null, undefined]
}

/** The state that the last write about the same thing left, where it gives all that the read answers with. */
function lastState(action: AnyAction, input: Json, effects: Simulation<unknown>['effects']): Json | undefined {
  const asked = Object.entries(typeof input === 'object' && input !== null ? input : {})
  if (asked.length === 0) return undefined
  for (const effect of [...effects].reverse()) {
    const state = { ...(effect.input as object), ...(effect.output as object | null) } as Record<string, Json>
    if (!asked.every(([field, value]) => field in state && canonical(state[field]) === canonical(value))) continue
    const parsed = action.output.safeParse(state)
    if (parsed.success && parsed.data !== null && parsed.data !== undefined) return fitting(action, parsed.data)
  }
  return undefined
}

function guarded(action: AnyAction, work: () => unknown): unknown {
  try {
    return work()
  } catch (thrown) {
    throw failure(action, `its simulate() threw: ${String(thrown)}`)
  }
}

function fitting(action: AnyAction, value: unknown): Json {
  try {
    return parseStored(toStored(action.output, value, 'OUTPUT_INVALID', `what simulate() of ${action.name} returned`))
  } catch (thrown) {
    throw failure(action, (thrown as Error).message)
  }
}

function failure(action: AnyAction, why: string): KeelsonError {
  return new KeelsonError('SIMULATION_FAILED', `${action.name} cannot be simulated: ${why.toWellFormed()}`, {
    hint: 'Give the action simulate(input), returning what it would answer.',
    data: { action: action.name },
  })
}

/** Of one that is simulated for where it stands alone, there is another way on. */
function orAsks(acting: Acting, shadow: Shadowed, { code, message, hint, data }: KeelsonError): KeelsonError {
  return new KeelsonError(code, `${message}. ${whyIn(acting, shadow)}`, { hint: `${hint ?? ''} Or let it ask.`, data })
}

function failed({ key, hash }: Acting, error: KeelsonError, puts: readonly Put[] = []): Draft {
  const more = puts.length === 0 ? {} : { puts }
  return { kind: 'effect.completed', key, data: { hash, error: storeError(error), ...more } }
}

/** The same intent was simulated before, in this overlay. */
function again({ key, hash, input }: Acting, record: EffectRecord): Draft {
  const asked = sha256(input)
  const differs = record.inputHash !== asked
  const receipt = { ...receiptOf(record.id, record as never, record.inputHash, asked), deduplicated: true, differs }
  const ok = record.output === undefined ? {} : { ok: record.output }
  return { kind: 'effect.completed', key, data: { hash, ...ok, receipt: { ...receipt, shadow: true } } }
}

function recordOf(pass: Pass, acting: Acting, verdict: Judgement, output: Json | undefined): EffectRecord {
  const { action, input, effect, because, key, shadow } = acting
  const now = pass.task.env.clock.now()
  return {
    id: effect,
    action: action.name,
    account: action.account,
    generation: 1,
    state: 'done',
    owner: { run: pass.task.claimed.row.id, key },
    askers: [],
    input: parseStored(input),
    inputHash: sha256(input),
    edited: false,
    verdict: `in shadow (${verdict.verdict}): ${verdict.reason}${shadow?.segment === undefined ? '' : `. ${whyIn(acting, shadow)}`}`,
    because,
    openedAt: now,
    settledAt: now,
    ...(output === undefined ? {} : { output }),
  }
}

const JUDGED = {
  type: 'object',
  properties: { good: { type: 'boolean' } },
  required: ['good'],
  additionalProperties: false,
} as const

/** Why it was simulated though its run is real. */
function whyIn({ action }: Acting, { segment = '' }: Shadowed): string {
  return `${inShadowText(action.name, segment)}: ${HOW_TO_ASK}`
}

/** What would have been asked, or done. It can be judged or put away, never approved. */
async function shown(
  pass: Pass,
  acting: Acting,
  verdict: Judgement,
  shadow: Shadowed,
  stands: Stands | undefined,
): Promise<ItemRecord> {
  const { env, claimed } = pass.task
  const { action, input, key, effect, because, labels } = acting
  const { row } = claimed
  const reasons = verdict.asks.map((one) => whyOf(one))
  const bare: Omit<ItemRecord, 'hash'> = {
    id: itemId(row.stream, `would ${effect}`, 0), // restarted, an operation may propose another effect
    kind: 'approval',
    state: 'open',
    shadow: true,
    run: row.id,
    key: '',
    title: `In shadow, would have ${reasons.length === 0 ? 'acted' : 'asked'}: ${action.title} (${reasons.join('; ') || verdict.reason})`,
    ...(shadow.segment === undefined ? {} : { consequence: `Nothing has left. ${whyIn(acting, shadow)}.` }),
    would: effect,
    ...asking(row.playbook, row.version),
    ...(stands === undefined ? {} : stoodOn(stands)),
    openedAt: env.clock.now(),
    onSilence: 'wait',
    reminders: 0,
    allows: ['answer', 'dismiss'],
    why: sources({ playbook: `${row.playbook}@${row.version}`, owner: { run: row.id, key }, because, labels }),
    preview: await previewOf(pass, action, parseStored(input)),
    editSchema: JUDGED,
    action: action.name,
    account: action.account,
    input: parseStored(input),
    verdict: verdict as unknown as Json,
    shape: shapeOf(action).mark,
  }
  return { ...bare, hash: itemHash(bare) }
}
