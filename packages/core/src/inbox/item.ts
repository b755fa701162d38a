/** InboxItem: what a person is asked, in one shape for every kind, so that one card renders all. */
import type { Actor } from '../base/actor.ts'
import type { Json } from '../base/value.ts'
import type { ItemRecord, Provenance, Verb } from '../conductor/item.ts'
import { iso } from '../conductor/waiting.ts'
import type { Preview } from '../connector/action.ts'

interface ItemBase {
  readonly id: string
  /** Goes back with the decision: it is about exactly this. */
  readonly hash: string
  readonly run?: string
  readonly title: string
  readonly openedAt: string
  readonly expiresAt?: string
  readonly state: ItemRecord['state']
  readonly why: readonly Provenance[]
  readonly preview: Preview
  readonly allows: readonly Verb[]
  readonly editSchema: Json
  /** Of a run in shadow: it shows what would have been asked; nothing outside comes of deciding it. */
  readonly shadow?: true
  readonly reminders: number
  readonly decided?: { readonly by: Actor; readonly at: string; readonly decision: Json }
  readonly seen: readonly { readonly by: Actor; readonly at: string }[]
}

export type InboxItem =
  | (ItemBase & {
      readonly kind: 'approval'
      readonly action: string
      readonly account: string
      readonly risk: 'low' | 'medium' | 'high'
      readonly reversibility: 'revert' | 'hold' | 'none'
      readonly input: Json
      /** When a held effect executes by itself; approve sends it now, reject cancels it. */
      readonly dueAt?: string
      /** The item that this proposal revises. */
      readonly revises?: string
    })
  | (ItemBase & { readonly kind: 'question'; readonly question: string; readonly answerSchema: Json })
  | (ItemBase & { readonly kind: 'plan'; readonly lines: readonly { id: string; action: string; preview: Preview }[] })
  | (ItemBase & {
      readonly kind: 'outcome-unknown'
      readonly action: string
      /** The key under which the outside system was asked: what to look for there. */
      readonly key: string
      readonly answers: readonly ('happened' | 'did-not-happen' | 'look-again')[]
    })
  | (ItemBase & { readonly kind: 'attention'; readonly code: string; readonly hint: string })

export function itemOf(record: ItemRecord): InboxItem {
  const base: ItemBase = {
    id: record.id,
    hash: record.hash,
    ...(record.run === '' ? {} : { run: record.onBehalfOf ?? record.run }),
    title: record.title,
    openedAt: iso(record.openedAt),
    ...(record.expiresAt === undefined ? {} : { expiresAt: iso(record.expiresAt) }),
    state: record.state,
    why: record.why,
    preview: record.preview,
    allows: record.allows,
    editSchema: record.editSchema,
    ...(record.shadow === true ? { shadow: true as const } : {}),
    reminders: record.reminders,
    ...(record.decided === undefined ? {} : { decided: { ...record.decided, at: iso(record.decided.at) } }),
    seen: (record.seen ?? []).map((one) => ({ by: one.by, at: iso(one.at) })),
  }
  switch (record.kind) {
    case 'approval':
      return {
        ...base,
        kind: 'approval',
        action: record.action ?? '',
        account: record.account ?? 'default',
        risk: record.risk ?? 'medium',
        reversibility: record.reversibility ?? 'none',
        input: record.input ?? null,
        ...(record.dueAt === undefined ? {} : { dueAt: iso(record.dueAt) }),
        ...(record.revises === undefined ? {} : { revises: record.revises }),
      }
    case 'question':
      return { ...base, kind: 'question', question: record.title, answerSchema: record.editSchema }
    case 'plan':
      return { ...base, kind: 'plan', lines: [] }
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
