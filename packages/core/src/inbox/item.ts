/** InboxItem: what a person is asked, in one shape for every kind, so that one card renders all. */
import type { Actor, Money } from '../base/actor.ts'
import type { Flag } from '../base/glyphs.ts'
import type { Json } from '../base/value.ts'
import type { Asking, Attempt, ItemRecord, PlanLine, Provenance, Sourced, Verb } from '../conductor/item.ts'
import type { NoticeOf } from '../conductor/notice.ts'
import { iso } from '../conductor/waiting.ts'
import type { RejectReason, Risk } from '../connector/action.ts'
import type { Preview, PreviewRow } from '../connector/preview.ts'
import type { TrustRung } from '../policy/trust.ts'
import type { OnSilence } from '../policy/verdict.ts'

/** A way to deal with an item. */
type Way = Verb | 'delegate'

interface ItemBase {
  readonly id: string
  /** Goes back with the decision: it is about exactly this. */
  readonly hash: string
  readonly run?: string
  readonly title: string
  /** Which one asks, as it was then; not told of what Keelson itself asks, or what an earlier release has asked. */
  readonly playbook?: Asking
  readonly openedAt: string
  readonly expiresAt?: string
  /** What becomes of it when nobody answers; of what is held, `dueAt` says so. */
  readonly onSilence?: OnSilence
  readonly state: ItemRecord['state']
  readonly why: readonly Provenance[]
  readonly preview: Preview
  /** How it can be answered, or handed on; 'snooze' and 'delegate' by these verbs of `inbox`, all others by `inbox.decide`. */
  readonly allows: readonly Way[]
  readonly editSchema: Json
  /** Of a run in shadow: it shows what would have been asked; nothing outside comes of deciding it. */
  readonly shadow?: true
  /** What is not as it seems in what is shown: hidden or turned characters, letters that pass for others. */
  readonly flags: readonly Flag[]
  /** Too long to be seen at a glance: whoever approves, edits or answers it must have opened it, by `inbox.opened`. */
  readonly mustBeOpened?: true
  /** Tries to decide it that were refused: with a hash that it never had or has no longer, or by one who may not decide. */
  readonly attempts?: readonly (Omit<Attempt, 'at'> & { readonly at: string })[]
  readonly reminders: number
  /** Whose it is, since it was handed on, or nobody had answered. */
  readonly assignee?: Actor
  readonly handings: readonly { readonly by: Actor; readonly to: Actor; readonly at: string; readonly note?: string }[]
  readonly snoozedUntil?: string
  readonly decided?: { readonly by: Actor; readonly at: string; readonly decision: Json; readonly batch?: string }
  readonly seen: readonly { readonly by: Actor; readonly at: string }[]
}

export type InboxItem =
  | (ItemBase & {
      readonly kind: 'approval'
      readonly action: string
      readonly account: string
      readonly risk: Risk
      readonly reversibility: 'revert' | 'hold' | 'none'
      /** In shadow: 'answer' (was it good?) and 'dismiss' alone; nothing there can be approved. */
      readonly allows: readonly Exclude<Way, 'outcome' | 'retry'>[]
      /** Exactly what executes, unescaped: show `preview` instead. */
      readonly input: Json
      readonly cost?: Money
      /** How long it is held once it was approved. */
      readonly holdMs?: number
      /** Where its action stood on the ladder of trust as it was asked, and for which cases: where it climbs one. */
      readonly rung?: TrustRung
      readonly segment?: string
      /** What a yes leads to, in a sentence. */
      readonly consequence: string
      readonly rejectReasons: readonly RejectReason[]
      /** Items of one key may be decided together. */
      readonly batchKey?: string
      /** What differs from what was asked before. */
      readonly changed?: readonly PreviewRow[]
      /** When a held effect executes by itself; approve sends it now, reject cancels it. */
      readonly dueAt?: string
      /** That time came in a freeze: it goes out when the freeze ends. */
      readonly frozen?: true
      /** The item that this proposal revises. */
      readonly revises?: string
      /** The item that answered this one's no. */
      readonly revisedBy?: string
    })
  | (ItemBase & { readonly kind: 'question'; readonly question: string; readonly answerSchema: Json })
  | (ItemBase & {
      readonly kind: 'plan'
      readonly lines: readonly PlanLine[]
      readonly risk: Risk
      /** What other rules have changed since it was proposed, line by line. */
      readonly changed?: readonly PreviewRow[]
      readonly revises?: string
      readonly revisedBy?: string
    })
  | (ItemBase & {
      readonly kind: 'outcome-unknown'
      readonly action: string
      /** The key under which the outside system was asked: what to look for there. */
      readonly key: string
      readonly answers: readonly ('happened' | 'did-not-happen' | 'look-again')[]
    })
  | (ItemBase & { readonly kind: 'attention'; readonly code: string; readonly hint: string })

/** What a channel is told when nobody has answered. */
export type Notice = NoticeOf<InboxItem>

export function itemOf(record: ItemRecord): InboxItem {
  const base = baseOf(record)
  switch (record.kind) {
    case 'approval':
      return approvalOf(record, base)
    case 'question':
      return { ...base, kind: 'question', question: record.title, answerSchema: record.editSchema }
    case 'plan':
      return planOf(record, base)
    case 'outcome-unknown':
      return {
        ...base,
        kind: 'outcome-unknown',
        action: record.action ?? '',
        key: record.outsideKey ?? '',
        answers: ['happened', 'did-not-happen', 'look-again'],
      }
    case 'attention':
      return { ...base, kind: 'attention', code: record.code ?? '', hint: record.hint ?? '' }
    default:
      return record.kind satisfies never
  }
}

function baseOf(record: ItemRecord): ItemBase {
  return {
    id: record.id,
    hash: record.hash,
    ...(record.run === '' ? {} : { run: record.onBehalfOf ?? record.run }),
    title: record.title,
    ...(record.playbook === undefined ? {} : { playbook: record.playbook }),
    openedAt: iso(record.openedAt),
    ...(record.expiresAt === undefined ? {} : { expiresAt: iso(record.expiresAt) }),
    ...(record.dueAt === undefined ? { onSilence: record.onSilence } : {}),
    state: record.state,
    why: record.why.map(told),
    preview: record.preview,
    allows: waysOf(record),
    editSchema: record.editSchema,
    ...(record.shadow === true ? { shadow: true as const } : {}),
    flags: record.flags ?? [],
    ...(mustBeOpened(record) ? { mustBeOpened: true as const } : {}),
    ...(record.attempts === undefined ? {} : { attempts: record.attempts.map((one) => ({ ...one, at: iso(one.at) })) }),
    reminders: record.reminders,
    ...(record.assignee === undefined ? {} : { assignee: record.assignee }),
    handings: (record.handings ?? []).map((one) => ({ ...one, at: iso(one.at) })),
    ...(record.snoozedUntil === undefined ? {} : { snoozedUntil: iso(record.snoozedUntil) }),
    ...(record.decided === undefined ? {} : { decided: { ...record.decided, at: iso(record.decided.at) } }),
    seen: (record.seen ?? []).map((one) => ({ by: one.by, at: iso(one.at) })),
  }
}

export function mustBeOpened({ flags = [], lines = [] }: ItemRecord): boolean {
  return [flags, ...lines.map((line) => line.flags ?? [])].flat().some(({ code }) => code === 'long')
}

/** Whatever is open can be handed on. */
function waysOf({ state, allows }: ItemRecord): readonly Way[] {
  return state === 'open' ? [...allows, 'delegate'] : allows
}

/** Where it stands in the journal is Keelson's own. */
function told({ entry: _entry, ...one }: Sourced): Provenance {
  return one
}

function planOf({ lines = [], risk = 'medium', changed, ...record }: ItemRecord, base: ItemBase): InboxItem {
  const shown = lines.map((line) => ({ ...line, why: line.why.map(told) }))
  const how = changed === undefined ? {} : { changed }
  return { ...base, kind: 'plan', lines: shown, risk, ...how, ...linksOf(record) }
}

function approvalOf(record: ItemRecord, base: ItemBase): InboxItem {
  return {
    ...base,
    kind: 'approval',
    allows: base.allows as (InboxItem & { kind: 'approval' })['allows'],
    action: record.action ?? '',
    account: record.account ?? 'default',
    risk: record.risk ?? 'medium',
    reversibility: record.reversibility ?? 'none',
    input: record.input ?? null,
    consequence: record.consequence ?? '',
    rejectReasons: record.rejectReasons ?? [],
    ...(record.cost === undefined ? {} : { cost: record.cost }),
    ...(record.holdMs === undefined ? {} : { holdMs: record.holdMs }),
    ...(record.rung === undefined ? {} : { rung: record.rung }),
    ...(record.segment === undefined ? {} : { segment: record.segment }),
    ...(record.batchKey === undefined ? {} : { batchKey: record.batchKey }),
    ...(record.changed === undefined ? {} : { changed: record.changed }),
    ...(record.dueAt === undefined ? {} : { dueAt: iso(record.dueAt) }),
    ...(record.frozen === undefined ? {} : { frozen: record.frozen }),
    ...linksOf(record),
  }
}

function linksOf({ revises, revisedBy }: Pick<ItemRecord, 'revises' | 'revisedBy'>): {
  revises?: string
  revisedBy?: string
} {
  return { ...(revises === undefined ? {} : { revises }), ...(revisedBy === undefined ? {} : { revisedBy }) }
}
