/**
 * Proposal: a change set that waits for a person, as a run that asks and then does as it is told.
 *
 * A1. What is applied is what was shown: when a memory that it touches was changed meanwhile, it asks anew.
 * A2. What can no longer be done, because a memory stands no more, or was built on since, is left out and named: the rest is still
 *     asked about. Where nothing is left, nobody is asked.
 */
import type { Actor } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import { keyedHash, sha256 } from '../../base/hash.ts'
import { canonical, canonicalAround } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import type { Put } from '../../journal/put.ts'
import type { Preview } from '../../connector/preview.ts'
import type { NewRun } from '../../journal/store.ts'
import {
  applyOps,
  changeSetPut,
  CHANGE_SET_RECORD,
  namedIn,
  type Applied,
  type ChangeOp,
  type ChangeSetRecord,
} from '../../memory/change-set.ts'
import type { Bench } from '../../memory/bench.ts'
import type { Diff } from '../../memory/handle.ts'
import { recordsOf } from '../../memory/recall/recall.ts'
import { newMemory } from '../../memory/input.ts'
import { isSame } from '../../memory/supersede.ts'
import { memoryOf, type MemoryRecord } from '../../memory/unit.ts'
import { builtIn } from '../../playbook/playbook.ts'
import { askItem } from '../ops/ask.ts'
import type { TrustedAs } from '../item.ts'
import type { Pass } from '../pass.ts'
import { newRun } from '../start.ts'
import type { Built } from '../writer.ts'
import { askedBack, takenBack, type AskedBack } from './asked-back.ts'
import { benchOf, deskOf, memoryIds, type Desk } from './desk.ts'
import { undoingDiff } from './take-back.ts'

export const PROPOSAL_PLAYBOOK = 'keelson.proposal'

export function proposalRun({ env, workspace }: Pick<Desk, 'env' | 'workspace'>, set: string, by: Actor): NewRun {
  return newRun(proposalPlaybook(), {
    ...{ workspace, id: proposalRunId(set), input: { set }, by },
    ...{ now: env.clock.now(), salt: () => env.ids.salt() },
  })
}

export function proposalSetOf(run: string): string {
  return run.slice(proposalRunId('').length)
}

export function proposalRunId(set: string): string {
  return `proposal:${set}`
}

export const proposalPlaybook = builtIn((z) => ({
  name: PROPOSAL_PLAYBOOK,
  version: 1,
  input: z.object({ set: z.string() }),
  output: z.object({ status: z.string() }),
  run: async (_ctx, input, pass) => ({ status: await decided(pass as Pass, (input as { set: string }).set) }),
}))

interface Decision {
  readonly decision?: { readonly approve?: true; readonly reject?: string }
  readonly by?: Actor
}

async function decided(pass: Pass, set: string): Promise<string> {
  for (let round = 1; ; round++) {
    const shown = await look(pass, `look ${round}`, set)
    if (shown.status !== 'proposed') return shown.status
    const answer = shown.void === true ? {} : await ask(pass, `decide ${round}`, set, shown)
    const done = await decide(pass, `apply ${round}`, set, shown.hash, answer)
    if (done !== 'changed') return done
  }
}

interface Shown {
  readonly status: string
  readonly title: string
  /** Who proposes it, and where that can be looked up. */
  readonly from: string
  readonly ref: string
  /** What is proposed may be an outsider's words. Not told of what earlier releases looked at. */
  readonly outside?: true
  /** Hash of what would be done, and to what. */
  readonly hash: string
  /** Nothing of it can be done any more: nobody is asked. */
  readonly void?: true
}

/** What the proposal would do now. The diff itself is read again when the item opens: its text stands in one place. */
async function look(pass: Pass, key: string, set: string): Promise<Shown> {
  const live = async (): Promise<void> => {
    await pass.work.run(async () => {
      const { record, hash, isVoid } = await readProposal(deskIn(pass), set)
      const nothing = isVoid ? { void: true } : {}
      const ok = { status: record?.status ?? 'rejected', title: record?.reason ?? '', hash, ...nothing }
      await pass.writer.append([
        { kind: 'memory.completed', key, data: { hash: sha256(set), ok: { ...ok, ...originOf(record) } } },
      ])
    })
  }
  return pass.operation<Shown>({ key, kind: 'memory', hash: sha256(set), live })
}

function originOf(record: ChangeSetRecord | undefined): Pick<Shown, 'from' | 'ref' | 'outside'> {
  const { run, by } = record?.source ?? {}
  const outside = isOutside(record) ? ({ outside: true } as const) : {}
  if (run !== undefined) return { from: `run ${run}`, ref: `run:${run}`, ...outside }
  return { from: by?.name ?? by?.id ?? '', ref: `actor:${by?.id ?? ''}`, ...outside }
}

function isOutside(record: ChangeSetRecord | undefined): boolean {
  if (record?.labels?.untrusted !== undefined) return true
  return record?.ops?.some((one) => 'memory' in one && (one.memory as { outside?: boolean }).outside === true) === true
}

async function ask(pass: Pass, key: string, set: string, shown: Shown): Promise<Decision> {
  const trust: TrustedAs = shown.outside === true ? 'outside' : 'connector'
  const item = {
    kind: 'question' as const,
    title: `Memory: ${shown.title}`.slice(0, 500).toWellFormed(),
    allows: ['approve', 'reject'] as const,
    why: [
      { label: shown.from, trust, ref: shown.ref },
      { label: 'the change set', trust, ref: `change-set:${set}` },
    ],
    preview: { kind: 'fields' as const, rows: [] },
    editSchema: {},
    input: { changeSet: set, hash: shown.hash },
  }
  const render = async () => {
    const desk = deskIn(pass)
    const { record, out, back } = await readProposal(desk, set)
    if (record === undefined) return previewOf([], [])
    const left = record.ops?.filter((op) => !out.some((one) => one.op === op)) ?? []
    return previewOf(await proposedDiff(desk, { ...record, ops: left }, back), await leftOut(desk, out))
  }
  return askItem(
    pass,
    key,
    { item: { ...item, allows: [...item.allows] }, render, wait: 'approval', onSilence: 'wait' },
    (ok) => (ok ?? {}) as Decision,
  )
}

async function decide(pass: Pass, key: string, set: string, hash: string, { decision, by }: Decision): Promise<string> {
  const live = async (): Promise<void> => {
    await pass.work.run(() => pass.writer.submit(() => build(pass, key, set, hash, decision, by)))
  }
  return pass.operation<string>({ key, kind: 'memory', hash: sha256(canonical([set, hash])), live })
}

async function build(
  pass: Pass,
  key: string,
  set: string,
  hash: string,
  decision: Decision['decision'],
  by: Actor | undefined,
): Promise<Built> {
  const desk = deskIn(pass)
  const now = desk.env.clock.now()
  const { record, version, hash: present, older, out: left, made, back } = await readProposal(desk, set, by)
  const answered = (ok: string, puts: readonly Put[] = []): Built => ({
    drafts: [{ kind: 'memory.completed', key, data: { hash: sha256(canonical([set, hash])), ok, puts } }],
  })
  if (record === undefined || made === undefined) return answered(record?.status ?? 'rejected')
  const { ops: _, kept: __, ...rest } = record
  const settled = { ...rest, ...(by === undefined ? {} : { decidedBy: by }), decidedAt: now }
  const rejected = (why: string): Built =>
    answered('rejected', [changeSetPut({ ...settled, status: 'rejected', why }, version + 1)])
  const out = left
    .map(({ what, why }) => `${what}: ${why}`)
    .join('; ')
    .slice(0, 2000)
    .toWellFormed()
  const without = out === '' ? {} : { why: `left out: ${out}` }
  if (present !== hash && older !== hash && decision?.reject === undefined) return answered('changed')
  if (decision?.approve !== true) return rejected(decision?.reject ?? (out === '' ? 'it was not approved' : out))
  if (back?.found !== undefined) {
    const { puts, cached } = takenBack({ ...back, found: back.found }, { ...settled, ...without }, version)
    return { ...answered('applied', puts), cached }
  }
  if ('failed' in made) return rejected(made.failed.message)
  const applied = changeSetPut({ ...settled, status: 'applied', changes: made.changes, ...without }, version + 1)
  return answered('applied', [...made.bench.puts(), applied])
}

/** What a proposal would do now, or the reason for which it cannot be applied at all. */
type Made = { readonly bench: Bench; readonly changes: Applied['changes'] } | { readonly failed: KeelsonError }

/** What can no longer be done (A2). */
interface Out {
  readonly what: string
  readonly why: string
  /** The memory that it is about. */
  readonly id?: string | undefined
  readonly op?: ChangeOp
}

interface Proposal {
  readonly record: ChangeSetRecord | undefined
  readonly version: number
  /** Keyed: what it is made of may be erased, and where it was shown the hash stays. */
  readonly hash: string
  /** The hash as earlier releases showed it. */
  readonly older: string
  readonly out: readonly Out[]
  /** Nothing of it can be done. */
  readonly isVoid: boolean
  /** What it would take back. */
  readonly back: AskedBack | undefined
  /** Undefined: it was decided. */
  readonly made: Made | undefined
}

async function trial(desk: Desk, record: ChangeSetRecord, out: Out[]): Promise<Made> {
  try {
    const bench = benchOf(desk)
    const { changes } = await applyOps(bench, record.ops ?? [], {
      source: record.source,
      scope: record.scope,
      now: desk.env.clock.now(),
      set: record.id,
      decided: true,
      labels: record.labels,
      kept: (at) => record.kept?.[at],
      newId: memoryIds(record.id),
      onStale: (op, { message }) => out.push({ what: op.op, why: message, id: namedIn([op])[0], op }),
    })
    return { bench, changes }
  } catch (thrown) {
    if (!KeelsonError.is(thrown) || thrown.code.startsWith('STORE_')) throw thrown
    return { failed: thrown }
  }
}

/** What a proposal would do. */
export async function proposedDiff(desk: Desk, record: ChangeSetRecord, known?: AskedBack): Promise<Diff[]> {
  const back = known ?? (await askedBack(desk, record))
  const undone = back?.found === undefined ? [] : await undoingDiff(desk, back.found.record, back.changes)
  return [...(await diffOf(desk, record.ops ?? [], record.scope)), ...undone]
}

const NONE = { version: 0, hash: '', older: '', out: [], isVoid: false, back: undefined, made: undefined }

/** A proposal as it stands, and a hash of it and of all that it would touch. `by`: who decides it. */
async function readProposal(desk: Desk, set: string, by?: Actor): Promise<Proposal> {
  const { env, workspace } = desk
  const [row] = await env.store.records(workspace, { kind: CHANGE_SET_RECORD, ids: [set], limit: 1 })
  if (row === undefined) return { record: undefined, ...NONE }
  const record = JSON.parse(row.data) as ChangeSetRecord
  if (record.status !== 'proposed') return { record, ...NONE, version: row.version }
  const ops = record.ops ?? []
  const replaced = await supersededBy({ env, workspace }, ops, record.scope)
  const back = await askedBack(desk, record, by)
  const touched = back?.found?.record.changes.flatMap((one) => (one.did === 'written' ? [] : [one.id])) ?? []
  const named = [...namedIn(ops), ...[...replaced.values()].map(({ id }) => id), ...touched]
  const memories = [...(await recordsOf(env.store, workspace, named)).values()].map(
    ({ id, ends, pinned, load, expiresAt, terms }) => [
      ...[id, ends, pinned ?? false, load, expiresAt ?? null],
      ...(terms === undefined ? [] : [terms]),
    ],
  )
  const gone: Out[] = []
  const made = await trial(desk, record, gone)
  const without = gone.length === 0 ? [] : [gone.map(({ op }) => ops.indexOf(op!))]
  // What would be written to an entity is told by the version that it would get.
  const undone = back === undefined ? [] : [back.found?.record.status ?? null, back.changes, back.blocked]
  const all = canonicalAround([ops, memories, ...without, ...undone, ...keptIn(record)])
  const hash = keyedHash(await env.company(workspace).key(), `proposal: ${all}`)
  const blocked = back?.blocked.map(({ id, why }): Out => ({ what: `take back ${id}`, why, id })) ?? []
  const isVoid = back === undefined ? gone.length > 0 && gone.length === ops.length : back.changes.length === 0
  return { record, version: row.version, hash, older: sha256(all), out: [...gone, ...blocked], isVoid, back, made }
}

/** Others say nothing of it: they are known by the hashes that they had. */
function keptIn({ kept }: ChangeSetRecord): Json[] {
  return kept === undefined ? [] : [{ kept: kept as unknown as Json }]
}

/** What stands in the place of functional facts that ops would add, by the op: it would be closed. */
async function supersededBy(
  desk: Pick<Desk, 'env' | 'workspace'>,
  ops: readonly ChangeOp[],
  scope: string,
): Promise<Map<ChangeOp, MemoryRecord>> {
  const made = ops.flatMap((op, at) =>
    op.op === 'add' && op.memory.functional === true ? [{ op, record: draftOf(desk, op, scope, String(at)) }] : [],
  )
  const bench = benchOf(desk)
  await bench.load(
    [],
    made.map(({ record }) => record),
  )
  const found = new Map<ChangeOp, MemoryRecord>()
  for (const { op, record } of made) {
    const old = bench.open(record)
    if (old !== undefined && old.from <= record.from && !isSame(old, record)) found.set(op, old)
  }
  return found
}

function draftOf({ env }: Pick<Desk, 'env'>, op: ChangeOp & { op: 'add' }, scope: string, id: string): MemoryRecord {
  return newMemory(op.memory, id, { source: { by: { kind: 'system', id: '' } }, scope, now: env.clock.now(), set: '' })
}

/** `scope`: of what names none. */
export async function diffOf(desk: Desk, ops: readonly ChangeOp[], scope: string = desk.scope): Promise<Diff[]> {
  const memories = await recordsOf(desk.env.store, desk.workspace, namedIn(ops))
  const replaced = await supersededBy(desk, ops, scope)
  return ops.flatMap((op): Diff[] => {
    if (op.op === 'event') return [{ op: 'add', after: op.event.text }]
    if (op.op === 'add') {
      const named = (op.replaces ?? []).flatMap((id) => memories.get(id) ?? [])
      const old = replaced.get(op)
      const before = old === undefined || named.some(({ id }) => id === old.id) ? named : [...named, old]
      const after = draftOf(desk, op, scope, '').text
      return before.length === 0
        ? [{ op: 'add', after }]
        : before.map((record, at) => ({
            op: 'replace',
            before: memoryOf(record, desk.env.clock.now()),
            ...(at === 0 ? { after } : {}),
          }))
    }
    const record = memories.get(op.id)
    const before = record === undefined ? {} : { before: memoryOf(record, desk.env.clock.now()) }
    return [op.op === 'amend' ? { op: op.op, ...before, after: canonical(op.set) } : { op: op.op, ...before }]
  })
}

const SHOWN_MAX = 200

async function leftOut(desk: Desk, out: readonly Out[]): Promise<PreviewRows> {
  const shown = out.slice(0, SHOWN_MAX)
  const ids = shown.flatMap(({ id }) => id ?? [])
  const memories = await recordsOf(desk.env.store, desk.workspace, ids)
  const rows = shown.map(({ what, why, id = '' }) => {
    const before = memories.get(id)?.text ?? ''
    return { label: `left out: ${what}`, ...(before === '' ? {} : { before }), after: why }
  })
  const more = { label: 'and more left out', after: String(out.length - shown.length) }
  return out.length > shown.length ? [...rows, more] : rows
}

type PreviewRows = Extract<Preview, { kind: 'fields' }>['rows']

function previewOf(diffs: readonly Diff[], out: PreviewRows): Preview {
  const rows = diffs.slice(0, SHOWN_MAX).map(({ op, before, after = '', entity }) => {
    const label = before === undefined ? (entity === undefined ? op : `${op} ${entity}`) : `${op} ${before.id}`
    return {
      label,
      ...(before === undefined ? {} : { before: before.text }),
      after: op === 'restore' ? (before?.text ?? '') : after,
    }
  })
  if (diffs.length > SHOWN_MAX) rows.push({ label: 'and more', after: String(diffs.length - SHOWN_MAX) })
  return { kind: 'fields', rows: [...rows, ...out] }
}

function deskIn(pass: Pass): Desk {
  return deskOf(pass.task.env, pass.task.claimed.row.workspace)
}
