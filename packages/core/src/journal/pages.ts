/** Pages: all rows of a look-up, read page by page: what stands behind the first counts, too. */
import type { MemoryStore, RecordQuery, RecordRow } from './store.ts'

const PAGE = 500

/** In the order of the query, behind `after` where it has one. */
export async function* pagesOf(
  store: Pick<MemoryStore, 'records'>,
  workspace: string,
  query: Omit<RecordQuery, 'limit'>,
): AsyncGenerator<RecordRow> {
  let { after } = query
  for (;;) {
    const rows = await store.records(workspace, { ...query, limit: PAGE, ...(after === undefined ? {} : { after }) })
    yield* rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    after = { sort: last.sort, id: last.id }
  }
}
