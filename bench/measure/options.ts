/** Options: what a claim may be told on the command line, with its defaults. */
import { parseArgs } from 'node:util'

export type Defaults = Readonly<Record<string, string>>

export interface Options<D extends Defaults> {
  readonly json: boolean
  text(name: keyof D & string): string
  number(name: keyof D & string): number
  list(name: keyof D & string): readonly string[]
  numbers(name: keyof D & string): readonly number[]
}

/** Reads `--name value` for the names in `defaults`, and `--json`, `--help`. Ends the process on anything else. */
export function optionsOf<D extends Defaults>(defaults: D): Options<D> {
  const values = read(defaults)
  const text = (name: string): string => values[name] as string
  const list = (name: string): string[] =>
    text(name)
      .split(',')
      .filter((part) => part !== '' && part !== 'none')
  return {
    json: values['json'] === true,
    text,
    list,
    number: (name) => numberOf(name, text(name)),
    numbers: (name) => list(name).map((part) => numberOf(name, part)),
  }
}

function read(defaults: Defaults): Record<string, unknown> {
  const named = Object.entries(defaults).map(([name, value]) => [name, { type: 'string' as const, default: value }])
  try {
    const known = { json: { type: 'boolean' as const }, help: { type: 'boolean' as const } }
    const values: Record<string, unknown> = parseArgs({ options: { ...known, ...Object.fromEntries(named) } }).values
    if (values['help'] === true) return stop(0, usage(defaults))
    return values
  } catch (error) {
    return stop(2, `${(error as Error).message}\n${usage(defaults)}`)
  }
}

function usage(defaults: Defaults): string {
  const lines = Object.entries(defaults).map(([name, value]) => `  --${name} ${value || "''"}`)
  return ['options and their defaults:', ...lines, '  --json'].join('\n')
}

function numberOf(name: string, text: string): number {
  const number = Number(text)
  if (text === '' || !Number.isFinite(number)) stop(2, `--${name}: "${text}" is not a number`)
  return number
}

function stop(code: number, text: string): never {
  console.error(text)
  process.exit(code)
}
