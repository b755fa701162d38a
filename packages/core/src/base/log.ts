/** Logger: pino-shaped, so that a host hands in its own. */

export interface Logger {
  info(fields: object, message?: string): void
  warn(fields: object, message?: string): void
  error(fields: object, message?: string): void
}

export const silent: Logger = { info: () => {}, warn: () => {}, error: () => {} }

/** One readable line each, to standard error: the default outside production. */
export const lines: Logger = {
  info: (fields, message) => print('', fields, message),
  warn: (fields, message) => print('warn ', fields, message),
  error: (fields, message) => print('error ', fields, message),
}

function print(level: string, fields: object, message = ''): void {
  const hint = (fields as { hint?: string }).hint
  console.error(`keelson ${level}${message}${hint === undefined ? '' : `\n        ${hint}`}`)
}

/** As `log`, but what fails in it harms nothing of what it tells of. */
export function harmless(log: Logger): Logger {
  const say =
    (level: keyof Logger) =>
    (fields: object, message?: string): void => {
      try {
        const answer: unknown = log[level](fields, message)
        if (answer instanceof Promise) answer.catch(() => {})
      } catch {
        // There is nobody left to tell.
      }
    }
  return { info: say('info'), warn: say('warn'), error: say('error') }
}

const logs = new WeakMap<object, Logger>()

/** Says into which log goes what is told about `of`. */
export function logsTo<T extends object>(of: T, log: Logger): T {
  logs.set(of, log)
  return of
}

/** The log of the conductor that a workspace is of; silent for what is none. */
export function logOf(of: object): Logger {
  return logs.get(of) ?? silent
}
