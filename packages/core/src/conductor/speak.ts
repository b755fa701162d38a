/** Speak: one readable line in the log for each thing that a developer must not miss. */
import type { Logger } from '../base/log.ts'
import { HOW_TO_ASK, inShadowText } from '../policy/trust.ts'
import type { Lifecycle, LifecycleEvents } from './lifecycle.ts'

export function speak(lifecycle: Lifecycle, log: Logger): void {
  lifecycle.on('item.opened', (e) =>
    e.dueAt === undefined
      ? log.info({ ...e, hint: howToAnswer(e) }, `${e.run} asks: ${e.title}`)
      : log.info({ ...e, hint: howToStop(e) }, `${e.run}: ${e.title}: goes out by itself at ${e.dueAt}`),
  )
  lifecycle.on('step.failed', (e) =>
    log.warn(e, `${e.run}: try ${e.attempt} of "${e.step}" failed: ${e.message}; again at ${e.retryAt}${place(e.at)}`),
  )
  lifecycle.on('run.settled', (e) =>
    e.status === 'failed'
      ? log.error(e, `${e.run} failed: ${e.error?.code}: ${e.error?.message}${place(e.error?.at)}`)
      : undefined,
  )
  lifecycle.on('effect.simulated', (e) =>
    e.segment === undefined
      ? undefined
      : log.warn({ ...e, hint: `${HOW_TO_ASK}.` }, `${e.run}: nothing left: ${inShadowText(e.action, e.segment)}`),
  )
  lifecycle.on('inbox.fatigued', (e) =>
    log.warn(e, `${e.by} has approved ${e.straight} times in a row without a look: too much asks, or too little`),
  )
  lifecycle.on('run.diverged', (e) => log.error(e, `${e.run} no longer fits its journal: ${e.difference}`))
  lifecycle.on('run.dropped', (e) =>
    log.warn(
      { ...e, hint: 'Await each operation of ctx, or give them to ctx.all: what is not awaited is not waited for.' },
      `${e.run} ended without what it asked for: ${e.dropped.join('; ')}`,
    ),
  )
  lifecycle.on('run.quarantined', (e) => log.error(e, `${e.run} is quarantined: ${e.reason}`))
  lifecycle.on('run.stalled', (e) =>
    log.warn(e, `${e.run} makes no progress after "${e.last}": it awaits something outside ctx`),
  )
}

/** On a line of its own, where editors and terminals make it a link. */
function place(at: string | undefined): string {
  return at === undefined ? '' : `\n        ${at}`
}

function howToStop({ workspace, item }: LifecycleEvents['item.opened']): string {
  return `stop it: await ${of(workspace)}.holds.cancel('${item}', { by: { kind: 'person', id: 'you' }, reason: '…' })`
}

function of(workspace: string): string {
  return workspace === 'default' ? 'keelson' : `keelson.workspace('${workspace}')`
}

function howToAnswer({ workspace, run, item, allows, code, advice }: LifecycleEvents['item.opened']): string {
  // No answer mends its code, and tried again without that it says the same.
  if (code === 'JOURNAL_DIVERGED') return `${advice}\n        ${howToGoOn(of(workspace), run)}`
  const decision = DECISIONS.find(([verb]) => allows.includes(verb))?.[1] ?? 'dismiss: true'
  const inbox = `${of(workspace)}.inbox`
  const how = `answer it: const { hash } = await ${inbox}.get('${item}'); await ${inbox}.decide('${item}', { hash, by: { kind: 'person', id: 'you' }, ${decision} })`
  return advice === undefined ? how : `${advice}\n        ${how}`
}

function howToGoOn(keelson: string, run: string): string {
  const by = "by: { kind: 'person', id: 'you' }"
  return (
    `it goes on by itself once a conductor starts with code that fits; or: await ${keelson}.runs.restart('${run}', ` +
    `{ from: 'start', ${by} }), or runs.cancel('${run}', { ${by}, reason: '…' })`
  )
}

/** What is suggested first, of what an item allows. */
const DECISIONS = [
  ['approve', 'approve: true'],
  ['outcome', "outcome: 'happened'"],
  ['retry', 'retry: true'],
  ['answer', 'answer: …'],
] as const
