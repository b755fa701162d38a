/** Lessons: what decisions in the inbox correct, kept in the unit of the decision, and proposed when it recurs. */
import type { Actor } from '../../base/actor.ts'
import { sha256 } from '../../base/hash.ts'
import { canonical } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import type { Put } from '../../journal/put.ts'
import type { NewRun } from '../../journal/store.ts'
import { CHANGE_SET_RECORD, type ChangeSetRecord } from '../../memory/change-set.ts'
import {
  correctionsOf,
  LESSON_AT,
  LESSON_RECORD,
  lessonMemory,
  lessonPut,
  taught,
  type Learned,
  type LessonRecord,
} from '../../memory/learn.ts'
import type { Environment } from '../environment.ts'
import type { ItemRecord } from '../item.ts'
import type { Projections } from '../projections.ts'
import { deskOf, type Desk } from './desk.ts'
import { draftProposal } from './write.ts'

/** Learns of each decision, in its unit. */
export const lessons: Projections<Environment> = {
  decided: (env, workspace, { item, by }) => teach(env, workspace, item, item.decided?.decision ?? null, by),
}

interface Taught {
  readonly puts: readonly Put[]
  readonly starts: readonly NewRun[]
}

const NOTHING: Taught = { puts: [], starts: [] }

/** What a decision on an action's approval teaches. Part of the unit that records the decision. */
async function teach(
  env: Environment,
  workspace: string,
  item: ItemRecord,
  decision: Json,
  by: Actor,
): Promise<Taught> {
  if (item.kind !== 'approval' || item.action === undefined || by.kind !== 'person') return NOTHING
  const { action } = item
  const corrections = correctionsOf(item.input ?? null, decision as { edit?: Json; reject?: string })
  const known = await lessonsOn(env, workspace, action)
  const puts: Put[] = []
  const starts: NewRun[] = []
  const counted = new Set<string>()
  for (const { what, said } of corrections) {
    const id = sha256(canonical([action, what])).slice(0, 24)
    const found = known.get(id)
    const before = found?.lesson ?? { id, action, what, items: [], said: [], decisions: 0, repeats: 0 }
    const status = await statusOf(env, workspace, before)
    let lesson = taught(before, item.id, said)
    if (status === 'accepted') lesson = { ...lesson, decisions: before.decisions + 1, repeats: before.repeats + 1 }
    if (status === 'noticed' && lesson.items.length >= LESSON_AT) {
      const proposed = draftLesson(deskOf(env, workspace), lesson, by)
      lesson = { ...lesson, changeSet: proposed.set }
      puts.push(...proposed.puts)
      starts.push(...proposed.starts)
    }
    puts.push(lessonPut(lesson, (found?.version ?? 0) + 1))
    counted.add(id)
  }
  for (const [id, { lesson, version }] of known) {
    if (counted.has(id) || (await statusOf(env, workspace, lesson)) !== 'accepted') continue
    puts.push(lessonPut({ ...lesson, decisions: lesson.decisions + 1 }, version + 1))
  }
  return { puts, starts }
}

function draftLesson(desk: Desk, lesson: LessonRecord, by: Actor): { set: string; puts: Put[]; starts: NewRun[] } {
  const set = `lesson_${lesson.id}`
  const record: ChangeSetRecord = {
    ...{
      id: set,
      status: 'proposed',
      source: { by: { kind: 'system', id: 'keelson' } },
      createdAt: desk.env.clock.now(),
    },
    ...{
      reason: `a lesson from ${lesson.items.length} corrections by ${by.name ?? by.id}`,
      scope: desk.scope,
      changes: [],
    },
    ...{ ops: [{ op: 'add', memory: lessonMemory(lesson) }], learned: { lesson: lesson.id } },
  }
  return { set, ...draftProposal(desk, record, by) }
}

async function lessonsOn(
  env: Environment,
  workspace: string,
  action: string,
): Promise<Map<string, { lesson: LessonRecord; version: number }>> {
  const rows = await env.store.records(workspace, {
    kind: LESSON_RECORD,
    where: { field: 'action', value: action },
    limit: 500,
  })
  return new Map(rows.map((row) => [row.id, { lesson: JSON.parse(row.data) as LessonRecord, version: row.version }]))
}

async function statusOf(env: Environment, workspace: string, { changeSet }: LessonRecord): Promise<Learned['status']> {
  if (changeSet === undefined) return 'noticed'
  const [row] = await env.store.records(workspace, { kind: CHANGE_SET_RECORD, ids: [changeSet], limit: 1 })
  const status = row === undefined ? 'rejected' : (JSON.parse(row.data) as ChangeSetRecord).status
  return status === 'applied' ? 'accepted' : status === 'proposed' ? 'proposed' : 'rejected'
}

export async function learned({ env, workspace }: Desk): Promise<Learned[]> {
  const rows = await env.store.records(workspace, {
    kind: LESSON_RECORD,
    where: { field: 'all', value: '1' },
    limit: 1000,
  })
  return Promise.all(
    rows.map(async (row): Promise<Learned> => {
      const lesson = JSON.parse(row.data) as LessonRecord
      const status = await statusOf(env, workspace, lesson)
      const { id, action, what, items, changeSet, decisions, repeats } = lesson
      return {
        ...{ id, action, what, items, status, decisionsSince: decisions, repeatsSince: repeats },
        ...(changeSet === undefined ? {} : { changeSet }),
        ...(status === 'accepted' && decisions > 0 ? { repeatRate: repeats / decisions } : {}),
      }
    }),
  )
}
