/**
 * Learn: what an operator's corrections may mean, as proposals with their evidence; never applied by themselves.
 *
 * One correction may be a mood. It is kept as a lesson; when the same is corrected again, the lesson is put before the
 * operator. Of an accepted one it is counted how often the same had to be corrected after all.
 */
import type { Json } from '../base/value.ts'
import type { Put } from '../journal/put.ts'
import type { NewMemory } from './input.ts'

/** What corrections of one kind have in common. */
export interface LessonRecord {
  readonly id: string
  /** The action; of a question that `ctx.approve` asked, the playbook and the key of it. */
  readonly action: string
  /** The field that is edited; 'reject' of what is turned down, 'skip' of what is left out of a plan. */
  readonly what: string
  /** The inbox items that show it. */
  readonly items: readonly string[]
  /** What was said or changed, the newest last. */
  readonly said: readonly string[]
  /** The change set by which it was proposed. */
  readonly changeSet?: string
  /** Decisions on the action since it was accepted, and how many of them corrected the same. */
  readonly decisions: number
  readonly repeats: number
}

/** A lesson as it is handed out. */
export interface Learned {
  readonly id: string
  readonly action: string
  readonly what: string
  readonly items: readonly string[]
  readonly changeSet?: string
  /** `noticed`: seen once; `proposed`: waits in the inbox; then as it was decided. */
  readonly status: 'noticed' | 'proposed' | 'accepted' | 'rejected'
  readonly decisionsSince: number
  readonly repeatsSince: number
  /** Corrections of the same per decision since it was accepted, in [0, 1]; undefined before. */
  readonly repeatRate?: number
}

/** A correction that a decision made. */
export interface Correction {
  readonly what: string
  readonly said: string
}

export const LESSON_RECORD = 'lesson'
/** So often the same must be corrected before it is proposed. */
export const LESSON_AT = 2
const SAID_MAX = 5

/** What a decision on an action's input corrects: each changed field, or that it was turned down, and why. */
export function correctionsOf(
  input: Json,
  decision: { readonly edit?: Json; readonly reject?: string; readonly respond?: string },
): Correction[] {
  const no = decision.reject ?? decision.respond
  if (no !== undefined) return no.trim() === '' ? [] : [{ what: 'reject', said: no.slice(0, 2000).toWellFormed() }]
  if (!isObject(input) || !isObject(decision.edit)) return []
  const fields = Object.keys({ ...input, ...decision.edit }).sort()
  return fields.flatMap((field) => {
    const [before, after] = [shown(input[field]), shown((decision.edit as Record<string, Json>)[field])]
    return before === after ? [] : [{ what: field, said: `${before} → ${after}`.slice(0, 2000).toWellFormed() }]
  })
}

/** Corrections of one action, or of one question. */
export interface Lesson {
  readonly action: string
  readonly corrections: readonly Correction[]
}

/** What a decision on a plan corrects, by action: lines whose input was edited, lines left out, or all of it. */
export function planLessons(
  lines: readonly { readonly id: string; readonly action: string; readonly title: string; readonly input: Json }[],
  decision: { readonly edit?: Json; readonly reject?: string; readonly respond?: string },
): Lesson[] {
  const edit = isObject(decision.edit) ? decision.edit : {}
  const skip = Array.isArray(edit['skip']) ? edit['skip'] : []
  const inputs = isObject(edit['inputs']) ? edit['inputs'] : {}
  const no = correctionsOf(null, decision)
  const found = new Map<string, Map<string, Set<string>>>()
  for (const { id, action, title, input } of lines) {
    const whats = found.get(action) ?? new Map<string, Set<string>>()
    found.set(action, whats)
    const own =
      no.length > 0
        ? no
        : skip.includes(id)
          ? [{ what: 'skip', said: title }]
          : correctionsOf(input, inputs[id] === undefined ? {} : { edit: inputs[id] })
    for (const { what, said } of own) whats.set(what, (whats.get(what) ?? new Set()).add(said))
  }
  // One decision is one correction, of however many lines.
  const joined = (said: ReadonlySet<string>): string => [...said].join('; ').slice(0, 2000).toWellFormed()
  return [...found].map(([action, whats]) => ({
    action,
    corrections: [...whats].map(([what, said]) => ({ what, said: joined(said) })),
  }))
}

/** What is proposed of a lesson. */
export function lessonMemory({ action, what, said, items }: LessonRecord): NewMemory {
  const shownSaid = said.map((one) => `"${one}"`).join('; ')
  const text =
    what === 'reject'
      ? `${action} was turned down, saying: ${shownSaid}`
      : what === 'skip'
        ? `${action} was left out of plans: ${shownSaid}`
        : `${action}: "${what}" was changed: ${shownSaid}`
  return {
    kind: what === 'reject' || what === 'skip' ? 'rule' : 'preference',
    load: 'always',
    subject: action,
    text,
    evidence: items.slice(-20).map((id) => ({ kind: 'item', id })),
  }
}

/** The lesson with one more correction. */
export function taught(lesson: LessonRecord, item: string, said: string): LessonRecord {
  return { ...lesson, items: [...lesson.items, item].slice(-100), said: [...lesson.said, said].slice(-SAID_MAX) }
}

export function lessonPut(lesson: LessonRecord, version: number): Put {
  return {
    kind: LESSON_RECORD,
    id: lesson.id,
    version,
    data: lesson as unknown as Json,
    index: { all: '1', action: lesson.action },
  }
}

function isObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shown(value: Json | undefined): string {
  return value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value)
}
