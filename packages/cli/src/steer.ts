/**
 * Steer: what a person does to a run or to a whole company, and no item asks for.
 *
 * T1. What cannot be undone, or lets things out, is asked back about, or needs `--yes`; what stops them is done at once.
 */
import type { Workspace } from '@keelson/core'
import { command } from './commands.ts'
import { actorOf, assertAskable, assertYes } from './decide.ts'
import { out, printJson } from './print.ts'
import { safe } from './safe.ts'
import type { Asked, Steering } from './usage.ts'

/** Does it, and says what has become of it and how it is taken back. */
export async function steerAt(workspace: Workspace, asked: Asked & { readonly command: Steering }): Promise<number> {
  const question = ASKS[asked.command]
  if (question !== undefined && !asked.yes) {
    assertAskable({ ...asked, hash: undefined }, '--yes') // no hash names a run
    await assertYes(question)
  }
  await DO[asked.command](workspace, asked)
  const [said, next] = SAID[asked.command]
  if (asked.json) printJson({ status: 'done', [asked.command]: asked.subject ?? asked.workspace ?? 'default' })
  else {
    const o = out(asked.plain)
    o.line(safe(asked.subject === undefined ? said : `${said}: ${asked.subject}`))
    if (next !== undefined) o.line(`${NEXT[next]}: ${command(next, asked.subject, asked, '')}`)
  }
  return 0
}

const DO: { readonly [S in Steering]: (workspace: Workspace, asked: Asked) => Promise<void> } = {
  cancel: ({ runs }, asked) => runs.cancel(asked.subject!, { by: actorOf(asked), reason: reasonOf(asked) }),
  pause: ({ runs }, asked) => runs.pause(asked.subject!, { by: actorOf(asked), reason: reasonOf(asked) }),
  resume: ({ runs }, asked) => runs.resume(asked.subject!, { by: actorOf(asked) }),
  restart: ({ runs }, asked) => runs.restart(asked.subject!, { by: actorOf(asked), ...placeOf(asked) }),
  freeze: (workspace, asked) => workspace.freeze({ by: actorOf(asked), reason: reasonOf(asked) }),
  thaw: (workspace, asked) => workspace.thaw({ by: actorOf(asked) }),
  adopt: (workspace, asked) => workspace.adopt({ by: actorOf(asked) }),
}

/** T1. */
const ASKS: { readonly [S in Steering]?: string } = {
  cancel: 'End the run for good?',
  restart: 'Run it again? What it did outside stays done.',
  thaw: 'Let what waits be written to the outside?',
  adopt: 'Does this store go on, and the one that it came from act no more?',
}

/** What is said of it, and which command to name beside. */
const SAID: { readonly [S in Steering]: readonly [string, (Steering | 'why')?] } = {
  cancel: ['is cancelled as soon as it comes to rest', 'why'],
  pause: ['goes on only when it is resumed', 'resume'],
  resume: ['goes on'],
  restart: ['runs again once an app works', 'why'],
  freeze: ['nothing is written to the outside any more; reads, decisions and reverts go on', 'thaw'],
  thaw: ['writes to the outside go on'],
  adopt: ['this store goes on; the one that it came from must not act any more'],
}

const NEXT: { readonly [name: string]: string } = {
  why: 'what it still waits for',
  resume: 'resume it',
  thaw: 'end that',
}

function placeOf({ checkpoint, step }: Asked): { checkpoint: string } | { step: string } | { from: 'start' } {
  if (checkpoint !== undefined) return { checkpoint }
  return step === undefined ? { from: 'start' } : { step }
}

function reasonOf({ message }: Asked): string {
  return message ?? 'at the terminal'
}
