/** Story: a run in plain sentences: who, what, why, when. What was read in a row is one of them. */
import { actorText } from '../base/actor.ts'
import type { Json } from '../base/value.ts'
import { dataOf, type Entry } from '../journal/entry.ts'
import type { EntryData, EntryKind } from '../journal/kinds.ts'
import type { Environment } from '../conductor/environment.ts'
import { attemptText, readItem } from '../conductor/item.ts'
import { decided, judgedText, planLines } from './decision.ts'
import { rowOf } from '../conductor/status.ts'
import { streamOf } from '../conductor/start.ts'
import { TRAIL, type TrailRecord } from '../conductor/trail.ts'
import type { Receipt } from '../conductor/effect/settling.ts'
import type { EffectSpec } from '../conductor/effect/spec.ts'
import { takenBack, type TakenBack } from './taken-back.ts'
import { entityOf } from '../conductor/memory/entity-sets.ts'
import { isPruned } from '../conductor/upkeep/journal.ts'
import { CHANGE_SET_RECORD, type ChangeSetRecord } from '../memory/change-set.ts'
import type { Blocked } from '../memory/invert.ts'
import { readIn, readsTold, turnIn, type Read } from './story-reads.ts'
import { memoryWritten } from './story-writes.ts'
import { iso, type Status } from '../conductor/waiting.ts'
import type { RunRow } from '../journal/store.ts'

export async function storyOf(env: Environment, workspace: string, run: string): Promise<string[]> {
  const row = await rowOf(env, workspace, run)
  const undone = (await takenBack(env, workspace, run)).map(backTold)
  if (await isPruned(env, row)) return [...(await outlineOf(env, row)), ...undone]
  const lines: string[] = []
  for (let continuation = 0; ; continuation++) {
    const entries = await env.store.entries(workspace, streamOf(run, continuation))
    lines.push(...(await journalTold(env, workspace, entries)))
    if (entries.at(-1)?.kind !== 'run.continued') return [...lines, ...undone]
  }
}

const NAMED_MAX = 3

/** Behind its end, one line for each that took something of it back: records and memory by what names them, never by what they say. */
function backTold({ at, by, actions, records, sets, changes }: TakenBack): string {
  const named = [...records].slice(0, NAMED_MAX).map(([entity, version]) => {
    const { type, id } = entityOf(entity)
    return `${type} ${id}, at version ${version}`
  })
  const which =
    sets.length > NAMED_MAX ? `${sets.length} change sets` : `${plural(sets.length, 'change set')} ${sets.join(', ')}`
  const parts = [
    ...(actions.size === 0 ? [] : [[...actions].join(', ')]),
    ...named,
    ...(records.size > NAMED_MAX ? [`and ${records.size - NAMED_MAX} more`] : []),
    ...(sets.length === 0 ? [] : [`what ${which} had made of memory (${changes} ${plural(changes, 'change')})`]),
  ]
  return `${iso(at)}  taken back since, by ${by}: ${parts.join('; ')}`
}

function plural(count: number, word: string): string {
  return count === 1 ? word : `${word}s`
}

/** What was read stands before what came of it, at the instant of the first of it. */
async function journalTold(env: Environment, workspace: string, entries: readonly Entry[]): Promise<string[]> {
  const lines: string[] = []
  let reads: Read[] = []
  let since = 0
  const all = (): string[] => (reads.length === 0 ? [] : [`${iso(since)}  ${readsTold(reads)}`])
  const found = entries.map(readIn)
  const turns = new Set(found.flatMap((read) => read?.turn ?? []))
  for (const [at, entry] of entries.entries()) {
    const read = found[at]
    if (read === undefined && turns.has(turnIn(entry))) continue // it is told as the read that took it
    if (read !== undefined) {
      if (reads.length === 0) since = entry.at
      reads.push(read)
      continue
    }
    const said = await told(env, workspace, entry)
    if (said.length === 0) continue
    lines.push(...all(), ...said)
    reads = []
  }
  return [...lines, ...all()]
}

/** Of a run whose journal was pruned: what the audit trail has kept of it, and how it ended. */
async function outlineOf(env: Environment, row: RunRow): Promise<string[]> {
  const where = { field: 'run', value: row.id }
  const rows = await env.store.records(row.workspace, { kind: TRAIL, where, limit: 1000 })
  const kept = rows.map(({ data }) => {
    const { at, by, what } = JSON.parse(data) as TrailRecord
    return `${iso(at)}  ${actorText(by)}: ${what}`
  })
  const { state } = JSON.parse(row.status) as Status
  const end = `${iso(row.settledAt ?? row.createdAt)}  ended: ${state}; its journal was pruned since`
  return [...kept, `${end}${kept.length === 0 ? '' : ', the audit trail has kept the lines above'}`]
}

/** What an entry says, and behind it, indented, what happened in the own run of the effect that it opened. */
async function told(env: Environment, workspace: string, entry: Entry): Promise<string[]> {
  const line = (at: number, said: string | undefined): string[] => (said === undefined ? [] : [`${iso(at)}  ${said}`])
  if (entry.payload === null) return line(entry.at, `${entry.kind} (erased)`)
  const tried = await triedOn(env, workspace, entry)
  if (entry.kind !== 'effect.opened') return [...line(entry.at, sentence(entry)), ...tried]
  const data = dataOf(entry as Entry & { kind: 'effect.opened' })
  if (data.joined === true) return line(entry.at, sentence(entry))
  const entries = await env.store.entries(workspace, streamOf(data.run, 0))
  const undo = isUndo(entries[0])
  const lines = line(entry.at, undo ? `takes back ${data.action} (effect ${data.effect.slice(0, 8)})` : sentence(entry))
  const inside = { undo, held: new Set<string>(), sent: sentBefore(entries[0]) }
  for (const one of entries) {
    const said = one.payload === null ? undefined : await innerSentence(env, workspace, one, inside)
    lines.push(...line(one.at, said === undefined ? undefined : `  ${said}`), ...(await triedOn(env, workspace, one)))
  }
  return lines
}

/** Behind a question that was asked: who tried to decide it, and was refused. */
async function triedOn(env: Environment, workspace: string, entry: Entry): Promise<string[]> {
  if (entry.kind !== 'ask.opened' || entry.payload === null) return []
  const { item, again } = dataOf(entry as Entry & { kind: 'ask.opened' })
  const found = again === undefined ? await readItem(env.store, workspace, item) : undefined
  return (found?.item.attempts ?? []).map((one) => `${iso(one.at)}    ${attemptText(one)}`)
}

function isUndo(first: Entry | undefined): boolean {
  if (first?.kind !== 'run.started' || first.payload === null) return false
  return (dataOf(first as Entry & { kind: 'run.started' }).input as { mode?: string }).mode === 'undo'
}

/** How often its caller had sent it. */
function sentBefore(first: Entry | undefined): number {
  if (first?.kind !== 'run.started' || first.payload === null) return 0
  const { sentAt, tries = 0 } = dataOf(first as Entry & { kind: 'run.started' }).input as Partial<EffectSpec>
  return sentAt === undefined ? 0 : tries + 1
}

/** What is known of an effect's own run. */
interface Inside {
  /** How often it was sent so far. */
  sent: number
  /** It takes something back. */
  readonly undo: boolean
  /** The operations that are holds, not questions. */
  readonly held: Set<string>
}

async function innerSentence(
  env: Environment,
  workspace: string,
  entry: Entry,
  inside: Inside,
): Promise<string | undefined> {
  const { undo, held } = inside
  if (entry.kind === 'effect.sending' && !undo)
    return sends(dataOf(entry as Entry & { kind: 'effect.sending' }), ++inside.sent)
  if (entry.kind === 'effect.failed' && !undo)
    return failed(dataOf(entry as Entry & { kind: 'effect.failed' }), inside.sent)
  if (entry.kind === 'ask.opened') {
    const data = dataOf(entry as Entry & { kind: 'ask.opened' })
    const { item, until, again } = data
    if (again === 'frozen')
      return 'its time came, and the workspace is frozen: held until that ends, unless it is stopped'
    const silent = inSilence(data)
    if (silent !== undefined) return silent
    const found = await readItem(env.store, workspace, item)
    if (found?.item.dueAt === undefined || until === undefined) return `asked: ${found?.item.title ?? 'a person'}`
    held.add(entry.key)
    const what = again === 'rescheduled' ? 'put to another time' : found.item.title
    return `${what}: goes out by itself at ${iso(until)}, unless it is stopped`
  }
  if (entry.kind === 'ask.completed') {
    const { ok, by, error } = dataOf(entry as Entry & { kind: 'ask.completed' })
    if (error !== undefined) return held.has(entry.key) ? 'its time came, and nobody had stopped it' : error.message
    const { decision, hash } = (ok ?? {}) as { decision?: Json; hash?: string }
    return decided(by, decision ?? ok, hash)
  }
  if (entry.kind.startsWith('effect.')) return undo ? undoSentence(entry) : sentence(entry)
  if (entry.kind === 'step.completed' && entry.key.startsWith('look'))
    return `looked what became of it: ${(dataOf(entry as Entry & { kind: 'step.completed' }).ok as { do?: string }).do ?? ''}`
  return undefined
}

/** What was done as nobody had answered; undefined of what was asked anew, or for the first time. */
function inSilence({ again, ladder, rung = 0, until, judged }: EntryData['ask.opened']): string | undefined {
  switch (again) {
    case 'escalated': {
      const here = ladder?.[rung - 1]
      if (here === undefined) return 'nobody had answered'
      return `nobody had answered: it went on to ${actorText(here.to)}${here.via === undefined ? '' : `, told by ${here.via}`} (rung ${rung} of ${ladder!.length})`
    }
    case 'reminded':
      return 'nobody had answered: reminded of it'
    case 'snoozed':
      return until === undefined ? 'put off' : `put off until ${iso(until)}`
    case 'judged': {
      if (judged !== undefined) {
        const lines = Object.entries(judged as { [line: string]: { denied?: string } })
        return judgedText(
          'other rules: its lines were judged again',
          lines.map(([id, { denied }]) => [id, denied]),
        )
      }
      const names = (ladder ?? []).slice(rung).map(({ to }) => actorText(to))
      return `other rules: where nobody answers it ${names.length === 0 ? 'only reminds' : `goes on to ${names.join(', then ')}`}`
    }
    case 'rescheduled':
    case 'frozen':
    case undefined:
      return undefined
    default:
      return again satisfies never
  }
}

/** Of an effect that takes back: nothing is sent, and nobody is asked by the rules about doing. */
function undoSentence(entry: Entry): string | undefined {
  if (entry.kind === 'effect.sending') {
    const { action, attempt } = dataOf(entry as Entry & { kind: 'effect.sending' })
    return `takes ${action} back (try ${attempt})`
  }
  if (entry.kind !== 'effect.completed') return sentence(entry)
  const { ok } = dataOf(entry as Entry & { kind: 'effect.completed' })
  const { state, error } = (ok ?? {}) as { state?: string; error?: { message?: string } }
  if (state === 'done') return 'taken back'
  return state === 'failed' ? `not taken back: ${error?.message ?? state}` : sentence(entry)
}

type Tell = { [K in EntryKind]?: (data: EntryData[K], key: string) => string | undefined }

const outcome = (what: string) => (data: { error?: { message: string } }, key: string) =>
  data.error === undefined ? `${what} "${key}" ended` : `${what} "${key}" failed: ${data.error.message}`

/** What was decided on a plan or on a question of yes and no, as it is recorded; what answers any other question is the app's own. */
function isDecision(ok: Json | undefined): ok is { by: Json; decision: Json; hash: string } {
  return typeof ok === 'object' && ok !== null && Object.keys(ok).sort().join() === 'by,decision,hash'
}

const TELL: Tell = {
  'run.started': (d) =>
    `${actorText(d.by)} started ${d.playbook}@${d.version}${d.persona === undefined ? '' : ` as ${d.persona}`}`,
  'run.continued': () => 'went on with a new journal',
  'run.settled': (d) => {
    if (d.error !== undefined) return `ended: ${d.status}: ${d.error.message}`
    return d.dropped === undefined ? `ended: ${d.status}` : `ended: ${d.status}, without ${d.dropped.join('; ')}`
  },
  'run.rewound': (d) => `${actorText(d.by)} took it back to entry ${d.to}: ${d.why}`,
  'run.moved': (d) => `${actorText(d.by)} moved it to version ${d.version}`,
  'run.paused': (d) => `${actorText(d.by)} paused it: ${d.reason}`,
  'run.resumed': (d) => `${actorText(d.by)} resumed it`,
  'run.cancelling': (d) => `${actorText(d.by)} cancelled it: ${d.reason}`,
  'run.quarantined': (d) => `was quarantined: ${d.reason}`,
  'run.diverged': (d) => `no longer fits its code: ${d.difference}`,
  'run.refused': (d) => `${d.verb} was refused: ${d.why}`,
  'settings.seen': (d) => `saw settings version ${d.version}`,
  'step.completed': (d, key) => {
    if (d.by !== undefined) return `${actorText(d.by)} set the outcome of "${key}" by hand`
    const lines = planLines(key, d.ok)
    if (lines === undefined) return outcome('step')(d, key)
    return judgedText(`made a plan of ${lines.length} ${lines.length === 1 ? 'line' : 'lines'}`, lines)
  },
  'step.failed': (d, key) =>
    `try ${d.attempt} of "${key}" failed: ${d.error.message}; again at ${new Date(d.retryAt).toISOString()}`,
  'sleep.opened': (d) => `sleeps until ${new Date(d.until).toISOString()}`,
  'wait.opened': (d) => `waits for event ${d.event}`,
  'wait.completed': (d, key) => (d.event === undefined ? `waited for ${key} in vain` : `received ${key}`),
  'approval.forged': (d) =>
    `a message history came with an approval in it (${d.given}, ${d.count} in all): it is text to the model, and approves nothing`,
  'ask.opened': (d, key) => inSilence(d) ?? `asked a person ("${key}")`,
  'ask.completed': (d) => {
    if (d.error !== undefined) return d.error.message
    if (isDecision(d.ok)) return decided(d.by, d.ok.decision, d.ok.hash)
    return `${d.by === undefined ? 'somebody' : actorText(d.by)} answered ${JSON.stringify(d.ok)}`
  },
  'call.opened': (d) => `called ${d.playbook} as run ${d.child}`,
  'call.completed': outcome('call'),
  'emit.completed': (_d, key) => `sent ${key.replace(/^emit /, 'event ')}`,
  'agent.completed': (d, key) =>
    d.limited === undefined ? outcome('agent')(d, key) : `agent "${key}" waits for a budget`,
  'limit.taken': () => 'took its turn',
  'ask.judged': (d) => `another policy (${d.policy}) says the same: ${d.reason}`,
  'agent.failed': (d, key) => `try ${d.attempt} of agent "${key}" failed: ${d.error.message}`,
  'checkpoint.completed': (d) => `reached checkpoint "${d.ok as string}"`,
  'entity.completed': (d, key) => {
    const made = d.ok as { type?: string; id?: string; version?: number } | undefined
    if (made !== undefined && made.version === undefined) return `${key}: looked at both`
    return d.error === undefined
      ? `${key}: ${made?.type} ${made?.id} is at version ${made?.version}`
      : `${key} failed: ${d.error.message}`
  },
  'memory.completed': (d, key) => memoryTakenBack(d, key) ?? memoryWritten(d, key),
  'effect.opened': (d) =>
    d.joined === true
      ? `asked for ${d.action} as was asked before: waits for that one (effect ${d.effect.slice(0, 8)})`
      : `asked for ${d.action}, which cannot be sent at once (effect ${d.effect.slice(0, 8)})`,
  'effect.sending': (d) => sends(d, d.attempt),
  'effect.failed': (d) => failed(d, d.attempt),
  'effect.completed': (d, key) => effectSentence(d, key),
  'effect.late': () => 'a try that was given up answered after all',
}

function sends({ action, verdict }: EntryData['effect.sending'], attempt: number): string {
  return `sends ${action} (try ${attempt}), ${(verdict as { reason?: string }).reason ?? ''}`
}

function failed({ error }: EntryData['effect.failed'], attempt: number): string {
  return `try ${attempt} failed: ${error.message}`
}

/** Of a revert. It names no memory by its words: whoever may see those finds them by the change set. */
function memoryTakenBack({ ok, error, puts = [] }: EntryData['memory.completed'], key: string): string | undefined {
  if (error !== undefined) return /^forget \d+$/.test(key) ? `${key} failed: ${error.message}` : undefined
  const made = puts.filter(({ kind }) => kind === CHANGE_SET_RECORD).map(({ data }) => data as ChangeSetRecord | null)
  const inverse = made.find((set) => set?.reverts !== undefined)
  if (inverse === undefined || inverse === null) return undefined
  const { length } = inverse.changes
  const stays = ((ok ?? []) as unknown as readonly Blocked[]).map(({ id, why }) => `; ${id} stays: ${why}`).join('')
  return `${key}: took back what change set ${inverse.reverts!.join(', ')} had made of memory (${length} ${plural(length, 'change')})${stays}`
}

function effectSentence(d: EntryData['effect.completed'], key: string): string | undefined {
  const sent = d.ok as { state?: string } | undefined
  if (d.receipt === undefined && sent?.state !== undefined) {
    if (sent.state === 'unknown' || sent.state === 'undecided') return 'nobody knows yet whether it happened'
    return sent.state === 'done' ? 'executed' : `not executed: ${sent.state}`
  }
  if (d.error !== undefined) return `${key} was not done: ${d.error.message}`
  const receipt = (d.receipt ?? {}) as Partial<Receipt> & { shadow?: boolean }
  if (d.by !== undefined)
    return receipt.effect === ''
      ? `${actorText(d.by)} set by hand what "${key}" answered`
      : `${actorText(d.by)} set the outcome of "${key}" by hand: it happened`
  if (receipt.shadow === true) return `${key} was simulated, nothing left: ${receipt.verdict ?? ''}`
  const how = [
    receipt.edited === true ? 'as edited' : '',
    receipt.deduplicated === true ? 'by an earlier effect of the same intent' : '',
  ].filter(Boolean)
  return `${key} was done${how.length > 0 ? ` (${how.join(', ')})` : ''}`
}

function sentence(entry: Entry): string | undefined {
  const tell = TELL[entry.kind] as ((data: unknown, key: string) => string | undefined) | undefined
  return tell?.(dataOf(entry as Entry & { kind: EntryKind }), entry.key)
}
