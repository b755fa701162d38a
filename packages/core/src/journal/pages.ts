/** Pages: all rows of a look-up, read page by page: what stands behind the first counts, too. */
import type { MemoryStore, RecordQuery, RecordRow } from './store.ts'

const PAGE = 500

/**
 * In the order of the query, behind `after` where it has one. `wanted`: how many rows will do if all of them fit, and are read first;
 * a page is read only when somebody asks for a row of it.
 */
export async function* pagesOf(
  store: Pick<MemoryStore, 'records'>,
  workspace: string,
  query: Omit<RecordQuery, 'limit'>,
  wanted: number = PAGE,
): AsyncGenerator<RecordRow> {
  let { after } = query
  for (let limit = Math.min(PAGE, Math.max(1, wanted)); ; limit = PAGE) {
    const rows = await store.records(workspace, { ...query, limit, ...(after === undefined ? {} : { after }) })
    yield* rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < limit) return
    after = { sort: last.sort, id: last.id }
  }
}
