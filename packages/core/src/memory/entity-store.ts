/** EntityStore: what code may do with entities of one type: in a playbook, or from outside. */
import type { Label } from '../base/labels.ts'
import type { Json } from '../base/value.ts'
import type { ArtifactRef } from './artifact.ts'
import type { TimelineEvent } from './change.ts'
import type { Entity, EntityKey } from './entity.ts'

/** An instant: ISO text or milliseconds. */
export type When = string | number

export interface WriteOptions {
  /** Throws `ENTITY_CONFLICT` if the record has another version. */
  readonly expect?: number
  /** When it took effect in the world, if that was earlier. Default: now. */
  readonly validAt?: When
  /** Why, in words: kept in the history. */
  readonly reason?: string
  /** What it rests on: entities, outputs of earlier steps. */
  readonly because?: readonly unknown[]
  /** What the written fields are to be taken for, beside what they were written from. */
  readonly labels?: readonly Label[]
}

export interface CreateOptions extends Omit<WriteOptions, 'expect'> {
  /** Its identities outside: `{ stripe: 'cus_1' }`. One system's id leads to one record only. */
  readonly refs?: { readonly [system: string]: string }
  /** Other names of it. */
  readonly aliases?: readonly string[]
}

export interface ListOptions<T> {
  /** Values of one or more indexed fields. */
  readonly where?: Partial<T>
  /** The archived ones instead. `where` does not go with it. */
  readonly archived?: boolean
  /** By creation. Default 'oldest'. */
  readonly first?: 'oldest' | 'newest'
  /** At most 500. Default 50. */
  readonly limit?: number
  /** The `next` of the page before. */
  readonly after?: string
}

export interface Page<T> {
  readonly entities: readonly Entity<T>[]
  readonly next?: string
}

/** A point on two clocks: what was the case at `valid`, as it was known at `known`. Both default to now. */
export interface AsOf {
  readonly valid?: When
  readonly known?: When
}

/** One change, field by field. */
export interface Changed {
  readonly version: number
  readonly at: string
  readonly validAt: string
  readonly what: string
  readonly by?: string
  readonly run?: string
  readonly step?: string
  readonly reason?: string
  readonly because?: readonly Json[]
  readonly fields: { readonly [field: string]: { readonly before?: Json; readonly after?: Json } }
}

export interface Why {
  readonly field: string
  readonly value: Json | undefined
  /** Since when it has been so in the world. */
  readonly since: string
  readonly change: Changed
}

export interface TimelineOptions {
  readonly from?: When
  readonly to?: When
  /** Default: all. */
  readonly limit?: number
  /** Default 'oldest'. */
  readonly first?: 'oldest' | 'newest'
}

/** A line for the timeline that changes nothing of the record. */
export interface Note {
  readonly what: string
  readonly data?: Json
  /** When it happened. Default: now. */
  readonly at?: When
  readonly artifacts?: readonly ArtifactRef[]
}

export interface EntityStore<T> {
  /** A new record. Throws `INPUT_INVALID`, and `ENTITY_EXISTS` where its key is taken. */
  create(data: T, options?: CreateOptions): Promise<Entity<T>>
  /** Changes the record of the same key, or creates it. For types with a `key`. What is as it was gets no new version. */
  upsert(data: T, options?: CreateOptions): Promise<Entity<T>>
  /** By id. An id that was merged away answers the survivor. Throws `ENTITY_NOT_FOUND`. */
  get(id: string): Promise<Entity<T>>
  /** The first record, by creation, whose indexed fields equal `where`. */
  find(where: Partial<T>): Promise<Entity<T> | undefined>
  list(options?: ListOptions<T>): Promise<Page<T>>
  /** The record of this key; for types with a `key`. One that was merged away answers the survivor. */
  byKey(key: EntityKey): Promise<Entity<T> | undefined>
  /** The record with this identity in an outside system. */
  byRef(system: string, ref: string): Promise<Entity<T> | undefined>
  /** Records that go by this name, in whatever case and spacing. */
  byAlias(name: string): Promise<readonly Entity<T>[]>
  /**
   * Changes the named fields; one that is `undefined` is dropped, and one that the schema does not have is `INPUT_INVALID`. With
   * `expect`, throws `ENTITY_CONFLICT`. Where all of them are as they were it writes nothing, and answers the version that is there; with a `validAt` it says since when, and does.
   */
  update(id: string, patch: Partial<T>, options?: WriteOptions): Promise<Entity<T>>
  /** Takes it out of `find` and `list`. It stays readable, and can be restored. */
  archive(id: string, options?: WriteOptions): Promise<Entity<T>>
  /** Brings back what was archived or merged away. */
  restore(id: string, options?: WriteOptions): Promise<Entity<T>>
  /**
   * Makes `from` one with `into`, which keeps its fields but for those in `take`, and gets refs, aliases and timeline. A run
   * asks a person first, and waits: a no is `ACTION_DECLINED`.
   */
  merge(
    into: string,
    from: string,
    options?: WriteOptions & { take?: readonly (keyof T & string)[] },
  ): Promise<Entity<T>>
  /** Adds names, and identities outside; `null` takes an identity away. */
  identify(
    id: string,
    names: { refs?: { readonly [system: string]: string | null }; aliases?: readonly string[] },
    options?: WriteOptions,
  ): Promise<Entity<T>>
  /** The state at a point on two clocks; undefined before it was created. */
  asOf(id: string, at: AsOf): Promise<Entity<T> | undefined>
  /** All changes, oldest first. `after`: a version; `limit`: default 500. */
  history(id: string, options?: { after?: number; limit?: number }): Promise<readonly Changed[]>
  /** The change that a field has its value from; undefined when it never had one. */
  why(id: string, field: keyof T & string): Promise<Why | undefined>
  /** What happened to the record and to those merged into it. */
  timeline(id: string, options?: TimelineOptions): Promise<readonly TimelineEvent[]>
  /** Adds a line to the timeline, and remembers it as an event about the record: `recall`, `history` and contexts find it. */
  note(id: string, note: Note): Promise<void>
}

/** What came of comparing a record with an outside copy. */
export interface Drift<T> {
  /** 'same': nothing differs. 'theirs': at least one field was taken over. */
  readonly answer: 'same' | 'ours' | 'theirs'
  readonly fields: { readonly [field: string]: { readonly ours: Json; readonly theirs: Json } }
  /** As it is now. */
  readonly entity: Entity<T>
}

/** Facts of two records that are now one, of which only one can hold: the later one stands. */
export interface Contradicted {
  readonly predicate: string
  readonly scope: string
  readonly stands: { readonly id: string; readonly text: string }
  /** Found no more, as long as they are one. */
  readonly givesWay: { readonly id: string; readonly text: string }
}

/** What went, and where it is still said, and why. */
export interface EntityErased {
  readonly erased: readonly {
    /** `type/id`. */
    readonly entity: string
    readonly fields: readonly string[]
    /** Keyed, of the values that went. */
    readonly hash: string
  }[]
  readonly left: readonly { readonly where: string; readonly why: string }[]
}

/** The entity store of a run. */
export interface RunEntityStore<T> extends EntityStore<T> {
  /**
   * Compares the record with what a connector's read said of it. Where they differ, a person sees both sides and answers to
   * keep ours or take theirs; the same difference is not asked about twice.
   */
  drift(id: string, outside: { readonly system: string; readonly theirs: Partial<T> }): Promise<Drift<T>>
}
