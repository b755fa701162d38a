/** Sound: whether a file is whole: its schema as it was written, its pages, and no row of an index missing. */
import { KeelsonError } from '@keelson/core/ports'
import { checksum, corrupt } from '../sql/checksum.ts'
import { TAIL } from '../sql/tables.ts'
import type { Handle } from './connection.ts'

/** Files up to this size are checked whole when they open; beyond it, rows are checked as they are read. */
const CHECK_MAX_BYTES = 64 * 1024 * 1024

/** Throws `STORE_CORRUPT` unless the file is sound, as far as that can be told without reading all of a large one. */
export function check(handle: Handle, path: string): void {
  const stored = handle.prepare(`select value, crc from meta where key = 'schema'`).get() as SchemaSum | undefined
  const sum = schemaSum(handle)
  if (stored?.value !== String(sum) || stored.crc !== checksum('meta', ['schema', String(sum)])) {
    throw damaged(path, 'its schema is not what was written')
  }
  const bytes = (handle.pragma('page_count', { simple: true }) as number) * 4096
  if (bytes > CHECK_MAX_BYTES) return
  assertSound(handle, path)
}

/** Throws `STORE_CORRUPT` unless all of the file fits together. Reads all of it. */
export function assertSound(handle: Handle, path: string): void {
  const found = handle.pragma('integrity_check(1)', { simple: true }) as string
  if (found !== 'ok') throw damaged(path, found)
  const lost = handle.prepare(LOST).get() as { kind: string; id: string } | undefined
  if (lost !== undefined) corrupt('record_index', `${lost.kind} ${lost.id}`)
}

/** A record whose index row is not there: it would be missing from an answer, and nothing in the answer would tell. */
const LOST = `select r.kind, r.id from records r, json_each(r.fields) f where not exists (
  select 1 from record_index i where i.workspace = r.workspace and i.kind = r.kind and i.id = r.id
  and i.sort = r.sort and i.field = f.value ->> 0 and i.value = f.value ->> 1) limit 1`

interface SchemaSum {
  value: string
  crc: number
}

/** Of all but what is there only where there are several companies: without it, reads are slower, and right. */
function schemaSum(handle: Handle): number {
  const rows = handle
    .prepare('select type, name, tbl_name, sql from sqlite_schema where name <> ? order by type, name')
    .raw()
    .all(TAIL)
  return checksum('schema', (rows as (string | null)[][]).flat())
}

/** After the schema went forward. */
export function writeSchemaSum(handle: Handle): void {
  const sum = String(schemaSum(handle))
  handle.prepare(`delete from meta where key = 'schema'`).run()
  handle
    .prepare(`insert into meta (key, value, crc) values ('schema', ?, ?)`)
    .run(sum, checksum('meta', ['schema', sum]))
}

function damaged(path: string, what: string): KeelsonError {
  return new KeelsonError('STORE_CORRUPT', `${path} is damaged: ${what}`, {
    hint: 'Restore a backup. Keep the damaged file for study.',
    data: { path },
  })
}
