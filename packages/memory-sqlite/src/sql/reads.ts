/** Reads: runs by page, and the names of workspaces. */
import type { RunQuery, RunRow } from '@keelson/core/ports'
import { allWorkspaces, findWorkspace, type Context } from './context.ts'
import { kysely } from './kysely.ts'
import { seenRun, shownRow } from './runs.ts'
import { all, statement, type Work } from './statement.ts'
import type { RunsTable, Sql } from './tables.ts'

export function* readRuns(context: Context, db: Sql, workspace: string, query: RunQuery): Work<RunRow[]> {
  const space = yield* findWorkspace(context, workspace)
  if (space === undefined) return []
  const rows = query.ids === undefined ? yield* all(page(db, space, query), {}) : yield* byId(context, space, query)
  return rows.map((row) => shownRow(context, workspace, row))
}

function* byId(context: Context, space: number, query: RunQuery): Work<RunsTable[]> {
  const { state, playbook, after, limit } = query
  const descending = query.order === 'descending'
  const rows: RunsTable[] = []
  for (const id of new Set(query.ids)) {
    const row = yield* seenRun(context, space, id)
    if (row === undefined) continue
    if (state !== undefined && (state === 'open' ? row.state === 'settled' : row.state !== state)) continue
    if (playbook !== undefined && row.playbook !== playbook) continue
    if (after !== undefined && (descending ? row.num >= after : row.num <= after)) continue
    rows.push(row)
  }
  return rows.sort((a, b) => (descending ? b.num - a.num : a.num - b.num)).slice(0, limit)
}

function page(db: Sql, space: number, { state, playbook, after, order, limit }: RunQuery) {
  const descending = order === 'descending'
  let rows = db.selectFrom('runs').selectAll().where('workspace', '=', space)
  if (state === 'open') rows = rows.where('state', '<>', kysely().sql.lit('settled'))
  else if (state !== undefined) rows = rows.where('state', '=', state)
  if (playbook !== undefined) rows = rows.where('playbook', '=', playbook)
  if (after !== undefined) rows = rows.where('num', descending ? '<' : '>', after)
  return statement(() => rows.orderBy('num', descending ? 'desc' : 'asc').limit(limit))
}

export function* listWorkspaces(context: Context): Work<string[]> {
  return (yield* allWorkspaces(context)).map(({ name }) => name)
}
