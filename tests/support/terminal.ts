/**
 * Terminal: the commands of `keelson` in a process beside the test. `own` starts one for the command, as a shell does; `shared`
 * keeps one for many commands, one after the other, which spares loading everything for each.
 */
import { execFile, fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'

export interface Command {
  readonly args: readonly string[]
  readonly env: Record<string, string>
}

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

type Run = (args: readonly string[], env?: Record<string, string>) => Promise<Ended>

const main = resolve(import.meta.dirname, '../../packages/cli/src/main.ts')
const entry = `import { main } from ${JSON.stringify(main)}; process.exitCode = await main(process.argv.slice(1))`
const environment = { NODE_ENV: 'production', EDITOR: '', VISUAL: '' }

/** What Node is called with for a command. */
export function terminalArgs(args: readonly string[]): string[] {
  return ['--conditions=@keelson/source', '--input-type=module', '-e', entry, '--', ...args]
}

export const own: Run = (args, env = {}) => ran(terminalArgs(args), env)

/** As `own`, where what it prints to is a terminal that knows colours. */
export const onTerminal: Run = (args, env = {}) => {
  const terminal = 'Object.assign(process.stdout, { isTTY: true, getColorDepth: () => 8 });'
  return ran(
    terminalArgs(args).map((one) => (one === entry ? `${terminal} ${entry}` : one)),
    { FORCE_COLOR: undefined, NO_COLOR: undefined, ...env },
  )
}

function ran(node: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<Ended> {
  const options = { env: { ...process.env, ...environment, ...env }, timeout: 170_000 }
  return new Promise((done) => {
    const child = execFile(process.execPath, node, options, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
    child.stdin?.end()
  })
}

/** `end` it when the tests are over. */
export function shared(): { readonly run: Run; end(): void } {
  const child: ChildProcess = fork(join(import.meta.dirname, 'terminal-child.ts'), {
    execArgv: ['--conditions=@keelson/source'],
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit').then(([code]): never => {
    throw new Error(`the process of the commands ended with ${code}`)
  })
  ended.catch(() => {})
  let last: Promise<unknown> = Promise.resolve()
  const run: Run = (args, env = {}) => {
    const answer = last.then(async () => {
      const told = once(child, 'message')
      child.send({ args, env } satisfies Command)
      const [answer] = await Promise.race([told, ended])
      return answer as Ended
    })
    last = answer.catch(() => {})
    return answer
  }
  return { run, end: () => void child.kill('SIGKILL') }
}
