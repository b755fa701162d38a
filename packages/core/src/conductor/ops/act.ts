/** Act: `ctx.act` and `ctx.effect`: an action with an intent, through the gate, revised when a person says no. */
import type { Actor } from '../../base/actor.ts'
import { durationMs, type Duration } from '../../base/duration.ts'
import { KeelsonError } from '../../base/errors.ts'
import { canonical, parseStored } from '../../base/json.ts'
import { named } from '../../base/known.ts'
import { fromStored, toStored } from '../../base/schema.ts'
import type { Labels } from '../../base/labels.ts'
import type { Json } from '../../base/value.ts'
import { connectorOf, definitionOf, type Action, type AnyAction } from '../../connector/action.ts'
import type { Answered, Op } from '../../journal/op.ts'
import type { ActOptions, Decline, Effect } from '../../playbook/context.ts'
import { act, type Acting } from '../effect/act.ts'
import { shadowed, type Shadowed } from '../shadow/mode.ts'
import { simulate } from '../shadow/simulate.ts'
import { effectId, hashOf } from '../effect/ledger.ts'
import { read } from '../effect/read.ts'
import type { Receipt } from '../effect/settling.ts'
import { located } from '../located.ts'
import type { Pass } from '../pass.ts'
import { given } from './options.ts'
import type { Perform } from './place.ts'
import type { ActMemory } from './sources.ts'
import { markedIn, passing, restsOn } from './rests.ts'

export const REVISIONS_MAX = 5

export async function actOp<In, Out>(
  pass: Pass,
  perform: Perform,
  memory: ActMemory,
  action: Action<In, Out>,
  input: In,
  options: ActOptions<In> = {},
): Promise<Effect<In, Out>> {
  const { known, maxAgeMs } = placed(pass, action, () => {
    const found = executing(pass, action)
    given('act', options)
    return { known: found, maxAgeMs: freshness(found, options.maxAge) }
  })
  const name = options.key === undefined ? known.name : `${known.name}:${encodeURIComponent(options.key)}`
  let current = input
  let revises: string | undefined
  for (let round = 0; ; round++) {
    try {
      const value = current
      const text = placed(pass, action, () =>
        toStored(known.input, value, 'INPUT_INVALID', `the input of ${known.name}`),
      )
      const asked: Asked = {
        input: text,
        because: markedIn(pass, memory, options.because),
        labels: () => passing(known.input, restsOn(pass, memory, options.because)),
        extra: options.key,
        more: { revises, maxAgeMs },
      }
      return await perform(name, async (key) => {
        const effect = await one<In, Out>(pass, key, known, asked)
        // `act` hands out the output alone: that, too, is what later effects may rest on.
        if (typeof effect.output === 'object' && effect.output !== null) memory.set(effect.output, key)
        return effect
      })
    } catch (thrown) {
      const decline = declineOf(thrown)
      if (decline === undefined || options.revise === undefined || round >= REVISIONS_MAX) throw thrown
      const revised = await options.revise(current, decline)
      if (revised === undefined) throw thrown
      current = revised
      revises = (thrown as KeelsonError).data['item'] as string | undefined
    }
  }
}

/** What is wrong with the call itself is said with its place, too. */
function placed<T>(pass: Pass, action: { readonly name: string } | undefined, check: () => T): T {
  try {
    return check()
  } catch (thrown) {
    throw located(pass.task.playbook, thrown, action?.name ?? 'act', new Error())
  }
}

function freshness(action: AnyAction, maxAge: Duration | undefined): number | undefined {
  if (maxAge === undefined) return undefined
  if (action.effect === 'read') return durationMs(maxAge)
  throw new KeelsonError('INPUT_INVALID', `${action.name} writes: maxAge is for reads`, { hint: 'Leave it out.' })
}

/** The action as it executes here; refused when the playbook did not declare it. */
export function executing(pass: Pass, action: { readonly name: string }): AnyAction {
  const { env, playbook } = pass.task
  const held = definitionOf(action)
  env.actions.learn(held)
  const { uses, limitsActions } = playbook
  if (limitsActions && !uses.has(held.name) && !uses.has(connectorOf(held.name))) {
    throw new KeelsonError(
      'ACTION_NOT_DECLARED',
      `playbook ${playbook.name} acts with ${held.name}, which its uses do not name`,
      {
        hint: `Add the action or its connector to uses, or remove it from the code.`,
      },
    )
  }
  const found = env.actions.find(held.name) ?? held
  return found.account === held.account ? found : { ...found, account: held.account }
}

/** One call as the playbook made it. */
export interface Asked {
  /** Canonical text. */
  readonly input: string
  readonly because: () => readonly Json[]
  readonly labels: () => Labels
  readonly extra: string | undefined
  readonly more: Pick<Acting, 'approved' | 'revises' | 'maxAgeMs'> & { readonly shadow?: Shadowed | undefined }
}

/** One effect as an operation. */
export function one<In, Out>(pass: Pass, key: string, action: AnyAction, asked: Asked): Promise<Effect<In, Out>> {
  const { input, because, extra, more } = asked
  const hash = hashOf(action, input)
  const acting = async (op: Op): Promise<Acting> => {
    const { env, claimed } = pass.task
    const secret = await env.company(claimed.row.workspace).key()
    const begun = op.opened !== undefined || op.sending !== undefined // for real, before it was put into shadow
    const business = businessOf(action, input)
    if (!begun) assertIntent(action, business)
    const intent = business ?? [claimed.row.id, pass.history.start.continuation, key]
    const parts = extra === undefined ? intent : [...intent, `key:${extra}`]
    const shadow = begun ? undefined : (more.shadow ?? (await shadowed(pass, action, input)))
    const own = shadow?.simulated === true ? ['in shadow', shadow.root, ...parts] : parts
    return {
      key,
      hash,
      action,
      input,
      effect: effectId(secret, action, own),
      because: because(),
      labels: asked.labels(),
      ...more,
      shadow,
    }
  }
  const go = async (op: Op): Promise<void> => {
    for (let done = false; !done;) {
      const known = await acting(op)
      const fresh = op.opened === undefined && op.sending === undefined
      if (action.effect === 'read' && fresh && (await read(pass, known, op))) return
      const simulated = known.shadow?.simulated === true
      done = simulated ? await simulate(pass, known, known.shadow) : await act(pass, known, op)
    }
  }
  // One piece of work: a run that ends meanwhile waits for it, as for a step.
  const live = (op: Op): Promise<void> => pass.work.run(() => go(op))
  return pass.operation<Effect<In, Out>>({
    key,
    kind: 'effect',
    hash,
    input,
    live,
    value: (answered) => effectOf(action, answered, input),
  })
}

/** What the action's own code says of its intent; what it throws is about this input. */
export function businessOf(action: AnyAction, input: string): readonly (string | number)[] | undefined {
  try {
    return action.intent?.(fromStored(action.input, input))
  } catch (cause) {
    throw new KeelsonError('ACTION_FAILED', `intent() of ${action.name} threw: ${String(cause)}`, {
      hint: 'Nothing was sent. Mend intent(), then retry.',
      cause,
    })
  }
}

/** Throws `ACTION_FAILED` for what names no effect: whatever such an effect is about, it would be one and the same. */
function assertIntent({ name }: AnyAction, said: unknown): void {
  if (said === undefined || (Array.isArray(said) && said.length > 0 && said.every(isPart))) return
  const answered = !Array.isArray(said)
    ? named(said)
    : said.length === 0
      ? 'a list of nothing'
      : `${named(said.find((part) => !isPart(part)))} in it`
  throw new KeelsonError('ACTION_FAILED', `intent() of ${name} answered ${answered}`, {
    hint: "Nothing was sent. Let it name what the effect is about, by texts and numbers: ['reminder', input.invoice].",
  })
}

function isPart(part: unknown): boolean {
  return typeof part === 'string' || Number.isFinite(part)
}

/** Is the same effect asked for by an input that a person has edited? Throws `ACTION_FAILED` where its code cannot tell. */
export function keepsIntent(action: AnyAction, before: string, edited: string): boolean {
  let was: readonly (string | number)[] | undefined
  try {
    was = businessOf(action, before)
  } catch {
    return true // it fits its action no more, and is edited for that
  }
  return canonical(was ?? null) === canonical(businessOf(action, edited) ?? null)
}

function effectOf<In, Out>(action: AnyAction, { outcome }: Answered, input: string): Effect<In, Out> {
  const receipt = (outcome as { receipt?: Receipt }).receipt
  const executed = receipt?.input === undefined ? parseStored(input) : receipt.input
  return Object.freeze({
    id: receipt?.effect ?? '',
    input: executed as In,
    output: (outcome.ok === undefined ? undefined : fromStored(action.output, canonical(outcome.ok))) as Out,
    edited: receipt?.edited ?? false,
    verdict: receipt?.verdict ?? '',
    deduplicated: receipt?.deduplicated ?? false,
    differs: receipt?.differs ?? false,
    ...(receipt?.setBy === undefined ? {} : { setBy: receipt.setBy as unknown as Actor }),
  })
}

export function declineOf(thrown: unknown): Decline | undefined {
  if (!KeelsonError.is(thrown, 'ACTION_DECLINED')) return undefined
  return thrown.data['decline'] as unknown as Decline | undefined
}
