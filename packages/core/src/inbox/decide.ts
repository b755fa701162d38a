/**
 * Decide: one decision on one item: checked, recorded and delivered in one unit.
 *
 * D1. A decision is taken by id and hash, by a named actor, once: the item's version is expected by the unit that decides.
 * D2. What was decided is delivered in that same unit to the run that asked; a run that is to be tried again is so by that unit.
 * D3. Expiry never approves: an item past its time refuses. What is held is no question: past its time it can be stopped
 *     until a pass lets it go, and the unit that comes first counts.
 * D4. An edit changes how an effect is done, not which it is: what has another intent is another effect.
 * D5. What is too long to be seen at a glance gets no yes from somebody who has not opened it.
 * D6. A hash that is not the item's, and one who may not decide, are journaled (attempts.ts).
 * D7. An edit that the rules of this process deny is refused: the item stays. Whoever decides elsewhere is told by the run.
 * D8. The same decision of the same item as it was shown, by the same actor, is answered as it was the first time: a request
 *     that is tried again must not look refused. It is taken no second time.
 */
import type { z } from 'zod'
import { actorJson, isActor, type Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { named } from '../base/known.ts'
import { canonical, canonicalAround } from '../base/json.ts'
import { toStored } from '../base/schema.ts'
import type { Json } from '../base/value.ts'
import { zod } from '../base/zod.ts'
import type { Environment } from '../conductor/environment.ts'
import { itemPut, readItem, type ItemRecord, type Verb } from '../conductor/item.ts'
import type { Decider } from '../conductor/memory/decider.ts'
import { whyDenied } from '../conductor/effect/edited.ts'
import { keepsIntent } from '../conductor/ops/act.ts'
import { lineEdits, sameByEdit } from '../conductor/ops/plan.ts'
import { whyLineDenied } from '../conductor/ops/plan-denied.ts'
import { whyUnheard } from '../conductor/trust/record.ts'
import { asksEach } from '../conductor/trust/use.ts'
import type { AnyAction } from '../connector/action.ts'
import type { Delivery, Unit } from '../journal/store.ts'
import type { NoteAttempt } from './attempts.ts'
import { countedBy, strayIn, strayText, wholeDecision, type Edit } from './edit.ts'
import { itemOf, mustBeOpened, type InboxItem } from './item.ts'
import { stampsInARow } from './stamps.ts'

export type Decision =
  | { readonly approve: true }
  /**
   * The fields of the input that are to be other: those left out stay as they were shown, one that is `undefined` goes.
   * Of a plan, `{ skip: [line], inputs: { [line]: fields } }`.
   */
  | { readonly edit: Edit }
  | { readonly reject: string }
  | { readonly respond: string }
  | { readonly answer: Json }
  | { readonly outcome: 'happened' | 'did-not-happen' | 'look-again'; readonly output?: Json }
  | { readonly retry: true }
  | { readonly dismiss: true }

export type Decided =
  | { readonly status: 'done' }
  | {
      readonly status: 'refused'
      readonly why: 'settled' | 'changed' | 'expired' | 'forbidden' | 'invalid'
      /** Of what is invalid: it says `mustBeOpened`, and whoever says yes to it has not opened it. */
      readonly code?: 'unopened'
      /** What is wrong, for a person. */
      readonly message: string
      readonly item?: InboxItem
    }

/** May this actor decide this item? The host's rule. */
export type MayDecide = (actor: Actor, item: InboxItem) => boolean | Promise<boolean>

export interface Deciding {
  readonly env: Environment
  readonly workspace: string
  readonly mayDecide: MayDecide | undefined
  /** What retries a run whose attention item is answered so. */
  readonly retry: (run: string, by: Actor) => Promise<Pick<Unit, 'deliveries' | 'touch' | 'expect'>>
  readonly noteAttempt: NoteAttempt
}

/** Decides one item; `batch` names the batch that it is decided in. */
export async function decide(
  options: Deciding,
  id: string,
  given: { hash: string; by: Actor } & Decision,
  batch?: { id: string; key: string },
): Promise<Decided> {
  const { env, workspace } = options
  const { hash, by, ...said } = given
  let refusal: Decided | undefined
  let isTaken = false
  let record: ItemRecord | undefined
  let tell = (): void => {}
  const written = await env.company(workspace).edit(async () => {
    refusal = undefined
    const found = await readItem(env.store, workspace, id)
    if (found === undefined) throw itemNotFound(id)
    record = found.item
    const decision = wholeDecision(found.item, said)
    isTaken = isAgain(found.item, hash, by, decision)
    if (isTaken) return undefined
    refusal = (await refuse(options, found.item, hash, by, decision)) ?? (await beyond(options, found.item, batch?.key))
    if (refusal !== undefined) return undefined
    const now = env.clock.now()
    const json = JSON.parse(canonical(decision)) as Json
    const inBatch = batch === undefined ? {} : { batch: batch.id }
    record = { ...found.item, state: 'decided', decided: { by, at: now, decision: json, ...inBatch } }
    const payload = canonicalAround({ key: found.item.key, item: id, hash, decision: json, by: actorJson(by) })
    const delivery = { run: found.item.run, onceKey: `decision:${id}`, kind: 'decision', payload, at: now }
    const counted = await env.projections.decided(env, workspace, { item: record, by, at: now })
    const stamps = await stampsInARow(env, workspace, record)
    tell = stamps.tell
    const puts = [itemPut(record, found.version + 1), ...counted.puts, ...stamps.puts]
    const starts = counted.starts === undefined ? {} : { starts: counted.starts }
    const { expect = [], ...sent } = await sentBy(options, found.item, delivery, decision, by)
    return {
      expect,
      drafts: [
        { kind: 'item.decided', data: { by, item: id, hash, decision: json, ...inBatch, puts } },
        ...(counted.drafts ?? []),
      ],
      unit: { ...sent, ...starts },
    }
  })
  if (isTaken) return { status: 'done' }
  if (written === undefined) {
    if (isAttempt(refusal)) await options.noteAttempt(id, hash, by, verbOf(said))
    return refusal ?? refused('settled', 'it has been decided', record!)
  }
  tell()
  env.nudge()
  return { status: 'done' }
}

/** D2. What asks no run is answered by nobody's waiting for it. */
async function sentBy(
  options: Deciding,
  { key, run }: ItemRecord,
  delivery: Delivery,
  decision: Decision,
  by: Actor,
): Promise<Pick<Unit, 'deliveries' | 'touch' | 'expect'>> {
  if (key !== '') return { deliveries: [delivery] }
  return 'retry' in decision ? options.retry(run, by) : {}
}

/** D8. */
function isAgain({ hash: own, decided }: ItemRecord, hash: string, by: Actor, decision: Decision): boolean {
  if (decided === undefined || own !== hash || !isActor(by)) return false
  if (decided.by.id !== by.id || decided.by.kind !== by.kind) return false
  try {
    return canonical(decision) === canonical(decided.decision)
  } catch {
    return false // what is no JSON was never taken
  }
}

/** D6. */
function isAttempt(refusal: Decided | undefined): boolean {
  return refusal?.status === 'refused' && (refusal.why === 'changed' || refusal.why === 'forbidden')
}

function verbOf(said: object): string {
  return Object.keys(said).find((key) => Object.hasOwn(SAID, key)) ?? 'decide'
}

/** How those below the inbox decide an item. */
export function deciderOf(options: Deciding): Decider {
  return {
    decide: (id, given) => decide(options, id, given),
    mayDecide: (by, item) => mayDecide(options, by, item),
  }
}

/** Why nobody, or not this one, may touch this item now. */
export async function untouchable(
  options: Pick<Deciding, 'env' | 'mayDecide'>,
  item: ItemRecord,
  by: Actor,
): Promise<Decided | undefined> {
  if (!isActor(by)) return refused('forbidden', 'nobody is named who decides', item)
  if (item.state !== 'open') return refused(item.state === 'expired' ? 'expired' : 'settled', closedAs(item), item)
  const ends = item.dueAt === undefined ? item.expiresAt : undefined
  if (ends !== undefined && options.env.clock.now() > ends) return refused('expired', 'its time is over', item)
  if (!(await mayDecide(options, by, item)))
    return refused('forbidden', `${by.name ?? by.id} may not decide this`, item)
  return undefined
}

/** Where the host has no rule, an agent decides nothing: what asks is not what answers. */
async function mayDecide(options: Pick<Deciding, 'mayDecide'>, by: Actor, item: ItemRecord): Promise<boolean> {
  if (options.mayDecide === undefined) return by.kind !== 'agent'
  const said: unknown = await options.mayDecide(by, itemOf(item))
  if (typeof said === 'boolean') return said
  throw new KeelsonError('DEFINITION_INVALID', `mayDecide answered ${named(said)}`, {
    hint: 'Let it say true or false. Nothing was decided.',
  })
}

function closedAs({ state, dueAt }: ItemRecord): string {
  return state === 'expired' && dueAt !== undefined ? 'its time came, and it was let go' : `it is ${state}`
}

async function refuse(
  options: Deciding,
  item: ItemRecord,
  hash: string,
  by: Actor,
  decision: Decision,
): Promise<Decided | undefined> {
  const closed = await untouchable(options, item, by)
  if (closed !== undefined && (closed as { why?: string }).why !== 'forbidden') return closed
  if (item.hash !== hash) return refused('changed', 'it is not what you saw: look again', item)
  if (closed !== undefined) return closed
  const verbs = Object.keys(decision).filter((key) => key !== 'output') as Verb[]
  const [verb] = verbs
  if (verb === undefined || verbs.length > 1 || verb === 'snooze' || !item.allows.includes(verb))
    return refused('invalid', `it allows one of ${item.allows.join(', ')}; not ${verbs.join(', ') || 'nothing'}`, item)
  if (!SAID[verb]((decision as Record<string, unknown>)[verb]))
    return refused('invalid', `what was said with "${verb}" is no decision`, item)
  if (YES.has(verb) && mustBeOpened(item) && item.seen?.some((one) => one.by.id === by.id) !== true)
    return unopened(item, by)
  const wrong =
    misfit(options.env, item, decision) ??
    whyUnheard(options.env, item, verb) ??
    (await barred(options, item, decision))
  return wrong === undefined ? undefined : refused('invalid', wrong, item)
}

/** D7. */
async function barred({ env, workspace }: Deciding, item: ItemRecord, decision: Decision): Promise<string | undefined> {
  if (!('edit' in decision)) return undefined
  if (item.kind === 'plan') return whyLineDenied(env, workspace, item, lineEdits().parse(decision.edit))
  if (item.action === undefined) return undefined
  const action = env.actions.find(item.action)
  if (action === undefined) return undefined
  const input = toStored(action.input, decision.edit, 'INPUT_INVALID', 'the edited input')
  const reason = await whyDenied(env, workspace, item, input)
  return reason === undefined ? undefined : `policy denies it with this: ${reason}`
}

/** A batch takes only what may be decided together. */
async function beyond(
  { env, workspace }: Deciding,
  item: ItemRecord,
  key: string | undefined,
): Promise<Decided | undefined> {
  if (key === undefined) return undefined
  if (item.batchKey === undefined) return refused('invalid', 'it may only be decided alone', item)
  if (item.batchKey !== key) return refused('invalid', 'it is not like the others of the batch', item)
  // It may have come down since it was asked.
  if (!(await asksEach(env, workspace, item, false))) return undefined
  return refused('invalid', 'its action is to be decided one at a time', item)
}

/** D5: whatever may lead to its being done. */
const YES: ReadonlySet<Verb> = new Set(['approve', 'edit', 'answer'])

/** What each verb must say: a decision may come as JSON from anywhere. */
const SAID: { readonly [V in Exclude<Verb, 'snooze'>]: (said: unknown) => boolean } = {
  approve: (said) => said === true,
  retry: (said) => said === true,
  dismiss: (said) => said === true,
  reject: (said) => typeof said === 'string',
  respond: (said) => typeof said === 'string',
  edit: (said) => said !== undefined,
  answer: (said) => said !== undefined,
  outcome: (said) => said === 'happened' || said === 'did-not-happen' || said === 'look-again',
}

/** Checks what was entered against the action's own schema where it is known here, else against the item's JSON Schema. */
function misfit(env: Environment, item: ItemRecord, decision: Decision): string | undefined {
  const action = item.action === undefined ? undefined : env.actions.find(item.action)
  if ('outcome' in decision && decision.outcome === 'happened') {
    const result = (action?.output ?? fromJson(item.editSchema)).safeParse(decision.output ?? null)
    return result.success ? undefined : `say with what output it happened: ${zod().prettifyError(result.error)}`
  }
  if ('edit' in decision && item.kind === 'plan') return misfitLines(env, item, decision.edit as Json)
  const entered = 'edit' in decision ? decision.edit : 'answer' in decision ? decision.answer : undefined
  if (entered === undefined) return undefined
  if (!('edit' in decision)) return wrongIn(fromJson(item.editSchema), entered)
  const wrong = misfitInput(action?.input, item, entered as Json)
  return wrong ?? (action === undefined ? undefined : another(action, item, entered as Json))
}

/** Of an input that a person has changed. */
function misfitInput(known: z.ZodType | undefined, shown: Pick<ItemRecord, 'editSchema' | 'input'>, edited: Json) {
  const wrong = wrongIn(known ?? fromJson(shown.editSchema), edited)
  if (wrong !== undefined) return wrong
  try {
    const counts = known === undefined ? countedBy(shown.editSchema, edited) : executing(known, edited)
    const stray = strayIn(counts, shown.input, edited)
    return stray === undefined ? undefined : strayText(stray, shown.editSchema)
  } catch (thrown) {
    return (thrown as Error).message
  }
}

/** What would execute of it. */
function executing(schema: z.ZodType, edited: Json): Json {
  return JSON.parse(toStored(schema, edited, 'INPUT_INVALID', 'the edited input')) as Json
}

function wrongIn(schema: z.ZodType, entered: unknown): string | undefined {
  const result = schema.safeParse(entered)
  return result.success ? undefined : zod().prettifyError(result.error)
}

/** D4. */
function another(action: AnyAction, { input = null }: ItemRecord, edit: Json): string | undefined {
  try {
    const edited = toStored(action.input, edit, 'INPUT_INVALID', 'the edited input')
    return keepsIntent(action, canonical(input), edited) ? undefined : ANOTHER
  } catch (thrown) {
    return (thrown as Error).message
  }
}

const ANOTHER = 'with this it would be another effect, for its intent is another: say no, and have that asked for'

function misfitLines(env: Environment, item: ItemRecord, edit: Json): string | undefined {
  const { lines = [] } = item
  const edits = lineEdits().safeParse(edit)
  if (!edits.success) return zod().prettifyError(edits.error)
  const { skip = [], inputs = {} } = edits.data
  const unknown = [...skip, ...Object.keys(inputs)].find((id) => !lines.some((line) => line.id === id))
  if (unknown !== undefined) return `the plan has no line "${unknown}"`
  for (const [id, input] of Object.entries(inputs)) {
    if (skip.includes(id)) return `line "${id}" cannot be edited and skipped`
    const line = lines.find((one) => one.id === id)!
    if (line.denied !== undefined) return `line "${id}" is denied (${line.denied}), whatever its input`
    const wrong = misfitInput(env.actions.find(line.action)?.input, line, input)
    if (wrong !== undefined) return `line "${id}": ${wrong}`
  }
  try {
    return sameByEdit(item, edits.data, (name) => env.actions.find(name))
  } catch (thrown) {
    return (thrown as Error).message
  }
}

function fromJson(schema: Json): z.ZodType {
  const { fromJSONSchema, unknown } = zod()
  try {
    return fromJSONSchema(schema as never)
  } catch {
    return unknown()
  }
}

export function refused(why: (Decided & { status: 'refused' })['why'], message: string, item: ItemRecord): Decided {
  return { status: 'refused', why, message, item: itemOf(item) }
}

function unopened(item: ItemRecord, by: Actor): Decided {
  const message = `it is long, and ${by.name ?? by.id} has not opened it: inbox.opened('${item.id}', { by })`
  return { status: 'refused', why: 'invalid', code: 'unopened', message, item: itemOf(item) }
}

export function itemNotFound(id: string): KeelsonError {
  return new KeelsonError('ITEM_NOT_FOUND', `there is no item "${id}"`, {
    hint: 'inbox.list() names the open ones.',
    data: { item: id },
  })
}
