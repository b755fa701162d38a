/**
 * Restore: a bundle written back, entry by entry, as it was.
 *
 * R1. What the workspace holds already must be the beginning of what comes: then it is gone over, and the rest is written.
 *     So an import that was cut off goes on when it is called again, and nothing else is ever written over.
 * R2. A record must be what the last entry that put it says; a line that says otherwise is refused before it is written.
 * R3. What is in a shape that this code cannot read as of today is not written: all of it is told at the end (`UPCASTER_MISSING`).
 * R4. Runs come last: nothing executes before all of it is there and the hash at the end was right. Until then the
 *     workspace is marked as suspended, so that no conductor writes into what is there by half; and it is frozen before
 *     that mark goes, so that there is no instant at which it could act.
 * R5. What stands in the order of commits stands so here, too: its place is that of the entry which put it last.
 */
import { createHash } from 'node:crypto'
import { sha256 } from '../base/hash.ts'
import { canonicalAround } from '../base/json.ts'
import { KeelsonError } from '../base/errors.ts'
import type { Environment } from '../conductor/environment.ts'
import type { Entry, Placed } from '../journal/entry.ts'
import { putsOf, writeOf } from '../journal/records.ts'
import type { Delivery, NewRun, RecordWrite, Unit } from '../journal/store.ts'
import { invalid, type LineOf } from './line.ts'
import { entryOf, readLines, type BundleSource } from './read.ts'
import { Count } from './state.ts'
import { Unread } from './unread.ts'

export interface Counts {
  entries: number
  records: number
  runs: number
  artifacts: number
}

export interface RestoreParts {
  readonly env: Environment
  readonly workspace: string
  /** Reads and checks everything, writes nothing. */
  readonly dryRun: boolean
  /** As if the workspace were empty. Only with `dryRun`: what is there is given up once all of this was found whole. */
  readonly anew?: boolean
  /** What is done when all of it is there, before anybody may work in it. */
  readonly last?: () => Promise<void>
  /** It ends frozen: what is there already, and acts, is not to be stopped by its own bundle. */
  readonly freezes?: boolean
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((done: Counts) => void) | undefined
}

const BATCH = 500

/** The stream that says what was given up for a bundle; no bundle that comes speaks of it. */
export const REPLACED_STREAM = 'replaced'

/** What one restoring has gathered. */
interface Gathered {
  readonly counts: Counts
  /** Artifacts that the bundles name and do not bring, and that the store does not hold. */
  readonly missing: string[]
  /** Digest of each record's last put; undefined where its entry was erased. */
  readonly puts: Map<string, { readonly digest: string; readonly at: number }>
  readonly runs: Map<string, LineOf<'run'>>
  readonly mail: Map<string, Delivery[]>
  /** Entries of the workspace up to here. */
  readonly count: Count
  /** A place in the order of commits that none behind it comes before (R5): each entry that is written has a later one. */
  position: number
  /** What of it cannot be read as of today (R3). */
  readonly unread: Unread
  /** Whether it is suspended, as the bundle says: the last thing that is written. */
  life: RecordWrite | undefined
}

/** Writes the bundles, a whole one first and then its increments, behind one another. */
export async function restore(parts: RestoreParts, sources: readonly BundleSource[]): Promise<Omit<Gathered, 'puts'>> {
  const gathered: Gathered = {
    counts: { entries: 0, records: 0, runs: 0, artifacts: 0 },
    ...{ missing: [], puts: new Map(), runs: new Map(), mail: new Map(), count: new Count() },
    position: 0,
    unread: new Unread(parts.env, parts.workspace),
    life: undefined,
  }
  const marked = parts.dryRun ? false : await mark(parts)
  const present = existing(parts)
  try {
    for (const [at, source] of sources.entries()) await takeIn(parts, source, at, present, gathered)
    // What is held there beyond the bundle would have been written over, or be lost.
    if (!(await isThrough(present, marked))) throw notEmpty(parts.workspace)
  } finally {
    await present.return(undefined)
  }
  gathered.unread.assertNone()
  if (parts.freezes === true && !marked && gathered.counts.entries === 0 && (await isStarted(parts, gathered)))
    throw allThere(parts.workspace)
  await start(parts, gathered)
  if (!parts.dryRun) await parts.last?.()
  if (marked || gathered.life !== undefined) await unmark(parts, gathered)
  return gathered
}

/** Under its own mark, an import that was cut off at its end may have written its freeze already. */
async function isThrough(present: AsyncGenerator<Placed>, marked: boolean): Promise<boolean> {
  for (let next = await present.next(); next.done !== true; next = await present.next())
    if (!marked || next.value.kind !== 'workspace.frozen') return false
  return true
}

const IMPORTING = canonicalAround({ state: 'suspended', reason: 'it is being imported' })

/** While only a part of it is there, nobody works in it. Answers whether this import (or one that was cut off) said so. */
async function mark({ env, workspace }: RestoreParts): Promise<boolean> {
  const [life] = await env.store.records(workspace, { kind: 'company', ids: ['life'], limit: 1 })
  if (life !== undefined) return life.data === IMPORTING
  if (!(await existing({ env, workspace }).next()).done) return false
  await env.store.write(workspace, { records: [lifeWrite(1, IMPORTING)] })
  return true
}

async function unmark({ env, workspace, dryRun }: RestoreParts, { life }: Gathered): Promise<void> {
  if (dryRun) return
  const write = life ?? lifeWrite(2, null)
  await env.store.write(workspace, { records: [write], restoring: true })
}

function lifeWrite(version: number, data: string | null): RecordWrite {
  return { kind: 'company', id: 'life', version, data, index: {}, sort: 0 }
}

async function takeIn(
  parts: RestoreParts,
  source: BundleSource,
  at: number,
  present: AsyncGenerator<Placed>,
  gathered: Gathered,
): Promise<void> {
  const batch = new Batch(parts, gathered.counts, () => gathered.unread.any)
  let number = 0
  for await (const line of readLines(source)) {
    number++
    parts.signal?.throwIfAborted()
    switch (line.type) {
      case 'keelson.bundle':
        await begin(parts, line, at, present, gathered)
        break
      case 'entry': {
        const entry = entryOf(line)
        if (entry.stream === REPLACED_STREAM) break
        gathered.count.take(entry)
        const held = await matches(parts.workspace, entry, present)
        gathered.position = held ?? gathered.position + 1
        for (const put of putsOf(entry)) {
          gathered.puts.set(`${put.kind}/${put.id}`, { digest: digest(writeOf(put)), at: gathered.position })
          gathered.unread.take(put)
        }
        if (held === undefined) await batch.add({ entries: [entry] })
        break
      }
      case 'artifact':
        await artifact(parts, line, number, batch, gathered)
        break
      case 'record': {
        const { kind, id, version, data, index = {}, sort = 0 } = line
        const write = writeOf({ kind, id, version, data, index, sort })
        const expected = gathered.puts.get(`${kind}/${id}`)
        if (expected === undefined || expected.digest !== digest(write))
          throw invalid(number, `record ${kind}/${id} is not what its entries put`)
        if (kind === 'company' && id === 'life') gathered.life = write
        else await batch.add({ records: [write.sort === 'position' ? { ...write, sort: expected.at } : write] })
        break
      }
      case 'run':
        gathered.runs.set(line.id, line)
        gathered.mail.set(line.id, [])
        break
      case 'mail': {
        const { type: _, ...delivery } = line
        gathered.mail.set(line.run, [...(gathered.mail.get(line.run) ?? []), delivery])
        break
      }
      case 'schema':
      case 'end':
        break
      default:
        line satisfies never
    }
  }
  await batch.flush()
}

/** The first bundle is whole, or continues what the workspace holds; each later one continues the one before it. */
async function begin(
  parts: RestoreParts,
  head: LineOf<'keelson.bundle'>,
  at: number,
  present: AsyncGenerator<Placed>,
  gathered: Gathered,
): Promise<void> {
  if (head.workspace !== parts.workspace) {
    throw new KeelsonError('INPUT_INVALID', `the bundle is of workspace ${head.workspace}, not of ${parts.workspace}`, {
      hint: `Import it into workspace('${head.workspace}'): its chain is bound to that name. Or merge it, which takes its entities over.`,
    })
  }
  if (at > 0 && head.from !== gathered.count.all) throw gap(head.from, gathered.count.all)
  if (at > 0 || head.from === 0) return
  while (gathered.count.all < head.from) {
    const next = await present.next()
    if (next.done === true) throw gap(head.from, gathered.count.all)
    gathered.count.take(next.value)
    gathered.position = next.value.position
  }
  if (gathered.count.all !== head.from) throw gap(head.from, gathered.count.all)
}

/** Where the workspace holds this entry already (R1). */
async function matches(workspace: string, entry: Entry, present: AsyncGenerator<Placed>): Promise<number | undefined> {
  const next = await present.next()
  if (next.done === true) return undefined
  const { value } = next
  if (value.stream === entry.stream && value.seq === entry.seq && value.hash === entry.hash) return value.position
  throw notEmpty(workspace)
}

async function* existing({
  env,
  workspace,
  anew = false,
}: Pick<RestoreParts, 'env' | 'workspace' | 'anew'>): AsyncGenerator<Placed> {
  if (anew) return
  for (let after = 0; ;) {
    const page = await env.store.tail(workspace, after, BATCH)
    yield* page.filter(({ stream }) => stream !== REPLACED_STREAM)
    if (page.length < BATCH) return
    after = page.at(-1)!.position
  }
}

async function artifact(
  parts: RestoreParts,
  line: LineOf<'artifact'>,
  number: number,
  batch: Batch,
  gathered: Gathered,
): Promise<void> {
  if (line.bytes === undefined) {
    if (parts.anew === true || (await parts.env.store.getArtifact(parts.workspace, line.sha256)) === undefined)
      gathered.missing.push(line.sha256)
    return
  }
  const bytes = Buffer.from(line.bytes, 'base64')
  if (sha256Hex(bytes) !== line.sha256) throw invalid(number, `artifact ${line.sha256} has other bytes`)
  gathered.counts.artifacts++
  await batch.add({ artifacts: [bytes] })
}

/** Runs, in the order in which they were started, and the mail that they have not read (R4). */
async function start(parts: RestoreParts, { runs, mail, counts }: Gathered): Promise<void> {
  const batch = new Batch(parts, counts)
  for (const line of runs.values()) {
    counts.runs++
    await batch.add({ starts: [runOf(line, parts.env.clock.now())], deliveries: mail.get(line.id) ?? [] })
  }
  await batch.flush()
}

/** Whether nothing of that is to be done: an increment may have been cut off behind its entries. */
async function isStarted({ env: { store }, workspace }: RestoreParts, { runs, mail }: Gathered): Promise<boolean> {
  for (const run of runs.keys()) {
    if ((await store.runs(workspace, { ids: [run], limit: 1 })).length === 0) return false
    const unread = mail.get(run) ?? []
    if (unread.length === 0) continue
    const there = new Set((await store.mail({ workspace, run }, 0)).map(({ onceKey }) => onceKey))
    if (unread.some(({ onceKey }) => !there.has(onceKey))) return false
  }
  return true
}

function runOf(line: LineOf<'run'>, now: number): NewRun {
  const { id, stream, playbook, version, lane, laneWhileRunning, root, createdAt, settled } = line
  return {
    ...{ id, stream, playbook, version, lane, laneWhileRunning, root, createdAt, dueAt: now, entries: [] },
    ...(settled === undefined ? {} : { settled }),
  }
}

/** Gathers what is written together. */
class Batch {
  readonly #parts: RestoreParts
  readonly #counts: Counts
  #unit: { entries: Entry[]; records: RecordWrite[]; artifacts: Uint8Array[]; starts: NewRun[]; deliveries: Delivery[] }
  /** From here on nothing is written. */
  readonly #isOver: () => boolean
  #size = 0

  constructor(parts: RestoreParts, counts: Counts, isOver: () => boolean = () => false) {
    this.#parts = parts
    this.#counts = counts
    this.#isOver = isOver
    this.#unit = empty()
  }

  async add(part: Unit): Promise<void> {
    if (this.#isOver()) return
    this.#unit.entries.push(...(part.entries ?? []))
    this.#unit.records.push(...(part.records ?? []))
    this.#unit.artifacts.push(...(part.artifacts ?? []))
    this.#unit.starts.push(...(part.starts ?? []))
    this.#unit.deliveries.push(...(part.deliveries ?? []))
    this.#counts.entries += part.entries?.length ?? 0
    this.#counts.records += part.records?.length ?? 0
    if (++this.#size >= BATCH) await this.flush()
  }

  async flush(): Promise<void> {
    const { env, workspace, dryRun, onProgress } = this.#parts
    const unit = this.#unit
    this.#unit = empty()
    if (this.#size === 0) return
    this.#size = 0
    if (!dryRun) {
      const answer = await env.store.write(workspace, { ...unit, restoring: true })
      if (answer.status !== 'done') throw notEmpty(workspace)
    }
    onProgress?.({ ...this.#counts })
  }
}

function empty() {
  return {
    entries: [] as Entry[],
    ...{ records: [] as RecordWrite[], artifacts: [] as Uint8Array[] },
    ...{ starts: [] as NewRun[], deliveries: [] as Delivery[] },
  }
}

function digest({ version, data, index, sort }: RecordWrite): string {
  return sha256(canonicalAround(data === null ? { version } : { version, data, index, sort }))
}

function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function notEmpty(workspace: string): KeelsonError {
  return new KeelsonError('WORKSPACE_NOT_EMPTY', `workspace ${workspace} holds what the bundle does not`, {
    hint: "Import it into a store of its own, or with mode: 'replace', which gives up what is there; merge(bundle, { by }) takes only its entities and memories over.",
  })
}

function allThere(workspace: string): KeelsonError {
  return new KeelsonError('WORKSPACE_NOT_EMPTY', `workspace ${workspace} holds all of the bundle already`, {
    hint: 'Nothing of it is new, and nothing is frozen. If it came here by an import that was cut off, and another store may still act for it: freeze({ by, reason }).',
  })
}

function gap(from: number, has: number): KeelsonError {
  return new KeelsonError('BUNDLE_GAP', `the increment begins behind entry ${from}; there are ${has}`, {
    hint: 'Import the whole bundle and all increments since, in their order, in one call.',
    data: { from, has },
  })
}
