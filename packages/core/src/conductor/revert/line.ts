/** Line: one thing that a revert would take back, or must leave and why. */
import type { Json } from '../../base/value.ts'
import type { BackTo, Names } from '../../memory/entity-identity.ts'
import type { Standing } from '../../memory/entity-inverse.ts'

/** A field that somebody else has changed since; also `ref:system`, `name:…`, and 'standing': where it stands. */
export interface Since {
  readonly field: string
  readonly version: number
  readonly at: string
  readonly by?: string
  /** What it was is gone for good. */
  readonly erased?: true
}

/** What a person has changed since of an entity that an effect rests on. */
export interface EditedSince extends Since {
  /** `type/id` */
  readonly entity: string
}

export type RevertLine =
  | {
      readonly kind: 'effect'
      readonly id: string
      readonly generation: number
      readonly action: string
      readonly what: string
      readonly can: true
      /** Only in the plan of this effect alone. */
      readonly since?: readonly EditedSince[]
      /** Why it was not taken back when that was tried before. */
      readonly tried?: string
    }
  | {
      readonly kind: 'effect'
      readonly id: string
      readonly action: string
      readonly what: string
      readonly can: false
      readonly why: string
      readonly since?: readonly EditedSince[]
    }
  | {
      readonly kind: 'entity'
      readonly type: string
      readonly id: string
      readonly version: number
      readonly restore: { readonly [field: string]: Json }
      /** Fields that were not there before. */
      readonly drop: readonly string[]
      /** The versions that are taken back. */
      readonly undoes?: readonly number[]
      /** Names and identities that it gets back, and loses. A plan of an earlier release says nothing of them. */
      readonly names?: Names
      /** Where it will stand, if that is elsewhere. */
      readonly standing?: Standing
      /** Of one that is made separate: it goes back into the archive. */
      readonly archived?: true
      /** The record that it is one with until then, and what of that goes back. */
      readonly survivor?: BackTo & { readonly id: string; readonly version: number }
      /** Fields that stay, because somebody has changed them since. */
      readonly kept: readonly string[]
      readonly since: readonly Since[]
      readonly what: string
      readonly can: true
      /** Why it was not taken back when that was tried before. */
      readonly tried?: string
    }
  | {
      readonly kind: 'entity'
      readonly type: string
      readonly id: string
      readonly since: readonly Since[]
      readonly what: string
      readonly can: false
      readonly why: string
    }
  | {
      readonly kind: 'memory'
      /** The change set. */
      readonly id: string
      readonly version: number
      /** Memories that stay, because something has been built on them since. */
      readonly kept: readonly string[]
      readonly what: string
      readonly can: true
      /** Why it was not, or not all of it, taken back when that was tried before. */
      readonly tried?: string
    }
  | { readonly kind: 'memory'; readonly id: string; readonly what: string; readonly can: false; readonly why: string }
