/** Failure: what SQLite says went wrong, as the codes that callers branch on. */
import { KeelsonError, type ErrorCode } from '@keelson/core/ports'

const HINTS: Partial<Record<ErrorCode, string>> = {
  STORE_FULL: 'Free some space: nothing was lost, and the store goes on as soon as it can write.',
  STORE_READ_ONLY: 'Let this process write to the file and to its folder: SQLite keeps its log beside the file.',
  STORE_CORRUPT: 'Restore a backup. Keep the damaged file and its -wal for study.',
  STORE_BUSY: 'Another process holds the write lock: look for a long transaction or a stopped process.',
  STORE_CLOSED: 'Call open() first.',
}

/** The code for an error of SQLite; undefined for anything else. */
function codeOf(error: unknown): ErrorCode | undefined {
  const name: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  if (typeof name !== 'string') return undefined
  if (name === 'SQLITE_FULL' || name === 'ENOSPC' || name === 'EDQUOT') return 'STORE_FULL'
  if (name.startsWith('SQLITE_READONLY') || name === 'EACCES' || name === 'EROFS' || name === 'EPERM') {
    return 'STORE_READ_ONLY'
  }
  if (name.startsWith('SQLITE_CORRUPT') || name === 'SQLITE_NOTADB') return 'STORE_CORRUPT'
  if (name.startsWith('SQLITE_BUSY') || name.startsWith('SQLITE_LOCKED')) return 'STORE_BUSY'
  return undefined
}

/** Any thrown value as the error of the store at `path`. */
export function failure(error: unknown, path: string): KeelsonError {
  if (KeelsonError.is(error)) return error
  const code = codeOf(error) ?? 'STORE_FAILED'
  const said = error instanceof Error ? error.message : String(error)
  const hint = HINTS[code]
  return new KeelsonError(code, `the store ${path} failed: ${said}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  })
}

/** Throws `DEFINITION_INVALID` for what names no file that is kept. `of`: whose it was to be, where that is not plain. */
export function assertPath(path: unknown, of = ''): asserts path is string {
  if (typeof path === 'string' && path !== '' && path !== ':memory:') return
  throw new KeelsonError('DEFINITION_INVALID', `${JSON.stringify(path) ?? 'undefined'} is no path of a file${of}`, {
    hint: "Write sqlite('app.db'); in memory, for tests, is memoryStore() of @keelson/testing.",
  })
}

export function isBusy(error: unknown): boolean {
  return codeOf(error) === 'STORE_BUSY'
}

export function closed(path: string): KeelsonError {
  return new KeelsonError('STORE_CLOSED', `the store ${path} is not open`, { hint: HINTS.STORE_CLOSED! })
}

/** The native part crashes the whole process on versions of Node that it was not built for: refuse before it loads. */
export function assertNode(version: string = process.versions.node): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 18)) return
  throw new KeelsonError('STORE_FAILED', `@keelson/memory-sqlite needs Node 22.18 or newer, this is ${version}`, {
    hint: 'Start the process with a newer Node; its SQLite driver would crash this one.',
  })
}
