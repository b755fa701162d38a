/** Ask: a question to a person as an operation: an inbox item that a decision, or silence, ends. */
import type { z } from 'zod'
import { durationMs, type Duration } from '../../base/duration.ts'
import { KeelsonError } from '../../base/errors.ts'
import { sha256 } from '../../base/hash.ts'
import { canonicalAround } from '../../base/json.ts'
import { fromGiven, isSchema, jsonSchema } from '../../base/schema.ts'
import { assertJson } from '../../base/storable.ts'
import type { Json } from '../../base/value.ts'
import { withZod } from '../../base/zod.ts'
import type { Shape } from '../../connector/shape.ts'
import { dataOf, type Draft, type Entry } from '../../journal/entry.ts'
import type { EntryData } from '../../journal/kinds.ts'
import type { Op } from '../../journal/op.ts'
import { ladderOf, type OnSilence, type Rung, type RungOptions } from '../../policy/verdict.ts'
import { itemHash, itemId, itemPut, readItem, asking, saidBy, type ItemRecord } from '../item.ts'
import type { Pass } from '../pass.ts'
import { given } from './options.ts'
import type { Perform } from './place.ts'
import { readable } from '../shown.ts'
import { iso, type WaitInfo, type WaitKind } from '../waiting.ts'

/** What an item says beyond what every item has. */
export type ItemText = Pick<ItemRecord, 'kind' | 'title' | 'allows' | 'why' | 'preview' | 'editSchema'> &
  Partial<
    Pick<
      ItemRecord,
      | 'action'
      | 'account'
      | 'input'
      | 'risk'
      | 'reversibility'
      | 'cost'
      | 'consequence'
      | 'rejectReasons'
      | 'batchKey'
      | 'changed'
      | 'dueAt'
      | 'lines'
      | 'code'
      | 'hint'
      | 'revises'
      | 'verdict'
      | 'onBehalfOf'
      | 'proposes'
      | 'outsideKey'
      | 'shadow'
      | 'shape'
      | 'undo'
      | 'playbook'
      | 'holdMs'
    >
  >

/** When silence counts where nobody said: never, daily, or after a week. */
const SILENCE_MS = { wait: undefined, remind: 86_400_000, escalate: 86_400_000, reject: 7 * 86_400_000 } as const

export interface AskItem {
  /** Looks, at each pass, whether the open item still says what it should. */
  readonly again?: (item: string) => Promise<void>
  readonly item: ItemText
  /** Whether it is to be decided alone, looked at once, when the item opens. */
  readonly alone?: () => Promise<boolean>
  /** Where its action stands on the ladder of trust, looked at once, when the item opens. */
  readonly stands?: () => Promise<Pick<ItemRecord, 'rung' | 'segment'>>
  /** Renders what is shown, once, when the item opens. */
  readonly render?: () => Promise<ItemRecord['preview']>
  /** Reads what an effect rests on outside, once, when the item opens. */
  readonly rests?: () => Promise<Json>
  /** How its action is defined as the item opens. */
  readonly shape?: Shape
  readonly wait: WaitKind
  readonly onSilence: OnSilence
  /** When silence counts; with 'remind' and 'escalate' also how often. */
  readonly timeoutMs?: number
  /** Who is told, one after the other, with 'escalate'. */
  readonly ladder?: readonly Rung[]
  /** When a hold ends by itself. */
  readonly until?: number
}

/** How a question of `ctx` deals with silence. */
export interface Patience {
  readonly timeout?: Duration
  readonly onSilence?: OnSilence
  /** Who is told when nobody answers, one after the other. Means `onSilence: 'escalate'`. */
  readonly escalate?: readonly RungOptions[]
}

/** Opens an item and waits for its decision. The value is what `mail` made of the decision. */
export function askItem<T>(pass: Pass, key: string, asked: AskItem, value: (ok: Json | undefined) => T): Promise<T> {
  const { kind, title, action = null, input = null } = asked.item
  // The title of an effect is made for people, and may be put otherwise while somebody is asked.
  const hash = sha256(canonicalAround([kind, kind === 'question' ? title : null, action, input]))
  const live = async (op: Op): Promise<void> => {
    if (op.opened === undefined) await pass.work.run(() => open(pass, key, asked, hash))
    if (pass.work.aborted || op.outcome !== undefined) return
    const openedIn = (): EntryData['ask.opened'] => dataOf(op.opened as Entry & { kind: 'ask.opened' })
    if (asked.again !== undefined) await pass.work.run(async () => asked.again?.(openedIn().item))
    if (pass.work.aborted || op.outcome !== undefined) return
    const data = openedIn()
    const until = data.until === undefined ? {} : { until: iso(data.until), ...nextOf(data) }
    const { title } = asked.item
    const waits: Pick<WaitInfo, 'kind' | 'what'> =
      data.frozen === undefined
        ? { kind: asked.wait, what: title }
        : { kind: 'freeze', what: `the workspace is frozen. ${title}` }
    pass.waits.set(key, { ...waits, inbox: data.item, ...until })
    pass.replay?.poke()
  }
  return pass.operation<T>({ key, kind: 'ask', hash, live, value: ({ outcome }) => value(outcome.ok) })
}

/** What silence does next to what it does not end. */
function nextOf({ onSilence, ladder = [], rung = 0 }: EntryData['ask.opened']): Pick<WaitInfo, 'next'> {
  if (onSilence !== 'remind' && onSilence !== 'escalate') return {}
  const to = ladder[rung]?.to
  return { next: to === undefined ? 'reminds' : `goes on to ${to.name ?? to.id}` }
}

async function open(pass: Pass, key: string, asked: AskItem, hash: string): Promise<void> {
  const { env, claimed } = pass.task
  const { row } = claimed
  const now = env.clock.now()
  const every = asked.timeoutMs ?? SILENCE_MS[asked.onSilence]
  const first = asked.ladder?.[0]?.afterMs ?? every
  const until = asked.until ?? (first === undefined ? undefined : now + first)
  const expires = asked.until !== undefined || asked.onSilence === 'reject' || asked.onSilence === 'wait'
  const { batchKey, ...bare }: Omit<ItemRecord, 'hash'> = readable({
    ...(asked.item.onBehalfOf === undefined ? asking(row.playbook, row.version) : {}),
    ...(await asked.stands?.()),
    ...asked.item,
    preview: (await asked.render?.()) ?? asked.item.preview,
    id: itemId(row.stream, key, pass.history.head.seq),
    state: 'open',
    run: row.id,
    key,
    openedAt: now,
    onSilence: asked.onSilence,
    reminders: 0,
    ...(until === undefined || !expires ? {} : { expiresAt: until }),
  } as const)
  // What is not as it seems nobody decides among others.
  const single = batchKey === undefined || bare.flags !== undefined || (await asked.alone?.()) === true
  const item: ItemRecord = { ...bare, ...(single ? {} : { batchKey }), hash: itemHash(bare) }
  const fresh = await asked.rests?.()
  await pass.writer.submit(async () => {
    const data = {
      hash,
      item: item.id,
      onSilence: asked.onSilence,
      ...(until === undefined ? {} : { until }),
      ...(every === undefined ? {} : { everyMs: every }),
      ...(asked.ladder === undefined || asked.ladder.length === 0 ? {} : { ladder: asked.ladder }),
      ...(fresh === undefined ? {} : { fresh }),
      ...(asked.shape === undefined ? {} : { shape: asked.shape }),
      puts: [itemPut(item, 1), ...(await linked(pass, item))],
    }
    return { drafts: [{ kind: 'ask.opened', key, data } satisfies Draft] }
  })
  if (!pass.work.aborted) tell(pass, item)
}

/** The item that this one revises says which one that is. */
async function linked(pass: Pass, item: ItemRecord): Promise<ReturnType<typeof itemPut>[]> {
  if (item.revises === undefined) return []
  const { env, claimed } = pass.task
  const found = await readItem(env.store, claimed.row.workspace, item.revises)
  return found === undefined ? [] : [itemPut({ ...found.item, revisedBy: item.id }, found.version + 1)]
}

function tell(pass: Pass, item: ItemRecord): void {
  const { env, claimed } = pass.task
  const { workspace, playbook } = claimed.row
  const about = { workspace, run: item.onBehalfOf ?? claimed.row.id, playbook }
  const { id, title, kind, dueAt, allows } = item
  env.emit('item.opened', {
    ...about,
    ...{ item: id, title, kind, allows },
    ...(dueAt === undefined ? {} : { dueAt: iso(dueAt) }),
  })
  const action = item.action ?? ''
  if (kind === 'outcome-unknown') env.emit('effect.unknown', { ...about, action, item: id })
  else if (kind === 'approval' && dueAt !== undefined)
    env.emit('effect.held', { ...about, action, item: id, until: iso(dueAt) })
  else if (kind === 'approval') env.emit('effect.asked', { ...about, action, item: id, title })
}

/** What a question says of silence, with what is meant where nothing is said. */
export function patience(
  { timeout, onSilence, escalate }: Patience,
  byDefault: OnSilence = 'wait',
): Pick<AskItem, 'onSilence' | 'timeoutMs' | 'ladder'> {
  return {
    onSilence: escalate === undefined ? (onSilence ?? byDefault) : 'escalate',
    ...(escalate === undefined ? {} : { ladder: ladderOf(escalate) }),
    ...(timeout === undefined ? {} : { timeoutMs: durationMs(timeout) }),
  }
}

/** Asks until the answer fits: a schema may want what its JSON Schema, by which the inbox looks at answers, cannot say. */
export async function ask(
  pass: Pass,
  perform: Perform,
  question: string,
  options: { answer: z.ZodType } & Patience,
): Promise<unknown> {
  const { answer } = given('ask', options as typeof options | undefined) ?? {}
  if (!isSchema(answer))
    throw new KeelsonError('INPUT_INVALID', 'ctx.ask has no schema of its answer', {
      hint: 'ctx.ask(question, { answer: z.string() })',
    })
  for (let wrong: string | undefined; ;) {
    const asked: AskItem = {
      item: questionOf(pass, question, options.answer, wrong),
      wait: 'question',
      ...patience(options),
    }
    wrong = undefined
    const said = await perform('ask', (key) => {
      // Else no answer would ever fit, and it were asked for ever. What was asked before this was looked at goes on.
      if (!pass.history.ops.has(key)) assertJson(answer, 'the answer of ctx.ask', 'given')
      return askItem(pass, key, asked, (ok) => {
        const said = fromGiven(options.answer, ok)
        if ('value' in said) return said.value
        wrong = said.wrong
        return undefined
      })
    })
    if (wrong === undefined) return said
  }
}

/** The title is what is compared on replay: what was wrong with an answer is told beside it. */
function questionOf(pass: Pass, question: string, answer: z.ZodType, wrong: string | undefined): ItemText {
  const run = pass.task.claimed.row.id
  const more = wrong === undefined ? '' : `\n\nWhat was answered before does not fit: ${wrong}`
  return {
    kind: 'question',
    ...posed(pass, question),
    allows: ['answer', 'snooze'],
    why: [saidBy(run, pass.history.labels)],
    preview: { kind: 'text', after: `${question}${more}` },
    editSchema: jsonSchema(answer) as Json,
  }
}

/** A run in shadow really asks, for its code needs the answer; the question says that nothing comes of it. */
function posed(pass: Pass, question: string): Pick<ItemText, 'title' | 'shadow'> {
  return pass.history.start.shadow === undefined
    ? { title: question }
    : { title: `In shadow: ${question}`, shadow: true }
}

const yesSchema = withZod((z) => z.object({ approved: z.boolean() }))

/** Yes or no. Silence is a no where `onSilence` is 'reject', and never a yes. */
export async function approve(pass: Pass, key: string, question: string, options: Patience = {}): Promise<boolean> {
  const item: ItemText = {
    kind: 'question',
    ...posed(pass, question),
    allows: pass.history.start.shadow === undefined ? ['approve', 'reject', 'answer', 'snooze'] : ['answer', 'snooze'],
    why: [saidBy(pass.task.claimed.row.id, pass.history.labels)],
    preview: { kind: 'text', after: question },
    editSchema: jsonSchema(yesSchema()) as Json,
  }
  const asked: AskItem = {
    item,
    wait: 'question',
    ...patience(options, options.timeout === undefined ? 'wait' : 'reject'),
  }
  try {
    return await askItem(pass, key, asked, yes)
  } catch (thrown) {
    if ((thrown as { code?: string }).code === 'STEP_TIMEOUT') return false
    throw thrown
  }
}

function yes(ok: Json | undefined): boolean {
  const said = ok as { approved?: boolean; decision?: { approve?: boolean } } | undefined
  return said?.approved === true || said?.decision?.approve === true
}
