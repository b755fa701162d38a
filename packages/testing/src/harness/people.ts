/** People: what a test's operator does with the inbox. */
import type { Actor, Conductor, Decision, InboxItem, Json } from '@keelson/core'
import { canonical, KeelsonError } from '@keelson/core/ports'
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
    if (now.decided !== undefined && canonical(now.decided.decision) === canonical(made)) return // before a crash
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
  return { what: `approval of ${action}`, is: (item) => item.kind === 'approval' && item.action === action }
}

export function questionOf(question: string | RegExp | undefined): Wanted {
  const fits = (title: string): boolean =>
    question === undefined || (typeof question === 'string' ? title === question : question.test(title))
  return {
    what: question === undefined ? 'question' : `question ${String(question)}`,
    is: (item) => item.kind === 'question' && fits(item.question),
  }
}

export function unknownOf(action: string): Wanted {
  return {
    what: `question whether ${action} happened`,
    is: (item) => item.kind === 'outcome-unknown' && item.action === action,
  }
}

/** The input of an approval with some of its fields replaced. */
export function edited(item: InboxItem, change: object | undefined): Decision {
  if (change === undefined) return { approve: true }
  const input = item.kind === 'approval' ? (item.input as object) : {}
  return { edit: JSON.parse(canonical({ ...input, ...change })) as Json }
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
