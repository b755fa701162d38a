/**
 * Decide: a decision at the terminal: the item is shown, and the decision names the hash of what was shown.
 *
 * C1. Nothing is decided, in whatever way, that was not shown or named: without a terminal to ask back on, `--yes` or `--hash` is
 *     needed. What was edited in an editor at a terminal was shown there.
 */
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { KeelsonError } from '@keelson/core'
import type { Actor, Decided, Decision, Edit, InboxItem, Json, Workspace } from '@keelson/core'
import { answers, command } from './commands.ts'
import { out, printItem, printJson } from './print.ts'
import { safe } from './safe.ts'
import { Misuse, type Asked } from './usage.ts'

/** 0 when it was done, 3 when it was refused. */
export async function decideAt(workspace: Workspace, asked: Asked): Promise<number> {
  const item = await itemLike(workspace, asked.subject!)
  const other = isNamed(item, asked) ? undefined : changed(item, asked)
  if (other !== undefined) return told(item, asked.command, other, asked)
  const by = actorOf(asked)
  if (asked.command === 'snooze')
    return told(item, 'snooze', await workspace.inbox.snooze(item.id, { by, until: asked.until! }), asked)
  assertAskable(asked)
  const said = await decisionOf(item, asked)
  if (said === undefined) {
    if (asked.json) printJson({ status: 'unchanged' })
    else out(asked.plain).line('nothing was changed, and nothing decided')
    return 0
  }
  if (asked.command === 'edit' && inHand(asked) === undefined && process.stdin.isTTY)
    await workspace.inbox.opened(item.id, { by })
  else await agreed(workspace, item, { ...asked, said }, by)
  return told(
    item,
    Object.keys(said)[0]!,
    await workspace.inbox.decide(item.id, { hash: item.hash, by, ...said }),
    asked,
  )
}

function told(item: InboxItem, verb: string, decided: Decided, asked: Asked): number {
  const { json, plain, with: module } = asked
  if (json) printJson({ item: item.id, ...decided })
  else out(plain).line(decided.status === 'done' ? `${PAST[verb] ?? verb}: ${safe(item.title)}` : refusal(decided))
  const unopened = decided.status === 'refused' && decided.code === 'unopened'
  if (!json && unopened) out(plain).line(`look at it first: ${command('inbox', item.id, asked)}`)
  const unknown = decided.status === 'refused' && decided.message.includes('is known to this process')
  if (!json && unknown && module === undefined)
    out(plain).line('name the module that exports it, --with ./your-definitions.ts')
  return decided.status === 'done' ? 0 : 3
}

/** What has been done, by the verb that was given. */
const PAST: { readonly [verb: string]: string } = {
  approve: 'approved',
  edit: 'approved as edited',
  reject: 'rejected',
  respond: 'sent back with your words',
  answer: 'answered',
  outcome: 'told what became of it',
  retry: 'is tried again',
  dismiss: 'put away',
  snooze: 'put off',
}

function refusal(decided: Decided & { status: 'refused' }): string {
  const message = byField(safe(decided.message))
  return `refused (${decided.why}):${message.startsWith('\n') ? '' : ' '}${message}`
}

/** What a schema says of several fields, a line for each: the field first. */
function byField(message: string): string {
  const lines = message.split(/^\u2716 /m).filter((line) => line !== '')
  const said = lines.map((line) => line.trim().replace(/^([^]*?)\n\s*\u2192 at (.+)$/, '$2: $1'))
  return said.length > 1 ? said.map((line) => `\n  ${line}`).join('') : said.join('')
}

/** The open item whose id begins so; one that is closed by its whole id. Throws `Misuse`. */
export async function itemLike(workspace: Workspace, id: string): Promise<InboxItem> {
  const found: InboxItem[] = []
  let after: string | undefined
  do {
    const page = await workspace.inbox.list({ limit: 500, snoozed: true, ...(after === undefined ? {} : { after }) })
    found.push(...page.items.filter((item) => item.id.startsWith(id)))
    after = page.next
  } while (after !== undefined)
  if (found.length > 1) throw new Misuse(`"${id}" begins the ids of ${found.length} items: write more of it`)
  if (found[0] !== undefined) return found[0]
  return workspace.inbox.get(id).catch((thrown: unknown) => {
    if (!KeelsonError.is(thrown, 'ITEM_NOT_FOUND')) throw thrown
    throw new Misuse(`no open item has an id that begins with "${id}"; one that is closed needs its whole id`)
  })
}

function isNamed({ hash }: InboxItem, asked: Asked): boolean {
  if (asked.hash === undefined) return true
  if (asked.hash.length < 8) throw new Misuse('write at least 8 characters of the --hash')
  return hash.startsWith(asked.hash)
}

function changed({ id }: InboxItem, asked: Asked): Decided & { status: 'refused' } {
  const message = `item ${id} is not what --hash names: look again with ${command('inbox', id, asked)}`
  return { status: 'refused', why: 'changed', message }
}

export function actorOf({ as }: Asked): Actor {
  return { kind: 'person', id: as ?? userInfo().username }
}

async function decisionOf(item: InboxItem, asked: Asked): Promise<Decision | undefined> {
  switch (asked.command) {
    case 'reject':
      return { reject: asked.message! }
    case 'respond':
      return { respond: asked.message! }
    case 'answer':
      return { answer: jsonOf(asked.message!, '-m') }
    case 'outcome':
      return outcomeOf(asked)
    case 'retry':
      return { retry: true }
    case 'dismiss':
      return { dismiss: true }
    case 'edit':
      return edited(item, asked)
    default:
      return { approve: true }
  }
}

/** What became of it; of what happened, --file says what came back. */
async function outcomeOf({ message, file }: Asked): Promise<Decision> {
  const outcome = message as 'happened'
  if (file === undefined) return { outcome }
  return { outcome, output: jsonOf(await readFile(file, 'utf8'), file) }
}

/** C1. `ways`: how it is said without being asked back. */
export function assertAskable({ yes, hash, json }: Asked, ways = '--yes, or --hash of what you saw'): void {
  if (yes || hash !== undefined || (process.stdin.isTTY && !json)) return
  throw new Misuse(`there is nobody to ask back: pass ${ways}`)
}

/** Shows the item, all of it, and asks back, which counts as a look. Throws `Misuse` for a no. */
async function agreed(
  workspace: Workspace,
  item: InboxItem,
  asked: Asked & { readonly said: Decision },
  by: Actor,
): Promise<void> {
  // Whoever names the hash has seen what it is of.
  if (asked.hash !== undefined || !asked.yes) await workspace.inbox.opened(item.id, { by })
  if (asked.yes || asked.hash !== undefined) return
  printItem(out(asked.plain), item)
  const what = 'approve' in asked.said ? '' : `\n${safe(JSON.stringify(asked.said))}`
  await assertYes(`${what}\n${ASKS[asked.command] ?? 'Decide so?'}`)
}

/** Asks back at the terminal. Throws `Misuse` for a no. */
export async function assertYes(question: string): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await terminal.question(`${question} [y/N] `)
  terminal.close()
  if (!/^y(es)?$/i.test(answer.trim())) throw new Misuse('nothing was decided')
}

const ASKS: { readonly [command: string]: string } = {
  approve: 'Approve exactly this?',
  edit: 'Approve it so edited?',
  reject: 'Reject it?',
}

/**
 * What is to be other: of a file, or as words, the fields that it names; in the editor the whole was seen, and what was taken out goes.
 * Undefined when nothing was changed.
 */
async function edited(item: InboxItem, asked: Asked): Promise<Decision | undefined> {
  const before = draftOf(item)
  const given = inHand(asked)
  if (given !== undefined) {
    const named =
      'message' in given ? jsonOf(given.message, '-m') : jsonOf(await readFile(given.file, 'utf8'), given.file)
    const whole = isObject(before) && isObject(named) ? { ...before, ...named } : named
    return JSON.stringify(whole) === JSON.stringify(before) ? undefined : { edit: named }
  }
  const after = jsonOf(await inEditor(before), 'what the editor left')
  if (JSON.stringify(after) === JSON.stringify(before)) return undefined
  return { edit: item.kind === 'plan' ? linesAs(before, after) : exactly(before, after) }
}

/** What is to be other, where it needs no editor. */
function inHand({ file, message }: Asked): { readonly file: string } | { readonly message: string } | undefined {
  if (file !== undefined && message !== undefined)
    throw new Misuse('say what is to be other by --file or by -m, not both')
  return message !== undefined ? { message } : file === undefined ? undefined : { file }
}

/** An edit of which nothing is left that is not in `after`: an edit keeps what it leaves out. */
function exactly(before: Json | undefined, after: Json | undefined): Edit {
  if (!isObject(before) || !isObject(after)) return after as Json
  return { ...Object.fromEntries(Object.keys(before).map((field) => [field, undefined])), ...after }
}

function linesAs(before: Json, after: Json): Edit {
  const [shown, left] = [before, after].map((plan) => (isObject(plan) ? plan['inputs'] : undefined))
  if (!isObject(after) || !isObject(shown) || !isObject(left)) return after
  const inputs = Object.entries(left).map(([id, input]) => [id, exactly(shown[id], input)] as const)
  return { ...after, inputs: Object.fromEntries(inputs) }
}

function isObject(value: Json | undefined): value is { readonly [field: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function draftOf(item: InboxItem): Json {
  if (item.kind === 'approval') return item.input
  if (item.kind !== 'plan') throw new Misuse(`a ${item.kind} cannot be edited; it takes ${answers(item).join(', ')}`)
  const possible = item.lines.filter((line) => line.denied === undefined)
  return { skip: [], inputs: Object.fromEntries(possible.map((line) => [line.id, line.input])) }
}

async function inEditor(value: Json): Promise<string> {
  const editor = process.env['VISUAL'] || process.env['EDITOR'] // an empty one is none
  if (editor === undefined || editor === '')
    throw new Misuse('no editor is known: set EDITOR, or pass --file, or the fields with -m')
  if (!process.stdin.isTTY && needsTerminal(editor))
    throw new Misuse(
      `there is no terminal for ${editor}: pass --file, the fields with -m, or an EDITOR that needs none`,
    )
  const folder = await mkdtemp(join(tmpdir(), 'keelson-edit-'))
  const file = join(folder, 'input.json')
  try {
    await writeFile(file, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
    const ran = spawnEditor(editor, file)
    if (ran.status !== 0) throw new Misuse(`the editor ended with ${ran.status ?? ran.signal}; nothing was decided`)
    return await readFile(file, 'utf8')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Editors that wait for a person at the keyboard, and would wait for ever in a script. */
const AT_TERMINALS = 'vi vim nvim view nano pico emacs micro hx helix joe jed ne kak mcedit ed ex'.split(' ')

function needsTerminal(editor: string): boolean {
  const program = basename(editor.trim().split(/\s+/)[0]!).replace(/\.exe$/i, '')
  return AT_TERMINALS.includes(program)
}

/**
 * The shell knows what "code --wait" means; the path is passed apart, so nothing in it is read as a command. Without a terminal
 * there is nothing to read: what asks for input meets its end.
 */
function spawnEditor(editor: string, file: string): ReturnType<typeof spawnSync> {
  const stdio = [process.stdin.isTTY ? 'inherit' : 'ignore', 'inherit', 'inherit'] as const
  return process.platform === 'win32'
    ? spawnSync(`${editor} "${file}"`, { shell: true, stdio: [...stdio] })
    : spawnSync('/bin/sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: [...stdio] })
}

function jsonOf(text: string, where: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    throw new Misuse(`${where} is no JSON: ${(error as Error).message}`)
  }
}
