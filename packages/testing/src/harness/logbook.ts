/** Logbook: what a conductor said, kept for a test to read. */
import type { Logger } from '@keelson/core'

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: object
}

export function logbook(): { readonly logger: Logger; readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = []
  const at =
    (level: LogLine['level']) =>
    (fields: object, message = ''): void =>
      void lines.push({ level, message, fields })
  return { logger: { info: at('info'), warn: at('warn'), error: at('error') }, lines }
}
