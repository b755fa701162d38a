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
  planLessons,
  taught,
  type Learned,
  type Lesson,
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

/** What a decision teaches. Part of the unit that records it. */
async function teach(
  env: Environment,
  workspace: string,
  item: ItemRecord,
  decision: Json,
  by: Actor,
): Promise<Taught> {
  if (by.kind !== 'person') return NOTHING
  const puts: Put[] = []
  const starts: NewRun[] = []
  for (const lesson of await lessonsIn(env, workspace, item, (decision ?? {}) as Said)) {
    const made = await teachOne(env, workspace, item, lesson, by)
    puts.push(...made.puts)
    starts.push(...made.starts)
  }
  return { puts, starts }
}

type Said = Parameters<typeof correctionsOf>[1]

/** Of an action's approval, of the lines of a plan, of a yes or no that code asked for. */
async function lessonsIn(env: Environment, workspace: string, item: ItemRecord, said: Said): Promise<Lesson[]> {
  const { kind, action, lines = [], input = null, title } = item
  if (kind === 'plan') return planLessons(lines, said)
  if (kind === 'approval' && action !== undefined) return [{ action, corrections: correctionsOf(input, said) }]
  const question = await questionOf(env, workspace, item)
  if (question === undefined) return []
  const corrections = correctionsOf(null, said).map(({ what, said: words }) => ({ what, said: `${title} ${words}` }))
  return [{ action: question, corrections }]
}

/** The playbook and the key under which `ctx.approve` asks; undefined for any other question. */
async function questionOf(env: Environment, workspace: string, item: ItemRecord): Promise<string | undefined> {
  const { kind, allows, proposes, run, key } = item
  if (kind !== 'question' || !allows.includes('approve') || proposes !== undefined || key === '') return undefined
  const [row] = await env.store.runs(workspace, { ids: [run], limit: 1 })
  if (row === undefined || row.playbook.startsWith('keelson.')) return undefined
  // Branches of one place in the code ask the same question.
  return `${row.playbook}.${key.replaceAll(/\[[^\]]*\]/g, '').replaceAll('/', '.')}`
}

async function teachOne(
  env: Environment,
  workspace: string,
  item: ItemRecord,
  { action, corrections }: Lesson,
  by: Actor,
): Promise<Taught> {
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
