/**
 * Plan: `ctx.propose`: one decision over many effects, of which exactly the approved lines execute, in order.
 *
 * U1. The hash that a decision names covers all lines: action, account, input, in their order.
 * U2. Each line is an effect with a verdict of its own. A denied line is shown and does not execute; policy, and what the
 *     line rests on, are looked at again before it is sent. While the plan is open it shows what other rules say (plan-again.ts).
 * U3. A line executes as an effect run, so a crash anywhere repeats none and forgets none.
 */
import type { z } from 'zod'
import { actorText } from '../../base/actor.ts'
import { KeelsonError, storeError } from '../../base/errors.ts'
import { canonical, parseStored } from '../../base/json.ts'
import type { Labels } from '../../base/labels.ts'
import { jsonSchema, toStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import { withZod } from '../../base/zod.ts'
import type { Action, AnyAction } from '../../connector/action.ts'
import { shapeOf } from '../../connector/shape.ts'
import type { Intent, PlanLineResult, PlanResult, ProposeOptions } from '../../playbook/context.ts'
import { inShadowText } from '../../policy/trust.ts'
import type { Judgement } from '../../policy/verdict.ts'
import { askOf } from '../effect/bytes.ts'
import { verdictOf } from '../effect/act.ts'
import { restedOn } from '../effect/fresh.ts'
import { ask, declined, factsOf, sources } from '../effect/items.ts'
import { previewOf } from '../effect/render.ts'
import { shadowed } from '../shadow/mode.ts'
import type { ItemRecord } from '../item.ts'
import type { Pass } from '../pass.ts'
import { readable } from '../shown.ts'
import { businessOf, declineOf, executing, one, REVISIONS_MAX } from './act.ts'
import type { ActMemory } from './sources.ts'
import { patience, type ItemText } from './ask.ts'
import { given } from './options.ts'
import type { Perform } from './place.ts'
import type { Place } from './place.ts'
import { judgedSince, judgePlanAgain } from './plan-again.ts'
import { obligedBy, planText, type Judged } from './plan-item.ts'
import { markedIn, passing, restsOn } from './rests.ts'

/** More lines than this nobody reads. */
const LINES_MAX = 100

/** What `edit` of a plan says: lines to leave out, and inputs to execute instead. */
export const lineEdits = withZod((z) =>
  z.strictObject({
    skip: z.array(z.string()).optional(),
    inputs: z.record(z.string(), z.json()).optional(),
  }),
)

export type LineEdits = z.output<ReturnType<typeof lineEdits>>

interface Intended {
  readonly action: AnyAction
  /** Canonical text. */
  readonly input: string
  readonly because: () => readonly Json[]
  readonly labels: () => Labels
  readonly key: string | undefined
}

const intents = new WeakMap<object, Intended>()

/** An effect to propose. Throws `INPUT_INVALID` at once for an input that does not fit. */
export function intend<In, Out>(
  pass: Pass,
  memory: ActMemory,
  action: Action<In, Out>,
  input: In,
  options: { because?: readonly unknown[]; key?: string } = {},
): Intent {
  const known = executing(pass, action)
  given('intend', options)
  if (known.effect === 'read') {
    throw new KeelsonError('INPUT_INVALID', `${known.name} only reads: a plan is made of effects`, {
      hint: 'Read with ctx.act before proposing, and pass what was read as because.',
    })
  }
  const text = toStored(known.input, input, 'INPUT_INVALID', `the input of ${known.name}`)
  const intent: Intent = Object.freeze({ action: known.name })
  intents.set(intent, {
    action: known,
    input: text,
    because: markedIn(pass, memory, options.because),
    labels: () => passing(known.input, restsOn(pass, memory, options.because)),
    key: options.key,
  })
  return intent
}

export async function propose(
  pass: Pass,
  place: Place,
  perform: Perform,
  title: string,
  plan: readonly Intent[],
  options: ProposeOptions = {},
): Promise<PlanResult> {
  given('propose', options)
  let current = plan
  let revises: string | undefined
  for (let round = 0; ; round++) {
    const lines = linesOf(current)
    let prefix = ''
    try {
      const approved = await perform('propose', (key) => {
        prefix = key.slice(place.keys.prefix.length).replace('#', ' ')
        return decided(pass, key, title, lines, options, revises)
      })
      return await carryOut(pass, perform, prefix, lines, approved, options.onFailure ?? 'stop')
    } catch (thrown) {
      const decline = declineOf(thrown)
      if (decline === undefined || options.revise === undefined || round >= REVISIONS_MAX) throw thrown
      current = await options.revise(decline)
      revises = (thrown as KeelsonError).data['item'] as string | undefined
    }
  }
}

function linesOf(given: readonly Intent[]): Intended[] {
  const lines = given.map((intent) => intents.get(intent))
  const same = twins(lines.map((line) => (line === undefined ? undefined : markOf(line))))
  const wrong =
    lines.length === 0
      ? 'it has no lines'
      : lines.length > LINES_MAX
        ? `it has ${lines.length} lines; at most ${LINES_MAX} can be read`
        : lines.includes(undefined)
          ? `line ${lines.indexOf(undefined) + 1} is not what ctx.intend returned`
          : same === undefined
            ? undefined
            : `lines ${same[0] + 1} and ${same[1] + 1} are the same effect`
  if (wrong === undefined) return lines as Intended[]
  throw new KeelsonError('INPUT_INVALID', `this plan cannot be proposed: ${wrong}`, {
    hint: 'Pass ctx.intend(action, input) for each line; a key of its own makes it another effect.',
  })
}

type Marked = Pick<Intended, 'action' | 'input' | 'key'> & { readonly account?: string }

/** Which effect a line is; undefined where it is like no other. Throws `ACTION_FAILED` where its code cannot tell. */
function markOf({ action, account = action.account, input, key }: Marked): string | undefined {
  const business = businessOf(action, input)
  return business === undefined ? undefined : canonical([action.name, account, business, key ?? null])
}

function twins(marks: readonly (string | undefined)[]): [number, number] | undefined {
  const twice = marks.findIndex((mark, i) => mark !== undefined && marks.indexOf(mark) !== i)
  return twice < 0 ? undefined : [marks.indexOf(marks[twice]), twice]
}

/** What is wrong with edits that fit their lines: two lines would be one effect, of which one would not execute. */
export function sameByEdit(
  { lines = [], input }: Pick<ItemRecord, 'lines' | 'input'>,
  { skip = [], inputs = {} }: LineEdits,
  find: (name: string) => AnyAction | undefined,
): string | undefined {
  const marks = lines.map(({ id, action: name, account, denied, input: asked }, i) => {
    const action = find(name)
    if (action === undefined || denied !== undefined || skip.includes(id)) return undefined
    const text = toStored(action.input, inputs[id] ?? asked, 'INPUT_INVALID', `line "${id}"`)
    const key = (input as readonly (readonly Json[])[] | undefined)?.[i]?.[3]
    return markOf({ action, account, input: text, key: typeof key === 'string' ? key : undefined })
  })
  const same = twins(marks)
  return same && `lines "${lines[same[0]]!.id}" and "${lines[same[1]]!.id}" would be the same effect`
}

interface Approved {
  readonly lines: readonly Judged[]
  readonly item: string
  readonly by: string
  readonly skip: readonly string[]
  readonly inputs: { readonly [line: string]: Json }
}

/** Puts the plan to a person. Throws `ACTION_DECLINED` for a no, and when nobody answers in time. */
async function decided(
  pass: Pass,
  key: string,
  title: string,
  given: readonly Intended[],
  options: ProposeOptions,
  revises: string | undefined,
): Promise<Approved> {
  const lines = await pass.operation<readonly Judged[]>({
    key: `${key}/lines`,
    kind: 'step',
    live: () => judged(pass, `${key}/lines`, given),
  })
  // Nobody is waited for where nothing leaves: each line is simulated, and shows by itself what would have been asked.
  const isReal = lines.some((one) => one.simulated === undefined && one.denied === undefined)
  const none = !isReal && lines.some((one) => one.simulated !== undefined)
  if (none || pass.history.start.shadow !== undefined)
    return { lines, item: '', by: 'nobody, in shadow', skip: [], inputs: {} }
  const judge = (line: number): Promise<Judgement> =>
    verdictOf(pass, actingOf(given[line]!, `${key}/lines/${line + 1}`))
  const again = (item: string): Promise<void> => judgePlanAgain(pass, key, item, { title, lines, judge })
  const asked = { item: itemOf(pass, title, lines, given, revises), again, ...patience(options, 'wait') }
  const answer = await ask(pass, key, { ...asked, wait: 'approval' })
  if (answer === 'expired')
    throw no({ reason: 'nobody answered in time', by: { kind: 'system', id: 'silence' } }, title)
  const { decision, by, item } = answer
  if ('reject' in decision) throw no({ reason: decision['reject'] as string, by, item }, title)
  if ('respond' in decision) throw no({ reason: 'respond', text: decision['respond'] as string, by, item }, title)
  const { skip = [], inputs = {} } = 'edit' in decision ? lineEdits().parse(decision['edit']) : {}
  return { lines: judgedSince(pass, key, lines), item, by: actorText(by), skip, inputs }
}

function itemOf(
  pass: Pass,
  title: string,
  lines: readonly Judged[],
  given: readonly Intended[],
  revises: string | undefined,
): ItemText {
  const { row } = pass.task.claimed
  const isOutside = lines.some(({ why }) => why.some((one) => one.trust === 'outside'))
  const trust = isOutside ? 'outside' : 'operator'
  return {
    ...planText(title, lines),
    why: [{ label: `${row.playbook}, run ${row.id}`, trust, ref: `run:${row.id}` }],
    input: given.map(({ action, input, key }) => [action.name, action.account, parseStored(input), key ?? null]),
    ...(revises === undefined ? {} : { revises }),
  }
}

function actingOf({ action, input, because, labels }: Intended, key: string) {
  return { key, hash: '', effect: '', labels: labels(), shadow: undefined, action, input, because: because() }
}

function no(said: Parameters<typeof declined>[1], title: string): KeelsonError {
  return declined(`"${title}"`, said)
}

/** Judges, renders and reads each line, once; what came of it is recorded. */
async function judged(pass: Pass, key: string, given: readonly Intended[]): Promise<void> {
  await pass.work.run(async () => {
    const { row } = pass.task.claimed
    const lines: Judged[] = []
    for (const [i, intended] of given.entries()) {
      const { action, input } = intended
      const acting = actingOf(intended, `${key}/${i + 1}`)
      const verdict = await verdictOf(pass, acting)
      const shadow = await shadowed(pass, action, input)
      const value = parseStored(input)
      const [asked, ...why] = sources({ ...acting, playbook: row.playbook, owner: { run: row.id, key } })
      if (asked.trust === 'outside') why.unshift(asked)
      const { batchKey: _alone, ...facts } = factsOf(action, value)
      lines.push(
        readable({
          id: String(i + 1),
          action: action.name,
          account: action.account,
          title: action.title,
          input: value,
          preview: await previewOf(pass, action, value),
          ...facts,
          reversibility: facts.reversibility ?? 'none',
          why,
          editSchema: jsonSchema(action.input) as Json,
          ...(shadow?.segment === undefined ? {} : inShadow(action, shadow.segment)),
          ...obligedBy(verdict),
          shape: shapeOf(action).mark,
          agreed: shapeOf(action),
          verdict,
          ...(action.fresh === undefined ? {} : { fresh: await restedOn(pass, action, value) }),
        }),
      )
    }
    await pass.writer.append([{ kind: 'step.completed', key, data: { ok: lines as unknown as Json } }])
  })
}

function inShadow(action: AnyAction, rung: string): Pick<Judged, 'simulated' | 'rung'> {
  return { simulated: inShadowText(action.name, rung), rung }
}

/** The approved lines in order, each to its end. */
async function carryOut(
  pass: Pass,
  perform: Perform,
  prefix: string,
  given: readonly Intended[],
  approved: Approved,
  onFailure: 'stop' | 'continue',
): Promise<PlanResult> {
  const results: PlanLineResult[] = []
  let failed = false
  for (const [i, line] of approved.lines.entries()) {
    const reason = leftOut(line, approved, failed && onFailure === 'stop')
    const result =
      reason === undefined
        ? await perform(`${prefix}/${line.id}`, (key) => execute(pass, key, given[i]!, line, approved))
        : { id: line.id, action: line.action, state: 'skipped' as const, reason, input: line.input, edited: false }
    failed ||= result.state === 'failed'
    results.push(result)
  }
  return Object.freeze({ item: approved.item, lines: Object.freeze(results) })
}

function leftOut(line: Judged, { skip, by }: Approved, stopped: boolean): string | undefined {
  if (line.denied !== undefined) return `denied: ${line.denied}`
  if (skip.includes(line.id)) return `left out by ${by}`
  return stopped ? 'a line before it failed' : undefined
}

async function execute(
  pass: Pass,
  key: string,
  { action, because, labels, key: extra }: Intended,
  line: Judged,
  { item, by, inputs }: Approved,
): Promise<PlanLineResult> {
  const changed = inputs[line.id]
  const edited = changed !== undefined
  const text = edited
    ? toStored(action.input, changed, 'INPUT_INVALID', `the edited input of ${action.name}`)
    : canonical(line.input)
  const about = { id: line.id, action: line.action }
  const approved = {
    item,
    covered: line.verdict.asks.map((one) => askOf(one.rule)),
    edited,
    reason: `approved by ${by} (line ${line.id} of plan ${item})`,
    ...(line.fresh === undefined ? {} : { fresh: line.fresh }),
    ...(line.agreed === undefined ? {} : { shape: line.agreed }),
  }
  try {
    // What a person was shown as simulated is.
    const root = pass.task.claimed.row.id
    const shadow = line.rung === undefined ? undefined : { root, simulated: true, segment: line.rung }
    const more = { approved, shadow }
    const effect = await one<Json, Json>(pass, key, action, { input: text, because, labels, extra, more })
    return {
      ...about,
      state: 'done',
      input: effect.input,
      edited: effect.edited,
      output: parseStored(canonical(effect.output ?? null)),
    }
  } catch (thrown) {
    const { code, message } = storeError(thrown)
    const state = code === 'ACTION_DECLINED' || code === 'ACTION_DENIED' ? 'skipped' : 'failed'
    return { ...about, state, reason: message, input: parseStored(text), edited, error: { code, message } }
  }
}
