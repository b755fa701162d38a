/**
 * Company: one workspace's own state (its life, index key, settings, freeze) and the one way to write outside of runs.
 *
 * Y1. The stream 'workspace' has many writers: each edit expects its head and is built again when another was faster.
 * Y2. What a start and a pass ask of it is read once for all that begin in one turn of the event loop. What this process
 *     has written is seen by whatever begins after the write was answered; what another has, at the latest at the next claim.
 */
import { SYSTEM, type Actor } from '../base/actor.ts'
import { afterTurn, type Clock } from '../base/clock.ts'
import { KeelsonError } from '../base/errors.ts'
import type { Ids } from '../base/ids.ts'
import type { Json } from '../base/value.ts'
import { chain, EMPTY_HEAD, headOf, type Draft, type Head } from '../journal/entry.ts'
import { formatPut } from '../journal/format.ts'
import type { Put } from '../journal/put.ts'
import { inked } from '../journal/records.ts'
import type { Answer, Conflict, Expect, MemoryStore, RecordRow, RecordWrite, Unit } from '../journal/store.ts'
import { schemaIn, settingsFrom, type Settings, type SettingsShape } from '../policy/settings.ts'
import { withTrail } from './trail.ts'
import { isToAdopt } from './waiting.ts'

export const WORKSPACE_STREAM = 'workspace'

export interface Frozen {
  readonly frozen: boolean
  readonly reason: string
  /** Grows with each freeze and thaw; every intent expects it. */
  readonly epoch: number
  /** The freeze that this one was laid over; what was stopped in it waits for its end. */
  readonly over?: number
}

export interface Life {
  readonly state: 'active' | 'suspended' | 'deleted'
  readonly reason: string
  /** Grows with each change; 0 for a workspace of which nothing was ever said. */
  readonly version: number
}

/** What decides whether anything may leave a company. `expect`: what an intent does: that nobody changed it meanwhile. */
export type Leaving = Frozen & { readonly life: Life; readonly expect: readonly Expect[] }

/** What a company has put in shadow: names of actions, of playbooks, and 'name@version'. */
export interface ShadowModes {
  readonly actions: readonly string[]
  readonly playbooks: readonly string[]
}

export const SHADOW_MODES = 'shadow'

export interface StoredSettings {
  readonly version: number
  readonly value: Settings
  /** The version of the shape that the value fits, if not 1. */
  readonly schema?: number
}

/** What a start and a pass ask of a company before anything else. */
export interface Standing {
  readonly life: Life
  /** Throws for settings that this code cannot read: see `settingsFrom`. */
  readonly settings: () => StoredSettings
  readonly shadow: ShadowModes
}

/** What an edit wants written; undefined: nothing. */
export interface Edit {
  readonly drafts: readonly Draft[]
  readonly expect?: readonly Expect[]
  readonly unit?: Pick<Unit, 'deliveries' | 'touch' | 'starts' | 'purge' | 'artifacts'>
  /** Rows that no entry puts: caches, which can be made again. */
  readonly cached?: readonly RecordWrite[]
}

const EDITS_MAX = 200

export class Company {
  readonly workspace: string
  readonly #store: MemoryStore
  readonly #clock: Clock
  readonly #ids: Ids
  readonly #shape: SettingsShape
  #head: Head = EMPTY_HEAD
  #key: Promise<string> | undefined
  /** The version of its life under which the key was read. */
  #lives = -1
  #standing: Promise<Standing> | undefined
  #writing: Promise<unknown> = Promise.resolve()

  constructor(workspace: string, options: { store: MemoryStore; clock: Clock; ids: Ids; settings: SettingsShape }) {
    this.workspace = workspace
    this.#store = options.store
    this.#clock = options.clock
    this.#ids = options.ids
    this.#shape = options.settings
  }

  /**
   * The secret under which personal index values are hashed. Made at first use; kept in the first entry of the workspace, beside
   * the format of what is written to it.
   */
  async key(): Promise<string> {
    await this.standing()
    this.#key ??= this.#open().catch((error: unknown) => {
      this.#key = undefined
      throw error
    })
    return this.#key
  }

  /** The same, for who has just asked how it stands. */
  async secret(): Promise<string> {
    return this.#key ?? this.key()
  }

  /** Y2. Not for what is about to be changed: an edit reads anew. */
  standing(): Promise<Standing> {
    if (this.#standing !== undefined) return this.#standing
    const reading = this.#readStanding()
    const forget = (): void => void (this.#standing === reading && this.moved())
    this.#standing = reading
    reading.catch(forget)
    afterTurn(forget)
    return reading
  }

  /** Its rows may have changed: what was read of them counts no more. */
  moved(): void {
    this.#standing = undefined
  }

  async settings(): Promise<StoredSettings> {
    return settingsIn(this.#shape, await this.#record('settings'))
  }

  async freeze(): Promise<Frozen> {
    return frozenIn(await this.#record('freeze'))
  }

  /** Whether anything may leave it now. */
  async leaving(): Promise<Leaving> {
    const rows = await this.#store.records(this.workspace, { kind: 'company', ids: ['freeze', 'life'], limit: 2 })
    const [frozen, life] = ['freeze', 'life'].map((id) => rows.find((row) => row.id === id))
    return {
      ...frozenIn(frozen),
      life: lifeIn(life),
      expect: [
        { record: 'company', id: 'freeze', version: frozen?.version ?? 0 },
        { record: 'company', id: 'life', version: life?.version ?? 0 },
      ],
    }
  }

  async configure(value: Json, by: Actor): Promise<void> {
    await this.edit(async () => {
      const version = (await this.#record('settings'))?.version ?? 0
      const index = this.#shape.version === 1 ? {} : { index: { schema: String(this.#shape.version) } }
      const put: Put = { kind: 'company', id: 'settings', version: version + 1, data: value, ...index }
      return { drafts: [{ kind: 'workspace.configured', data: { by, puts: [put] } }] }
    })
  }

  /** Nothing for one that is frozen, but that what only `adopt()` ends is laid over an operator's freeze, which `thaw()` ends. */
  async setFrozen(reason: string, by: Actor): Promise<void> {
    await this.edit(async () => {
      const now = await this.freeze()
      if (now.frozen && (isToAdopt(now.reason) || !isToAdopt(reason))) return undefined
      const data = { frozen: true, reason, ...(now.frozen ? { over: now.epoch } : {}) }
      const put: Put = { kind: 'company', id: 'freeze', version: now.epoch + 1, data }
      return { drafts: [{ kind: 'workspace.frozen', data: { by, reason, puts: [put] } }] }
    })
  }

  /** Writes outside of any run. `build` is called again after a conflict; its answer undefined writes nothing. */
  async edit(build: () => Promise<Edit | undefined>): Promise<(Answer & { status: 'done' }) | undefined> {
    for (let tries = 0; tries < EDITS_MAX; tries++) {
      const edit = await build()
      if (edit === undefined) return undefined
      const written = this.#writing.then(() => this.#write(edit))
      this.#writing = written.catch(() => {})
      const answer = await written
      if (answer.status === 'done') return answer
    }
    throw new KeelsonError('STORE_BUSY', `workspace ${this.workspace} is written to faster than this edit could be`, {
      hint: 'Try again.',
    })
  }

  /** One at a time: edits of one process never fight for the head of the stream. */
  async #write(edit: Edit): Promise<Answer> {
    const { expect, unit } = edit
    const salt = (): string => this.#ids.salt()
    const at = this.#clock.now()
    const drafts = withTrail(edit.drafts, { stream: WORKSPACE_STREAM, seq: this.#head.seq, at, by: SYSTEM })
    const { drafts: written, records } = inked(drafts)
    const entries = chain(this.workspace, WORKSPACE_STREAM, this.#head, written, at, salt)
    const answer = await this.#store.write(this.workspace, {
      entries,
      records: [...records, ...(edit.cached ?? [])],
      ...(expect === undefined ? {} : { expect }),
      ...unit,
    })
    if (answer.status === 'conflict') await this.#catchUp(answer.rows)
    else if (entries.length > 0) this.#head = headOf(entries)
    return answer
  }

  async #open(): Promise<string> {
    const found = await this.#record('key')
    if (found !== undefined) return (JSON.parse(found.data) as { key: string }).key
    await this.edit(async () => {
      if ((await this.#record('key')) !== undefined) return undefined
      const data = { firsts: true, key: this.#ids.salt() + this.#ids.salt() }
      const put: Put = { kind: 'company', id: 'key', version: 1, data }
      return { drafts: [{ kind: 'workspace.opened', data: { puts: [formatPut(), put] } }] }
    })
    const made = await this.#record('key')
    if (made === undefined) throw new KeelsonError('STORE_FAILED', `workspace ${this.workspace} could not be opened`)
    return (JSON.parse(made.data) as { key: string }).key
  }

  /** Drops what it remembers: the workspace was written by other means. */
  forget(): void {
    this.moved()
    this.#head = EMPTY_HEAD
    this.#key = undefined
  }

  async #readStanding(): Promise<Standing> {
    const ids = ['life', 'settings', SHADOW_MODES]
    const rows = await this.#store.records(this.workspace, { kind: 'company', ids, limit: ids.length })
    const [life, settings, shadow] = ids.map((id) => rows.find((row) => row.id === id))
    const standing = { life: lifeIn(life), settings: () => settingsIn(this.#shape, settings), shadow: shadowIn(shadow) }
    // Another process may have deleted it and begun it anew, under another key.
    if (this.#lives !== standing.life.version) this.#key = undefined
    this.#lives = standing.life.version
    return standing
  }

  async #record(id: string): Promise<RecordRow | undefined> {
    return (await this.#store.records(this.workspace, { kind: 'company', ids: [id], limit: 1 }))[0]
  }

  /** The conflict says where the stream ends: its last entry is all that is read. */
  async #catchUp(rows: readonly Conflict[]): Promise<void> {
    const end = rows.find((row) => 'stream' in row && row.stream === WORKSPACE_STREAM)
    if (end === undefined || !('seq' in end)) return
    const last = end.seq === 0 ? [] : await this.#store.entries(this.workspace, WORKSPACE_STREAM, end.seq - 1, 1)
    this.#head = headOf(last)
  }
}

/** Whether the first lines of histories are indexed by their shape since the company was opened: see gaps.ts. */
export async function hasFirsts(store: MemoryStore, workspace: string): Promise<boolean> {
  const [row] = await store.records(workspace, { kind: 'company', ids: ['key'], limit: 1 })
  return row !== undefined && (JSON.parse(row.data) as { firsts?: boolean }).firsts === true
}

export function frozenIn(row: RecordRow | undefined): Frozen {
  if (row === undefined) return { frozen: false, reason: '', epoch: 0 }
  return { ...(JSON.parse(row.data) as Omit<Frozen, 'epoch'>), epoch: row.version }
}

export function lifeIn(row: RecordRow | undefined): Life {
  if (row === undefined) return { state: 'active', reason: '', version: 0 }
  return { ...(JSON.parse(row.data) as Pick<Life, 'state' | 'reason'>), version: row.version }
}

export function shadowIn(row: RecordRow | undefined): ShadowModes {
  return row === undefined ? { actions: [], playbooks: [] } : (JSON.parse(row.data) as ShadowModes)
}

/** Throws for settings that this code cannot read: see `settingsFrom`. */
function settingsIn(shape: SettingsShape, row: RecordRow | undefined): StoredSettings {
  if (row === undefined) return { version: 0, value: {} }
  const value = settingsFrom(shape, JSON.parse(row.data) as Json, schemaIn(row.index))
  return { version: row.version, value, ...(shape.version === 1 ? {} : { schema: shape.version }) }
}
