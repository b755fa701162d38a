/** Pages: all rows of a look-up, read page by page: what stands behind the first counts, too. */
import type { MemoryStore, RecordQuery, RecordRow } from '../journal/store.ts'

const PAGE = 500

export async function* pagesOf(
  store: MemoryStore,
  workspace: string,
  query: Omit<RecordQuery, 'limit' | 'after'>,
): AsyncGenerator<RecordRow> {
  let after: { sort: number; id: string } | undefined
  for (;;) {
    const rows = await store.records(workspace, { ...query, limit: PAGE, ...(after === undefined ? {} : { after }) })
    yield* rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    after = { sort: last.sort, id: last.id }
  }
}
