/** Meta: what a store knows about itself, by key. */
import { checksum, corrupt } from '../sql/checksum.ts'
import type { Queries } from '../sql/queries.ts'
import { all, first, run, type Work } from '../sql/statement.ts'

export function* readMeta(q: Queries, key: string): Work<string | undefined> {
  const row = yield* first(q.meta, { key })
  return row === undefined ? undefined : opened(row)
}

/** null removes it. */
export function* writeMeta(q: Queries, key: string, value: string | null): Work<void> {
  yield* run(q.removeMeta, { key })
  if (value !== null) yield* run(q.addMeta, { key, value, crc: checksum('meta', [key, value]) })
}

/** Every key that begins with `prefix`, without it. */
export function* listMeta(q: Queries, prefix: string): Work<[key: string, value: string][]> {
  const rows = yield* all(q.metaBehind, { from: prefix, to: `${prefix}\u{10FFFF}` })
  return rows.map((row) => [row.key.slice(prefix.length), opened(row)])
}

function opened(row: { key: string; value: string; crc: number }): string {
  return checksum('meta', [row.key, row.value]) === row.crc ? row.value : corrupt('meta', row.key)
}
