/**
 * Checksum: rows that prove themselves, and texts packed into bytes.
 *
 * C1. A row outside the hash chain is only believed when its crc32 fits its columns; else `STORE_CORRUPT` names it.
 * C2. The checksum covers the table's name and the row's place, so a row that turns up elsewhere does not fit either.
 */
import { crc32 } from 'node:zlib'
import { KeelsonError } from '@keelson/core/ports'

/** crc32 as a signed integer, which SQLite keeps in four bytes. */
export function checksum(table: string, columns: readonly (string | number | null)[]): number {
  let text = table
  for (const column of columns) text += mark(column) + String(column)
  return crc32(text) | 0
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
  const sum = (row: Omit<Row, 'crc'>): number =>
    checksum(
      table,
      columns.map((column) => (row as Record<string, string | number | null>)[column] ?? null),
    )
  return {
    columns,
    seal: (row) => ({ ...row, crc: sum(row) }) as unknown as Row,
    open: (row) => (sum(row) === row.crc ? row : corrupt(table, nameOf(row))),
    trouble: (row) => (sum(row) === row.crc ? undefined : wrong(table, nameOf(row))),
  }
}

const BASE64 = 0
const TEXT = 1

/** A base64url text (a hash, a salt) as bytes behind a tag; any other text as UTF-8 behind another. */
export function pack(text: string): Uint8Array {
  const length = (text.length * 3) >>> 2
  const bytes = Buffer.allocUnsafe(length + 1)
  bytes[0] = BASE64
  if (bytes.write(text, 1, 'base64url') === length && bytes.toString('base64url', 1) === text) return bytes
  return Buffer.concat([Buffer.of(TEXT), Buffer.from(text)])
}

/** What `pack` made, read as hexadecimal text: bytes that a database hands over as such cost a buffer each. */
export function unpackHex(hex: string): string {
  const bytes = hex.length <= 2 * room.length ? room : Buffer.allocUnsafe(hex.length >>> 1)
  const end = bytes.write(hex, 'hex')
  return bytes.toString(bytes[0] === BASE64 ? 'base64url' : 'utf8', 1, end)
}

const room = Buffer.alloc(128)
