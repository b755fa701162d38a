/**
 * TenMinutes: the first page of the documentation as a program: its files are written, its commands run in an empty
 * folder, and what they print is compared.
 *
 * A comment right above a block says what the block is for: `tour: file NAME`, `tour: run`, `tour: run until "TEXT"`
 * (leaves it running), the same with `, then Ctrl-C`, `tour: run in a second terminal`, `tour: it prints`,
 * `tour: it logs` (standard error), `tour: the first terminal prints`. In what is printed, `…` stands for any text.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

export interface Step {
  readonly line: number
  readonly what: string
  readonly text: string
}

/** A block of a page that a `tour:` comment speaks of. Throws for a comment that no block follows. */
export const stepsOf = (page: string): Step[] => {
  const steps = [...page.matchAll(/^<!-- tour: (.+) -->\n```[^\n]*\n([\s\S]*?)^```$/gm)].map((match) => ({
    line: page.slice(0, match.index).split('\n').length,
    what: match[1] as string,
    text: match[2] as string,
  }))
  const comments = page.match(/<!-- tour: /g)?.length ?? 0
  if (comments !== steps.length)
    throw new Error(`${comments - steps.length} tour comment(s) without a block right below`)
  return steps
}

/** True when `printed` is `expected`, trailing spaces aside; `…` stands for any text. */
export const looksLike = (expected: string, printed: string): boolean => {
  const tidy = (text: string): string =>
    text
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n')
      .trim()
  const pattern = tidy(expected)
    .split('…')
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('[^]*?')
  return new RegExp(`^${pattern}$`).test(tidy(printed))
}

interface Program {
  readonly child: ChildProcess
  readonly ended: Promise<number | NodeJS.Signals>
  out: string
  err: string
}

export interface TourOptions {
  /** An empty folder. */
  readonly folder: string
  /** What a package is installed from, by its name. */
  readonly tarballs: ReadonlyMap<string, string>
  /** The longest that one command may take. */
  readonly limitMs: number
}

/** Goes through the page. Throws at the first step that does something else than the page says. */
export class Tour {
  readonly #options: TourOptions
  #first: Program | undefined
  #last: Program | undefined

  constructor(options: TourOptions) {
    this.#options = options
  }

  async go(step: Step): Promise<void> {
    const { what, text } = step
    const file = /^file (\S+)$/.exec(what)?.[1]
    const until = /^run until "(.+?)"(, then Ctrl-C)?$/.exec(what)
    if (file !== undefined) return writeFileSync(join(this.#options.folder, file), text)
    if (until !== null) return this.#until(text, until[1] as string, until[2] !== undefined)
    switch (what) {
      case 'run':
      case 'run in a second terminal':
        for (const command of text.trim().split('\n')) this.#last = await this.#whole(command)
        return
      case 'it prints':
        return compare(text, this.#last?.out)
      case 'it logs':
        return compare(text, this.#last?.err)
      case 'the first terminal prints':
        await within(this.#first?.ended ?? Promise.resolve(0), this.#options.limitMs, () => told(this.#first))
        return compare(text, this.#first?.out)
      default:
        throw new Error(`no step is called "${what}"`)
    }
  }

  /** Ends what is still running. */
  end(): void {
    this.#first?.child.kill('SIGKILL')
  }

  async #whole(command: string): Promise<Program> {
    const program = this.#start(command)
    const code = await within(program.ended, this.#options.limitMs, () => told(program))
    if (code !== 0) throw new Error(`${command} ended with ${code}${told(program)}`)
    return program
  }

  async #until(command: string, text: string, thenInterrupt: boolean): Promise<void> {
    const program = this.#start(command.trim())
    this.#first = this.#last = program
    const seen = new Promise<void>((resolve) => {
      const look = (): void => void ((program.out + program.err).includes(text) && resolve())
      program.child.stdout?.on('data', look)
      program.child.stderr?.on('data', look)
    })
    const early = program.ended.then((code) => {
      throw new Error(`${command.trim()} ended with ${code} before it said "${text}"${told(program)}`)
    })
    early.catch(() => {})
    await within(Promise.race([seen, early]), this.#options.limitMs, () => told(program))
    if (!thenInterrupt) return
    program.child.kill('SIGINT')
    await within(program.ended, this.#options.limitMs, () => told(program))
  }

  #start(command: string): Program {
    const [name = '', ...args] = this.#installing(command).split(' ')
    const PATH = `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`
    // What this process was given (export conditions, a test runner) is not what a reader has.
    const { NODE_OPTIONS: _options, NODE_ENV: _env, VITEST: _vitest, ...env } = process.env
    const child =
      name === 'node'
        ? spawn(process.execPath, args, { cwd: this.#options.folder, env: { ...env, PATH } })
        : spawn(name, args, { cwd: this.#options.folder, env: { ...env, PATH }, shell: process.platform === 'win32' })
    const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => resolve(code ?? signal ?? 0))
    })
    const program: Program = { child, ended, out: '', err: '' }
    child.stdout.on('data', (text: Buffer) => (program.out += text.toString()))
    child.stderr.on('data', (text: Buffer) => (program.err += text.toString()))
    return program
  }

  /** The packages of this repository come from their tarballs. */
  #installing(command: string): string {
    if (!command.startsWith('npm install')) return command
    const words = command.split(' ').map((word) => this.#options.tarballs.get(word) ?? word)
    return [...words, '--prefer-offline', '--no-audit', '--no-fund'].join(' ')
  }
}

const compare = (expected: string, printed = ''): void => {
  if (looksLike(expected, printed)) return
  throw new Error(`the page says\n${expected}\nand it says\n${printed}`)
}

const told = (program: Program | undefined): string => `\n${program?.out ?? ''}\n${program?.err ?? ''}`

const within = async <T>(work: Promise<T>, ms: number, more: () => string): Promise<T> => {
  const limit = Promise.withResolvers<never>()
  const timer = setTimeout(() => limit.reject(new Error(`took longer than ${ms / 1000} s${more()}`)), ms)
  try {
    return await Promise.race([work, limit.promise])
  } finally {
    clearTimeout(timer)
  }
}
