/** Opened: what a digest finds open: what is open in the history, without what the digest itself has answered so far. */
import { dataOf, type Entry } from '../journal/entry.ts'
import { closedIn, type History } from '../journal/fold.ts'
import { isOpen, type Op } from '../journal/op.ts'

export interface Open {
  readonly op: Op
  readonly entry: Entry
}

export class Opened {
  readonly #history: History
  /** Keys of what it has answered, and of what was closed as the run settled. */
  readonly #answered: Set<string>

  constructor(history: History) {
    this.#history = history
    this.#answered = new Set(closedIn(history).map(({ key }) => key))
  }

  get(key: string): Open | undefined {
    const op = this.#history.ops.get(key)
    return op !== undefined && isOpen(op) && !this.#answered.has(key) ? { op, entry: op.opened } : undefined
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  /** It is answered. False when it was not open. */
  delete(key: string): boolean {
    if (!this.has(key)) return false
    this.#answered.add(key)
    return true
  }

  /** What ends by itself up to `now`, in its order. */
  due(now: number): Op[] {
    return this.#history.deadlines.due(now)
  }

  /** Holds whose time, `until`, came in a freeze. */
  stayed(): { readonly found: Open; readonly until: number }[] {
    return [...this.#history.ops.keys()].flatMap((key) => {
      const found = this.get(key)
      if (found?.entry.kind !== 'ask.opened') return []
      const { frozen } = dataOf(found.entry as Entry & { kind: 'ask.opened' })
      return frozen === undefined ? [] : [{ found, until: frozen.until }]
    })
  }

  /** The waits that an event answers, in the order of their opening. */
  *waitsFor(event: string, payload: unknown): Generator<Open> {
    for (const op of this.#history.waits.of(event, payload))
      if (!this.#answered.has(op.key)) yield { op, entry: op.opened }
  }
}
