/** Usage: what was asked for at the terminal, or why it cannot be told. */
import { parseArgs } from 'node:util'
import { nearest } from '@keelson/core/ports'

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
  'outcome',
  'retry',
  'dismiss',
  'snooze',
  'holds',
  'verify',
  'revert',
  'cancel',
  'pause',
  'resume',
  'restart',
  'freeze',
  'thaw',
  'adopt',
  'export',
  'import',
  'diff',
  'backup',
  'prune',
  'rehearse',
] as const

export type Command = (typeof COMMANDS)[number]
/** What is done to a run or a company, and no item asks for. */
export type Steering = 'cancel' | 'pause' | 'resume' | 'restart' | 'freeze' | 'thaw' | 'adopt'

export interface Asked {
  readonly command: Command
  readonly store: string
  /** A run or an item. */
  readonly subject: string | undefined
  readonly json: boolean
  readonly plain: boolean
  readonly yes: boolean
  /** Takes back what can be, though the code of some of it is not known here. */
  readonly partial: boolean
  readonly hash: string | undefined
  readonly file: string | undefined
  readonly message: string | undefined
  readonly as: string | undefined
  readonly workspace: string | undefined
  readonly state: 'open' | 'settled' | 'held' | undefined
  readonly with: string | undefined
  /** Further words: bundles. */
  readonly more: readonly string[]
  readonly out: string | undefined
  readonly since: number | undefined
  readonly dryRun: boolean
  readonly replace: boolean
  readonly adopt: boolean
  readonly olderThan: string | undefined
  readonly until: string | undefined
  readonly playbook: string | undefined
  readonly playbooks: string | undefined
  readonly to: number | undefined
  /** Where a restart begins, if not at the start. */
  readonly step: string | undefined
  /** The same; or what a revert is about, where it is no whole run. */
  readonly checkpoint: string | undefined
  readonly effect: string | undefined
  readonly agent: string | undefined
  readonly from: string | undefined
  readonly before: string | undefined
}

/** A mistake of whoever called. */
export class Misuse extends Error {}

const NEEDS_SUBJECT: Partial<Record<Command, string>> = {
  ...{ why: 'a run', story: 'a run', import: 'a bundle', diff: 'two bundles' },
  ...{ cancel: 'a run', pause: 'a run', resume: 'a run', restart: 'a run' },
  ...{ approve: 'an item', edit: 'an item', reject: 'an item', respond: 'an item', answer: 'an item' },
  ...{ outcome: 'an item', retry: 'an item', dismiss: 'an item', snooze: 'an item' },
}
/** Commands on a whole store, which name nothing in it. */
const WHOLE: readonly Command[] = [
  ...(['runs', 'holds', 'verify', 'freeze', 'thaw', 'adopt', 'export', 'backup', 'prune', 'rehearse'] as const),
]
/** Options without which a command does not know what to do. */
const NEEDS: Partial<Record<Command, 'out' | 'older-than' | 'playbooks' | 'until'>> = {
  ...{ backup: 'out', prune: 'older-than', rehearse: 'playbooks', snooze: 'until' },
}
const ANSWERS = ['approve', 'edit', 'reject', 'respond', 'answer', 'outcome', 'retry', 'dismiss', 'snooze'] as const
const NEEDS_ITEM: readonly Command[] = ['inbox', ...ANSWERS]
const NEEDS_MESSAGE: readonly Command[] = ['reject', 'respond', 'answer', 'outcome']
const OUTCOMES = ['happened', 'did-not-happen', 'look-again']

/** Of one command, or of all. */
export interface Help {
  readonly help: Command | 'all'
}

/** Throws `Misuse`. */
export function asked(args: readonly string[]): Asked | Help | 'version' {
  const { values, positionals } = parsed(args)
  const [word, store, subject, ...more] = positionals
  if (values.version === true) return 'version'
  const command = word === 'help' ? store : word
  if (command === undefined) return { help: 'all' }
  if (!isCommand(command)) throw new Misuse(`there is no command "${command}"${meant(nearest(command, COMMANDS))}`)
  if (values.help === true || word === 'help') return { help: command }
  if (store === undefined) throw new Misuse(`keelson ${command} needs the path of a store`)
  if (more.length > 0 && command !== 'import') throw new Misuse(`"${more[0]}" is one too many`)
  if (subject !== undefined && WHOLE.includes(command)) throw new Misuse(tooMuch(command, store, subject))
  const what = NEEDS_SUBJECT[command]
  if (subject === undefined && what !== undefined) throw new Misuse(`keelson ${command} needs ${what}`)
  const option = NEEDS[command]
  if (option !== undefined && values[option] === undefined) throw new Misuse(`keelson ${command} needs --${option}`)
  if (values.message === undefined && NEEDS_MESSAGE.includes(command))
    throw new Misuse(`say it: npx keelson ${command} ${store} ${subject} -m "…"`)
  if (command === 'outcome' && !OUTCOMES.includes(values.message!))
    throw new Misuse(`"${values.message}" is no outcome: ${OUTCOMES.join(', ')}`)
  if (values.state !== undefined && !['open', 'settled', 'held'].includes(values.state))
    throw new Misuse(`"${values.state}" is no state of a run: open, settled, held`)
  if (command === 'restart' && values.step !== undefined && values.checkpoint !== undefined)
    throw new Misuse('it is restarted from one of --checkpoint and --step')
  return {
    command,
    store,
    subject,
    json: values.json === true,
    plain: values.plain === true || process.env['NO_COLOR'] !== undefined || !process.stdout.isTTY,
    ...{ yes: values.yes === true, partial: values.partial === true },
    hash: values.hash,
    file: values.file,
    message: values.message,
    as: values.by ?? values.as,
    workspace: values.workspace,
    state: values.state as Asked['state'],
    with: values.with,
    ...{ more, out: values.out, playbook: values.playbook, playbooks: values.playbooks },
    ...{ dryRun: values['dry-run'] === true, replace: values.replace === true, adopt: values.adopt === true },
    since: numberOf(values.since, '--since'),
    to: numberOf(values.to, '--to'),
    olderThan: values['older-than'],
    until: values.until,
    ...{ step: values.step, checkpoint: values.checkpoint, effect: values.effect, agent: values.agent },
    ...{ from: values.from, before: values.before },
  }
}

/** Whoever names a run may think that the command is about that alone. */
function tooMuch(command: Command, store: string, subject: string): string {
  const one = command === 'freeze' ? 'pause' : command === 'thaw' ? 'resume' : undefined
  const other = one === undefined ? '' : `; of one run: npx keelson ${one} ${store} ${subject}`
  return `"${subject}" is one too many: keelson ${command} is about all of a store${other}`
}

function numberOf(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined
  if (/^\d+$/.test(text)) return Number(text)
  throw new Misuse(`${option} takes a number, not "${text}"`)
}

const OPTIONS = {
  json: { type: 'boolean' },
  plain: { type: 'boolean' },
  yes: { type: 'boolean', short: 'y' },
  partial: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
  hash: { type: 'string' },
  file: { type: 'string' },
  message: { type: 'string', short: 'm' },
  as: { type: 'string' },
  workspace: { type: 'string', short: 'w' },
  state: { type: 'string' },
  with: { type: 'string' },
  by: { type: 'string' },
  out: { type: 'string', short: 'o' },
  since: { type: 'string' },
  'dry-run': { type: 'boolean' },
  replace: { type: 'boolean' },
  adopt: { type: 'boolean' },
  'older-than': { type: 'string' },
  playbook: { type: 'string' },
  playbooks: { type: 'string' },
  to: { type: 'string' },
  until: { type: 'string' },
  step: { type: 'string' },
  checkpoint: { type: 'string' },
  effect: { type: 'string' },
  agent: { type: 'string' },
  from: { type: 'string' },
  before: { type: 'string' },
} as const

/**
 * Ids and hashes may begin with a dash. In the place of an id, what is no option is one; after an option that takes a value, what
 * is no option by its whole name is that value.
 */
function isDashedId(text: string | undefined): text is string {
  if (text === undefined || !/^-[\w-]{3,15}$/.test(text)) return false
  return text.length === 16 || !(isOption(text) || /^-[yh]*[mwo]/.test(text) || /^-[yh]+$/.test(text))
}

function isOption(text: string): boolean {
  return text.startsWith('--') && Object.keys(OPTIONS).includes(text.slice(2).split('=')[0]!)
}

const SHORT: Record<string, string> = { '-m': '--message', '-w': '--workspace', '-o': '--out' }

/** `--hash -abc` as `--hash=-abc`, which the parser cannot take for two options. */
function joined(args: readonly string[]): string[] {
  const all: string[] = []
  for (let i = 0; i < args.length; i++) {
    const [word, next] = [SHORT[args[i]!] ?? args[i]!, args[i + 1]]
    const takes = isOption(word) && OPTIONS[word.slice(2) as keyof typeof OPTIONS]?.type === 'string'
    if (takes && next?.startsWith('-') === true && !isOption(next)) all.push(`${word}=${args[++i]}`)
    else all.push(args[i]!)
  }
  return all
}

function parsed(args: readonly string[]) {
  const [command, store, subject, ...rest] = args
  const dashed = NEEDS_ITEM.some((one) => one === command) && store?.startsWith('-') === false && isDashedId(subject)
  // A whole id is one whatever it looks like; of its beginning more can be written.
  if (dashed && subject.length < 16 && optionLike(subject) !== undefined) throw noOption(subject)
  const ordered = dashed
    ? [command, store, ...joined(rest), '--', subject].filter((one) => one !== undefined)
    : joined(args)
  try {
    return parseArgs({ args: ordered, allowPositionals: true, options: OPTIONS })
  } catch (error) {
    const [, unknown] = /^Unknown option '(-[^']*)'/.exec((error as Error).message) ?? []
    throw unknown === undefined ? new Misuse((error as Error).message) : noOption(unknown)
  }
}

function noOption(word: string): Misuse {
  return new Misuse(`there is no option ${word}${meant(optionLike(word))}`)
}

function optionLike(word: string): string | undefined {
  const name = word.startsWith('--') ? nearest(word.slice(2).split('=')[0]!, Object.keys(OPTIONS)) : undefined
  return name === undefined ? undefined : `--${name}`
}

function meant(word: string | undefined): string {
  return word === undefined ? '' : `: do you mean ${word}?`
}

function isCommand(text: string): text is Command {
  return COMMANDS.some((command) => command === text)
}
