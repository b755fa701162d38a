/**
 * Cache of what connectors' reads answered, for as long as each action allows.
 *
 * C1. What is kept in memory counts only while its tags stand where they stood before the read began. Tags are records: a
 *     write's end moves them in its own unit, so that no process answers with what a write has changed.
 * C2. An answer is kept for one workspace, account, input and scope, and for no other.
 * C3. Policy judges before the cache is asked. Every answer says when it was read.
 */
import { sha256 } from '../../base/hash.ts'
import { canonical } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import { connectorOf, type AnyAction } from '../../connector/action.ts'

/** What a read answered, and when. */
export interface Kept {
  readonly output: Json
  readonly at: number
  /** Where its tags stood before it was read. */
  readonly marks: string
}

/** Which answer is asked for. */
export interface Asked {
  readonly workspace: string
  readonly action: AnyAction
  /** Canonical text. */
  readonly input: string
  /** On whose behalf, and how far they may see. */
  readonly scope: Json
}

const KEPT_MAX = 1000
/** Longer answers are not kept, in characters. */
const LENGTH_MAX = 65_536

export class ReadCache {
  readonly #kept = new Map<string, Kept>()
  readonly #refreshing = new Set<string>()
  /** How often each connector was forgotten. */
  readonly #epochs = new Map<string, number>()

  get(asked: Asked): Kept | undefined {
    return this.#kept.get(keyOf(asked))
  }

  /** Grows when what the action's connector answered is forgotten. */
  epoch({ action }: Pick<Asked, 'action'>): number {
    return this.#epochs.get(connectorOf(action.name)) ?? 0
  }

  /** `epoch`: that of when the read began. What was read with credentials that are others now is not kept. */
  set(asked: Asked, kept: Kept, epoch: number): void {
    if (epoch !== this.epoch(asked)) return
    const key = keyOf(asked)
    this.#kept.delete(key)
    if (JSON.stringify(kept.output)?.length > LENGTH_MAX) return
    this.#kept.set(key, kept)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > KEPT_MAX && oldest !== undefined) this.#kept.delete(oldest)
  }

  /** Forgets all that a connector answered. */
  forget(connector: string): void {
    this.#epochs.set(connector, (this.#epochs.get(connector) ?? 0) + 1)
    for (const key of this.#kept.keys()) if (key.startsWith(`${connector}.`)) this.#kept.delete(key)
  }

  /** Reads anew in the background, once at a time; what goes wrong is for the next reader to meet. */
  refresh(asked: Asked, read: () => Promise<void>): void {
    const key = keyOf(asked)
    if (this.#refreshing.has(key)) return
    this.#refreshing.add(key)
    void read()
      .catch(() => {})
      .finally(() => this.#refreshing.delete(key))
  }
}

function keyOf({ workspace, action, input, scope }: Asked): string {
  return `${connectorOf(action.name)}.${sha256(canonical([workspace, action.name, action.account, input, scope]))}`
}
