/** Commands: which command ends a wait or answers an item, as it is to be typed. */
import type { HowToEnd, InboxItem, Workspace } from '@keelson/core'
import { exampleOf, fieldsOf } from './form.ts'
import { safe } from './safe.ts'
import type { Asked } from './usage.ts'

type Verb = InboxItem['allows'][number]

/** How each wait of a run is ended at the terminal; what only the app can do is said to be the app's. */
export async function howToEnd(workspace: Workspace, asked: Asked): Promise<HowToEnd> {
  const status = await workspace.runs.get(asked.subject!).status()
  const waits = status.state === 'waiting' ? status.for : []
  const commands = new Map<string, string>()
  for (const { inbox, kind, what } of waits)
    if (inbox !== undefined) commands.set(inbox, sayingOf(await workspace.inbox.get(inbox), kindOf(kind, what), asked))
  const { items } = await workspace.inbox.list({ run: asked.subject!, limit: 500, snoozed: true })
  for (const item of items) if (!commands.has(item.id)) commands.set(item.id, sayingOf(item, 'operator', asked))
  return ({ kind: of, what, inbox, run, within, remedy }) => {
    const kind = kindOf(of, what)
    if (remedy !== undefined) return `${remedy} ${onceMore(within ?? asked.subject, asked)}`
    if (inbox !== undefined) return commands.get(inbox)
    const look = run === undefined ? undefined : `see what that waits for: ${command('why', run, asked)}`
    return steering(kind, asked, within) ?? (within === undefined && run !== undefined ? look : (APP[kind] ?? look))
  }
}

/** A freeze of a copy is another thing: somebody is to say that this one goes on. */
function kindOf(kind: string, what: string): string {
  return kind === 'freeze' && what.endsWith('adopt() it to let it act') ? 'copy' : kind
}

const APP: { readonly [kind: string]: string | undefined } = {
  event: 'the app sends it',
  suspended: 'the app resumes it',
}

/** What ends it is a command, and no answer to an item. */
function steering(kind: string, asked: Asked, run = asked.subject): string | undefined {
  if (kind === 'freeze') return `thaw it: ${command('thaw', undefined, asked)}`
  if (kind === 'copy') return `adopt it: ${command('adopt', undefined, asked)}`
  if (kind === 'version') return `the app brings it, or moves the run; ${onceMore(run, asked)}`
  return kind === 'pause' ? `resume it: ${command('resume', run, asked)}` : undefined
}

/** What is left where its code does not fit. */
function onceMore(run: string | undefined, asked: Asked): string {
  return `run it again: ${command('restart', run, asked)}; end it: ${command('cancel', run, asked)}`
}

function sayingOf(item: InboxItem, kind: string, asked: Asked): string {
  const { id, allows } = item
  const verbs: readonly Verb[] = allows
  const [first, ...others] = ORDER.filter((verb) => verbs.includes(verb))
  if (first === undefined) return `look at it: ${command('inbox', id, asked)}`
  if (kind === 'freeze' || kind === 'copy') return `${steering(kind, asked)}; stop it: ${command('reject', id, asked)}`
  if (kind === 'hold') return `send it now: ${command('approve', id, asked)}; stop it: ${command('reject', id, asked)}`
  const or = others.length === 0 ? '' : ` (or ${others.join(', ')})`
  const { line, form } = first === 'answer' ? answering(item, asked) : { line: command(first, id, asked), form: [] }
  return [`answer it: ${line}${or}`, ...form.map((one) => `      ${one}`)].join('\n')
}

/** How an item is answered with JSON: the command, with an example where one can be made, and what the fields may be. */
export function answering({ id, editSchema }: InboxItem, asked: Asked): { line: string; form: readonly string[] } {
  const example = exampleOf(editSchema)
  const said = example === undefined ? MORE['answer'] : ` -m ${quoted(safe(JSON.stringify(example)))}`
  return { line: command('answer', id, asked, said), form: fieldsOf(editSchema).map(safe) }
}

/** What there is a command for. */
export function answers({ allows }: InboxItem): readonly Verb[] {
  return allows.filter((verb) => verb !== 'delegate')
}

/** What is suggested first, of what an item allows. */
const ORDER = ['approve', 'answer', 'outcome', 'retry', 'edit', 'reject', 'respond', 'dismiss', 'snooze'] as const

const MORE: { readonly [verb: string]: string } = {
  reject: ' -m "why"',
  respond: ' -m "words"',
  answer: " -m '<json>'",
  outcome: ' -m happened|did-not-happen|look-again',
  snooze: ' --until 2h',
}

/** As it can be typed in a shell. */
export function command(name: string, id: string | undefined, { store, workspace }: Asked, more = MORE[name]): string {
  const where = workspace === undefined ? '' : ` -w ${quoted(workspace)}`
  return `npx keelson ${name} ${quoted(store)}${id === undefined ? '' : ` ${quoted(id)}`}${more ?? ''}${where}`
}

export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
