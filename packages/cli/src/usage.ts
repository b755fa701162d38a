/** Usage: what was asked for at the terminal, or why it cannot be told. */
import { parseArgs } from 'node:util'

export const USAGE = `keelson: what runs, why it waits, and what waits for you

  keelson runs    <store>               runs, the newest last
  keelson why     <store> <run>         what a run waits for, and who can end it
  keelson story   <store> <run>         what happened, one line each
  keelson inbox   <store> [item]        what waits for a person; one item in full
  keelson approve <store> <item>
  keelson edit    <store> <item>        opens $VISUAL or $EDITOR on what would execute
  keelson reject  <store> <item> -m why
  keelson respond <store> <item> -m words
  keelson answer  <store> <item> -m json
  keelson holds   <store>               what goes out by itself, and when
  keelson verify  <store>               proves that nothing was changed
  keelson revert  <store> <run>         shows what can be taken back; --yes takes it back

  <store>  the SQLite file of the app, which may be running
  <item>   an id, or the beginning of one

  --json             one JSON value instead of text
  --plain            no colours (so does NO_COLOR)
  --yes              decides without asking back
  --hash <hash>      decides only about exactly this (or its beginning)
  --file <path>      for edit: takes the input from a file
  --as <id>          who decides; default: your login
  --workspace <id>   default: the only one in the store, or "default"
  --state <state>    for runs: open, settled, held
  --with <module>    a module whose default export adds connectors, playbooks, mayDecide …

Ends with 0 when done, 1 on a failure, 2 when it was called wrongly, 3 when a decision was refused, 4 when verify finds a fault.`

export const COMMANDS = [
  'runs',
  'why',
  'story',
  'inbox',
  'approve',
  'edit',
  'reject',
  'respond',
  'answer',
  'holds',
  'verify',
  'revert',
] as const

export type Command = (typeof COMMANDS)[number]

export interface Asked {
  readonly command: Command
  readonly store: string
  /** A run or an item. */
  readonly subject: string | undefined
  readonly json: boolean
  readonly plain: boolean
  readonly yes: boolean
  readonly hash: string | undefined
  readonly file: string | undefined
  readonly message: string | undefined
  readonly as: string | undefined
  readonly workspace: string | undefined
  readonly state: 'open' | 'settled' | 'held' | undefined
  readonly with: string | undefined
}

/** A mistake of whoever called. */
export class Misuse extends Error {}

const NEEDS_SUBJECT: readonly Command[] = ['why', 'story', 'approve', 'edit', 'reject', 'respond', 'answer', 'revert']
const NEEDS_MESSAGE: readonly Command[] = ['reject', 'respond', 'answer']

/** Throws `Misuse`. */
export function asked(args: readonly string[]): Asked | 'help' {
  const { values, positionals } = parsed(args)
  const [command, store, subject, ...more] = positionals
  if (values.help === true || command === undefined || command === 'help') return 'help'
  if (!isCommand(command)) throw new Misuse(`there is no command "${command}"`)
  if (store === undefined) throw new Misuse(`keelson ${command} needs the path of a store`)
  if (more.length > 0) throw new Misuse(`"${more[0]}" is one too many`)
  if (subject === undefined && NEEDS_SUBJECT.includes(command))
    throw new Misuse(`keelson ${command} needs ${['why', 'story', 'revert'].includes(command) ? 'a run' : 'an item'}`)
  if (values.message === undefined && NEEDS_MESSAGE.includes(command))
    throw new Misuse(`say it: keelson ${command} ${store} ${subject} -m "…"`)
  if (values.state !== undefined && !['open', 'settled', 'held'].includes(values.state))
    throw new Misuse(`"${values.state}" is no state of a run: open, settled, held`)
  return {
    command,
    store,
    subject,
    json: values.json === true,
    plain: values.plain === true || process.env['NO_COLOR'] !== undefined || !process.stdout.isTTY,
    yes: values.yes === true,
    hash: values.hash,
    file: values.file,
    message: values.message,
    as: values.as,
    workspace: values.workspace,
    state: values.state as Asked['state'],
    with: values.with,
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        plain: { type: 'boolean' },
        yes: { type: 'boolean', short: 'y' },
        help: { type: 'boolean', short: 'h' },
        hash: { type: 'string' },
        file: { type: 'string' },
        message: { type: 'string', short: 'm' },
        as: { type: 'string' },
        workspace: { type: 'string', short: 'w' },
        state: { type: 'string' },
        with: { type: 'string' },
      },
    })
  } catch (error) {
    throw new Misuse((error as Error).message)
  }
}

function isCommand(text: string): text is Command {
  return COMMANDS.some((command) => command === text)
}
