/** Operator: shows an approval exactly as it would be carried out, and decides it: by itself, or by who sits here. */
import { createInterface } from 'node:readline'
import type { Actor, Conductor, Decision, InboxItem } from '@keelson/core'
import { line, paint, section, wrapped } from './screen.ts'

export type Approval = InboxItem & { kind: 'approval' }

export const MARA: Actor = { kind: 'person', id: 'mara', name: 'Mara Lindqvist' }

/** Decides what comes until a decision sends or ends it. Answers with the item that it ended with, and how. */
export async function decideMail(
  desk: Conductor,
  interactive: boolean,
): Promise<{ item: Approval; verb: 'approve' | 'edit' | 'reject' }> {
  const terminal = interactive ? openTerminal() : undefined
  try {
    for await (const item of desk.inbox.watch()) {
      if (item.kind !== 'approval') throw new Error(`unexpected in the inbox: ${item.title}`)
      await desk.inbox.opened(item.id, { by: MARA })
      show(item)
      const verb = await decideOne(desk, item, terminal)
      if (verb !== 'respond') return { item: (await desk.inbox.get(item.id)) as Approval, verb }
    }
    throw new Error('the inbox closed before a decision')
  } finally {
    terminal?.close()
  }
}

async function decideOne(desk: Conductor, item: Approval, terminal: Terminal | undefined) {
  for (;;) {
    const decision: Decision = terminal === undefined ? { approve: true } : await askAt(terminal, item)
    const decided = await desk.inbox.decide(item.id, { hash: item.hash, by: MARA, ...decision })
    if (decided.status === 'done') return Object.keys(decision)[0] as 'approve' | 'edit' | 'reject' | 'respond'
    line(paint('red', `not taken: ${decided.why}: ${decided.message}`))
    if (terminal === undefined || decided.why !== 'invalid') throw new Error(`the decision was refused: ${decided.why}`)
  }
}

function show(item: Approval): void {
  section('The operator is asked')
  line(item.title)
  line()
  const rows = item.preview.kind === 'fields' ? item.preview.rows : [{ label: 'Text', after: item.preview.after }]
  const width = Math.max(...rows.map(({ label }) => label.length), 'Because of'.length)
  for (const { label, after } of rows) wrapped(label, after, width)
  wrapped('Because of', item.why.map(({ label, trust }) => `${label} (${trust})`).join('\n'), width)
  wrapped('Risk', `${item.risk}; taken back: ${item.reversibility === 'none' ? 'never' : item.reversibility}`, width)
  wrapped('Hash', item.hash, width)
  line()
}

async function askAt(terminal: Terminal, item: Approval): Promise<Decision> {
  for (;;) {
    const answer = await terminal.ask('[a]pprove  [e]dit the subject  [r]eject  [s]ay something  > ')
    switch (answer.trim().toLowerCase()[0]) {
      case 'a':
        return { approve: true }
      case 'e':
        return { edit: { ...(item.input as object), subject: await terminal.ask('subject > ') } }
      case 'r':
        return { reject: (await terminal.ask('why > ')) || 'no reason given' }
      case 's':
        return { respond: await terminal.ask('what > ') }
      default:
        line('One of a, e, r, s.')
    }
  }
}

interface Terminal {
  /** The next line that is typed. Throws when none will come: who leaves without an answer has approved nothing. */
  ask(prompt: string): Promise<string>
  close(): void
}

function openTerminal(): Terminal {
  const reader = createInterface({ input: process.stdin, output: process.stdout })
  // Iterated, so that what is typed ahead, or comes from a pipe, is not lost between two questions.
  const lines = reader[Symbol.asyncIterator]()
  let open = true
  reader.once('close', () => (open = false))
  return {
    async ask(prompt) {
      if (open) {
        reader.setPrompt(`  ${prompt}`)
        reader.prompt()
      }
      const { value, done } = await lines.next()
      if (done === true) throw new Error('the terminal closed before a decision: nothing was sent')
      if (!process.stdin.isTTY) console.log(value)
      return value
    },
    close: () => reader.close(),
  }
}
