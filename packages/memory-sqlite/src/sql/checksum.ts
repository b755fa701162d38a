/**
 * Checksum: rows that prove themselves.
 *
 * C1. A row outside the hash chain is only believed when its crc32 fits its columns; else `STORE_CORRUPT` names it.
 * C2. The checksum covers the table's name and the row's place, so a row that turns up elsewhere does not fit either.
 */
import { crc32 } from 'node:zlib'
import { KeelsonError } from '@keelson/core/ports'

/** crc32 as a signed integer, which SQLite keeps in four bytes. */
export function checksum(table: string, columns: readonly (string | number | null)[]): number {
  let text = table
  let sum = 0
  for (const column of columns) {
    if (isLong(column)) {
      sum = crc32(column, crc32(`${text}\u0000`, sum))
      text = ''
    } else text = marked(text, column)
  }
  return crc32(text, sum) | 0
}

/** So long that it is summed where it is, not copied behind the others. */
function isLong(column: string | number | null): column is string {
  return typeof column === 'string' && column.length > 2_000
}

function marked(text: string, column: string | number | null): string {
  return typeof column === 'string' ? `${text}\u0000${column}` : text + mark(column) + String(column)
}

/** A text that comes back as bytes, or as a number, reads the same and is not the same. */
function mark(column: unknown): string {
  if (typeof column === 'string') return '\u0000'
  if (typeof column === 'number') return '\u0000\u0001'
  return column === null ? '\u0000\u0002' : '\u0000\u0003'
}

/** Throws `STORE_CORRUPT`, naming table and row. */
export function corrupt(table: string, row: string): never {
  throw new KeelsonError('STORE_CORRUPT', wrong(table, row), {
    hint: 'Restore a backup. The disk or something that writes to the file beside Keelson has changed it.',
    data: { table, row },
  })
}

function wrong(table: string, row: string): string {
  return `row ${row} of table ${table} is not what was written`
}

/** The columns of a kind of row, sealed by a checksum over them. */
export interface Seal<Row extends { crc: number }> {
  readonly columns: readonly (keyof Row & string)[]
  readonly seal: (row: Omit<Row, 'crc'>) => Row
  /** `row` as it was read, once it has proven itself. */
  readonly open: (row: Row) => Row
  /** What `open` would throw of it; undefined: it is as it was written. */
  readonly trouble: (row: Row) => string | undefined
}

export function sealOf<Row extends { crc: number }>(
  table: string,
  columns: readonly (keyof Row & string)[],
  nameOf: (row: Row) => string,
): Seal<Row> {
  const values = columns.map((): string | number | null => null)
  const sum = (row: Omit<Row, 'crc'>): number => {
    for (let at = 0; at < columns.length; at++)
      values[at] = (row as Record<string, string | number | null>)[columns[at]!] ?? null
    return checksum(table, values)
  }
  return {
    columns,
    seal: (row) => ({ ...row, crc: sum(row) }) as unknown as Row,
    open: (row) => (sum(row) === row.crc ? row : corrupt(table, nameOf(row))),
    trouble: (row) => (sum(row) === row.crc ? undefined : wrong(table, nameOf(row))),
  }
}
