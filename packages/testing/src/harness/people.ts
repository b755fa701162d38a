/** People: what a test's operator does with the inbox. */
import type { Actor, Conductor, Decided, Decision, Edit, InboxItem, Json, Reviewed } from '@keelson/core'
import { canonical, KeelsonError, wholeDecision } from '@keelson/core/ports'
import { milliseconds } from '../clock.ts'
import type { World } from '../fake/world.ts'
import { whatWaits, type Stage } from './stage.ts'

/** Who decides in tests, if nobody else is named. */
export const OPERATOR: Actor = { kind: 'person', id: 'operator', name: 'the operator' }

const LOOKS_MAX = 50

export interface Wanted {
  /** For messages: 'an approval of email.send'. */
  readonly what: string
  readonly is: (item: InboxItem) => boolean
}

/** Decides the oldest open item that is wanted. `decision` is made from the item as it stands. */
export async function decide(
  stage: Stage,
  wanted: Wanted,
  by: Actor,
  decision: (item: InboxItem) => Decision,
): Promise<void> {
  await stage.settle()
  const item = await oldest(stage, wanted)
  const made = decision(item)
  await stage.perform(async (keelson) => {
    const now = await keelson.inbox.get(item.id)
    if (now.decided !== undefined && canonical(now.decided.decision) === canonical(wholeDecision(item, made))) return // before a crash
    if (item.mustBeOpened === true) await keelson.inbox.opened(item.id, { by })
    const decided = await keelson.inbox.decide(item.id, { hash: item.hash, by, ...made })
    if (decided.status === 'done') return
    throw new KeelsonError('INPUT_INVALID', `${wanted.what} was refused: ${decided.why}: ${decided.message}`, {
      data: { item: item.id, allows: [...item.allows] },
    })
  })
  await stage.settle()
}

/** A patient person comes back whenever something was due. */
async function oldest(stage: Stage, wanted: Wanted): Promise<InboxItem> {
  for (let looks = 1; ; looks++) {
    try {
      return await stage.perform((keelson) => find(keelson, wanted))
    } catch (thrown) {
      const more = stage.patient && looks < LOOKS_MAX && KeelsonError.is(thrown, 'ITEM_NOT_FOUND')
      if (!more || !(await stage.skip(Infinity))) throw thrown
      await stage.settle()
    }
  }
}

async function find(keelson: Conductor, wanted: Wanted): Promise<InboxItem> {
  const { items } = await keelson.inbox.list({ limit: 500 })
  const found = items.find(wanted.is)
  if (found !== undefined) return found
  const open = items.map((item) => `  - ${item.kind}: ${item.title}`)
  throw new KeelsonError(
    'ITEM_NOT_FOUND',
    `the inbox holds no ${wanted.what}; ${open.length === 0 ? 'it is empty' : `it holds:\n${open.join('\n')}`}\n${await whatWaits(keelson)}`,
    { hint: 'Start the run first, or advance the time until it asks.' },
  )
}

export function approvalOf(action: string): Wanted {
  return {
    what: `approval of ${action}`,
    is: (item) => item.kind === 'approval' && item.action === action && item.shadow !== true,
  }
}

export function questionOf(question: string | RegExp | undefined): Wanted {
  const fits = (title: string): boolean =>
    question === undefined || (typeof question === 'string' ? title === question : question.test(title))
  return {
    what: question === undefined ? 'question' : `question ${String(question)}`,
    is: (item) => item.kind === 'question' && fits(item.question),
  }
}

/** An open item as a test picks it: the oldest of which all that is given holds. */
export interface Picked {
  readonly kind?: InboxItem['kind']
  readonly title?: string | RegExp
  readonly action?: string
}

export function itemLike({ kind, title, action }: Picked): Wanted {
  const said = [
    kind ?? 'item',
    ...(action === undefined ? [] : [`of ${action}`]),
    ...(title === undefined ? [] : [String(title)]),
  ]
  const fits = (one: string): boolean =>
    title === undefined || (typeof title === 'string' ? one === title : title.test(one))
  return {
    what: said.join(' '),
    is: (item) =>
      (kind === undefined || item.kind === kind) &&
      (action === undefined || ('action' in item && item.action === action)) &&
      fits(item.title),
  }
}

/** What a test says of a plan: as it stands, or with lines left out or edited in part. */
export interface PlanDecision {
  readonly title?: string | RegExp
  readonly skip?: readonly string[]
  readonly edit?: { readonly [line: string]: object }
  readonly reject?: string
  readonly respond?: string
  readonly by?: Actor
}

export function planned({ skip = [], edit = {}, reject, respond }: PlanDecision): Decision {
  if (reject !== undefined) return { reject }
  if (respond !== undefined) return { respond }
  if (skip.length === 0 && Object.keys(edit).length === 0) return { approve: true }
  return { edit: { skip, inputs: edit as Edit } }
}

/** A held effect. */
export function heldOf(action: string): Wanted {
  return {
    what: `held ${action}`,
    is: (item) => item.kind === 'approval' && item.action === action && item.dueAt !== undefined,
  }
}

/** Puts the oldest held effect of an action to another time. */
export async function reschedule(stage: Stage, action: string, to: string, by: Actor): Promise<void> {
  await stage.settle()
  const item = await oldest(stage, heldOf(action))
  // A duration counts from now; after a crash it is still that now.
  const until =
    /^\d/.test(to) && !to.includes('-') ? new Date(stage.setting.clock.now() + milliseconds(to)).toISOString() : to
  await stage.perform(async (keelson) => assertDone(await keelson.holds.reschedule(item.id, { by, to: until }), item))
  await stage.settle()
}

/** Decides all open items of an action that may be decided together, as one batch. */
export async function inBatch(stage: Stage, action: string, by: Actor): Promise<void> {
  await stage.settle()
  let reviewed: readonly Reviewed[] | undefined // once: what comes in after a crash is not among it
  await stage.perform(async (keelson) => {
    const group = (await keelson.inbox.groups()).find((one) => one.action === action && one.batchKey !== undefined)
    reviewed ??= group?.items
    if (reviewed === undefined) {
      throw new KeelsonError('ITEM_NOT_FOUND', `no items of ${action} wait that may be decided together`, {
        hint: 'High risk, and what cannot be taken back, is decided alone.',
      })
    }
    await keelson.inbox.batch(reviewed, { by, approve: true })
  })
  await stage.settle()
}

function assertDone(decided: Decided, item: InboxItem): void {
  if (decided.status === 'done') return
  throw new KeelsonError('INPUT_INVALID', `"${item.title}" was refused: ${decided.why}: ${decided.message}`, {
    data: { item: item.id },
  })
}

export function unknownOf(action: string): Wanted {
  return {
    what: `question whether ${action} happened`,
    is: (item) => item.kind === 'outcome-unknown' && item.action === action,
  }
}

/** A yes, to what was shown or to that with some of its fields other. */
export function edited(change: object | undefined): Decision {
  return change === undefined ? { approve: true } : { edit: change as Edit }
}

/** Nobody knows whether an effect happened, so the operator is asked; this one looks, and says what is so. */
export async function answerTruly(keelson: Conductor, world: World): Promise<boolean> {
  let answered = false
  for (const id of await keelson.workspaces.list()) {
    const { inbox } = keelson.workspace(id)
    for (const item of (await inbox.list({ limit: 500 })).items) {
      // It was not the run that ended its processes, but who watches it.
      if (item.kind === 'attention' && item.code === 'RUN_QUARANTINED') {
        await inbox.decide(item.id, { hash: item.hash, by: { kind: 'person', id: 'truthful' }, retry: true })
        answered = true
      }
      if (item.kind !== 'outcome-unknown') continue
      const found = world.happened(item.action).find((one) => one.key === item.key)
      const truth =
        found === undefined
          ? ({ outcome: 'did-not-happen' } as const)
          : ({ outcome: 'happened', output: found.output as Json } as const)
      await inbox.decide(item.id, { hash: item.hash, by: { kind: 'person', id: 'truthful' }, ...truth })
      answered = true
    }
  }
  return answered
}
