/** Main: one command, from its words to an exit code. Loads the rest only when there is something to do. */
import { readFile } from 'node:fs/promises'
import { pageOf, USAGE } from './help.ts'
import { safe as shown } from './safe.ts'
import { asked, Misuse } from './usage.ts'

/** What the process should end with: 0 done, 1 failed, 2 called wrongly, 3 refused, 4 verify found a fault. */
export async function main(args: readonly string[]): Promise<number> {
  endQuietly()
  try {
    const wanted = asked(args)
    if (wanted === 'version') {
      process.stdout.write(`${await version()}\n`)
      return 0
    }
    if ('help' in wanted) {
      process.stdout.write(`${wanted.help === 'all' ? USAGE : pageOf(wanted.help)}\n`)
      return args.length === 0 ? 2 : 0
    }
    const { performOn } = await import('./perform.ts')
    return await performOn(wanted)
  } catch (thrown) {
    return complain(thrown, args.includes('--json'))
  }
}

/** Whoever reads may stop reading, as `head` does: what is still to be printed then is for nobody, and no failure. */
function endQuietly(): void {
  if (!process.stdout.listeners('error').includes(unread)) process.stdout.on('error', unread)
}

function unread(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}

/** Of this package; all packages of Keelson carry one. */
async function version(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

function complain(thrown: unknown, json: boolean): number {
  const misuse = thrown instanceof Misuse
  const error = thrown as { code?: string; hint?: string } & Partial<Error>
  const message = shown(error.message ?? String(thrown))
  const code = misuse ? 'USAGE' : (error.code ?? 'FAILED')
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, message, hint: error.hint } })}\n`)
  process.stderr.write(`keelson: ${message}${misuse ? '' : ` (${code})`}\n`)
  if (error.hint !== undefined) process.stderr.write(`  ${shown(error.hint)}\n`)
  if (misuse && !json) process.stderr.write('  keelson --help lists the commands\n')
  return misuse ? 2 : 1
}
