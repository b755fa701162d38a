/** Help: what there is to type: all commands at once, and the page of each. */
import type { Command } from './usage.ts'

/** What a command takes, what it does, and the options that mean something to it. */
const PAGES: { readonly [C in Command]: { takes: string; does: string; options?: readonly Option[] } } = {
  runs: { takes: '<store>', does: 'runs, the newest last', options: ['state'] },
  why: { takes: '<store> <run>', does: 'what a run waits for, and who can end it' },
  story: { takes: '<store> <run>', does: 'what happened, one line each' },
  inbox: { takes: '<store> [item]', does: 'what waits for a person; one item in full', options: ['as'] },
  approve: { takes: '<store> <item>', does: 'executes exactly what was shown', options: ['yes', 'hash', 'as'] },
  edit: {
    takes: '<store> <item>',
    does: 'opens $VISUAL or $EDITOR on what would execute, or takes --file or -m',
    options: ['message', 'file', 'yes', 'hash', 'as'],
  },
  reject: {
    takes: '<store> <item> -m why',
    does: 'does not execute it, and says why',
    options: ['message', 'yes', 'hash', 'as'],
  },
  respond: {
    takes: '<store> <item> -m words',
    does: 'does not execute it; your words go to the playbook',
    options: ['message', 'yes', 'hash', 'as'],
  },
  answer: {
    takes: '<store> <item> -m json',
    does: 'answers a question; `keelson inbox <store> <item>` says of what form',
    options: ['message', 'yes', 'hash', 'as'],
  },
  outcome: {
    takes: '<store> <item> -m happened | did-not-happen | look-again',
    does: 'says what became of an effect',
    options: ['message', 'file', 'yes', 'hash', 'as'],
  },
  retry: { takes: '<store> <item>', does: 'has it tried again', options: ['yes', 'hash', 'as'] },
  dismiss: { takes: '<store> <item>', does: 'puts it away', options: ['yes', 'hash', 'as'] },
  snooze: { takes: '<store> <item> --until 2h', does: 'puts it off until then', options: ['until', 'as'] },
  holds: { takes: '<store>', does: 'what goes out by itself, when, and how to stop it' },
  verify: { takes: '<store>', does: 'proves that nothing was changed' },
  revert: {
    takes: '<store> [run]',
    does: 'shows what can be taken back, of a run or of what the options name; --yes takes it back',
    options: ['checkpoint', 'effect', 'from', 'before', 'playbook', 'agent', 'with', 'yes', 'hash', 'partial', 'as'],
  },
  cancel: {
    takes: '<store> <run>',
    does: 'ends a run: its questions are withdrawn, its children cancelled',
    options: ['message', 'yes', 'as'],
  },
  pause: { takes: '<store> <run>', does: 'has a run wait until it is resumed', options: ['message', 'as'] },
  resume: { takes: '<store> <run>', does: 'has a paused run go on', options: ['as'] },
  restart: {
    takes: '<store> <run>',
    does: 'runs it again from its start, a --checkpoint or a --step; effects that happened stay, and are not repeated',
    options: ['checkpoint', 'step', 'yes', 'as'],
  },
  freeze: {
    takes: '<store>',
    does: 'stops all writes to the outside, at once; reads, decisions and reverts go on',
    options: ['message', 'as'],
  },
  thaw: { takes: '<store>', does: 'ends such a freeze: writes to the outside go on', options: ['yes', 'as'] },
  adopt: {
    takes: '<store>',
    does: 'lets a copy, or what was imported, act: the store that it came from must not any more',
    options: ['yes', 'as'],
  },
  export: {
    takes: '<store>',
    does: 'a workspace as a bundle, to the terminal or --out',
    options: ['out', 'since'],
  },
  import: {
    takes: '<store> <bundle>\u2026',
    does: 'a whole bundle and its increments; the store is made if it is missing',
    options: ['dry-run', 'replace', 'adopt', 'as'],
  },
  diff: { takes: '<bundle> <bundle>', does: 'what differs, field by field' },
  backup: { takes: '<store> --out file', does: 'a copy while the app runs, proved before it counts', options: ['out'] },
  prune: {
    takes: '<store> --older-than 90d',
    does: 'takes away the journals of runs that ended so long ago',
    options: ['older-than', 'dry-run', 'playbook', 'as'],
  },
  rehearse: {
    takes: '<store> --playbooks module',
    does: 'which runs fit the playbooks that it exports',
    options: ['playbooks', 'playbook', 'to'],
  },
}

const OPTIONS = {
  json: ['--json', 'one JSON value instead of text'],
  plain: ['--plain', 'no colours (so does NO_COLOR)'],
  yes: ['--yes', 'decides without asking back; needed, or --hash, where nobody can be asked'],
  hash: ['--hash <hash>', 'decides only about exactly this (or its beginning)'],
  message: ['-m, --message', 'the words, or the JSON, of what is decided; why'],
  file: ['--file <path>', 'for edit: the fields that are to be other, as JSON; for outcome: what came back, as JSON'],
  until: ['--until <when>', 'for snooze: a duration from now, or ISO text'],
  as: ['--as, --by <id>', 'who decides or does it; default: your login'],
  workspace: ['--workspace <id>', '-w; default: the only one in the store, or "default"'],
  state: ['--state <state>', 'for runs: open, settled, held'],
  out: ['--out <path>', 'for export and backup: the file to write'],
  since: ['--since <entries>', 'for export: only what came since, by the last line of the bundle before'],
  'dry-run': ['--dry-run', 'for import and prune: says what would be done'],
  replace: ['--replace', 'for import: gives up what is there'],
  adopt: ['--adopt', 'for import: this store goes on and acts; the one it came from must not'],
  'older-than': ['--older-than <age>', 'for prune: how long ago they have ended'],
  playbooks: ['--playbooks <module>', 'for rehearse: a module that exports playbooks, or what --with takes'],
  playbook: ['--playbook <name>', 'for prune and rehearse: only runs of this one; for revert: <name>@<version>'],
  to: ['--to <version>', 'for rehearse: on this version, instead of their own'],
  with: ['--with <module>', 'a module whose default export adds connectors, playbooks, mayDecide \u2026'],
  checkpoint: ['--checkpoint <name>', 'for restart: from there; for revert: only what the run did behind it'],
  step: ['--step <name>', 'for restart: from this step'],
  effect: ['--effect <id>', 'for revert: this one effect'],
  from: ['--from <instant>', 'for revert: all that runs did since; ISO text with a zone'],
  before: ['--before <instant>', 'for revert: only what came before it'],
  agent: ['--agent <name@version>', 'for revert: all that runs did once it had answered them'],
  partial: ['--partial', 'for revert: also where actions are not known here, and so stay'],
} as const

type Option = keyof typeof OPTIONS

const ALWAYS: readonly Option[] = ['workspace', 'with', 'json', 'plain']

const THINGS = `  <store>  the SQLite file of the app, which may be running
  <item>   an id, or the beginning of one`

const ENDS = `Ends with 0 when done, 1 on a failure, 2 when it was called wrongly, 3 when a decision was refused, 4 when verify finds a fault.
rehearse ends with 1 when an open run does not continue.`

export const USAGE = `keelson: what runs, why it waits, and what waits for you

${lines(['runs', 'why', 'story', 'inbox', 'approve', 'edit', 'reject', 'respond', 'answer', 'outcome', 'retry', 'dismiss', 'snooze', 'holds', 'verify', 'revert'], 7)}

${lines(['cancel', 'pause', 'resume', 'restart', 'freeze', 'thaw', 'adopt'], 7)}

${lines(['export', 'import', 'diff', 'backup', 'prune', 'rehearse'], 8)}

${THINGS}

${options(Object.keys(OPTIONS) as Option[])}
  --help             of one command: its page
  --version

${ENDS}`

/** The page of one command. */
export function pageOf(command: Command): string {
  const { takes, does, options: own = [] } = PAGES[command]
  const said = does === '' ? '' : `\n\n${does}`
  const all = [...own, ...ALWAYS.filter((one) => !own.includes(one))]
  return `keelson ${command} ${takes}${said}\n\n${THINGS}\n\n${options(all)}\n\n${ENDS}`
}

function lines(commands: readonly Command[], width: number): string {
  return commands
    .map((command) => {
      const { takes, does } = PAGES[command]
      return `  keelson ${command.padEnd(width)} ${takes.padEnd(20)}  ${does}`.trimEnd()
    })
    .join('\n')
}

function options(names: readonly Option[]): string {
  return names.map((name) => `  ${OPTIONS[name][0].padEnd(24)}  ${OPTIONS[name][1]}`.trimEnd()).join('\n')
}
