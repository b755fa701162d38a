/**
 * Open: the operations of a run that wait, by the instant at which they end and by the event that answers them.
 *
 * O1. What is asked of them costs what it finds, never a look at all operations: a run may hold thousands of waits at once.
 * O2. An operation that has ended meanwhile, or was opened anew, is dropped when it is met.
 */
import { canonicalAround } from '../base/json.ts'
import type { Entry } from './entry.ts'
import type { EntryData } from './kinds.ts'
import { isOpen, type Op } from './op.ts'

/** A deadline as it was set. */
interface Deadline {
  readonly until: number
  readonly op: Op
  readonly opened: Entry
}

/** The deadlines of a run, soonest first: a binary heap. */
export class Deadlines {
  readonly #heap: Deadline[] = []

  /** What was just opened ends at `until`. Opened again, only the last counts. */
  set(op: Op, opened: Entry, until: number): void {
    this.#push({ until, op, opened })
  }

  /** The next instant at which something ends by itself. */
  next(): number | undefined {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (counts(first)) return first.until
      this.#pop()
    }
    return undefined
  }

  /** What ends up to `now`, in its order; it stays due until its end is recorded. */
  due(now: number): Op[] {
    const due: Deadline[] = []
    for (let first = this.#heap[0]; first !== undefined && first.until <= now; first = this.#heap[0]) {
      if (counts(first)) due.push(first)
      this.#pop()
    }
    for (const one of due) this.#push(one)
    return due.map(({ op }) => op)
  }

  #push(one: Deadline): void {
    const heap = this.#heap
    let at = heap.push(one) - 1
    for (let up = (at - 1) >> 1; at > 0 && isBefore(one, heap[up]!); up = (at - 1) >> 1) {
      heap[at] = heap[up]!
      at = up
    }
    heap[at] = one
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (let down = 1; down < heap.length; down = 2 * at + 1) {
      if (down + 1 < heap.length && isBefore(heap[down + 1]!, heap[down]!)) down++
      if (!isBefore(heap[down]!, last)) break
      heap[at] = heap[down]!
      at = down
    }
    heap[at] = last
  }
}

function counts({ op, opened }: Deadline): boolean {
  return op.opened === opened && isOpen(op)
}

function isBefore(a: Deadline, b: Deadline): boolean {
  return a.until < b.until || (a.until === b.until && a.opened.seq < b.opened.seq)
}

/** Waits that match on the same fields, by what they match them with. */
interface Shape {
  readonly fields: readonly string[]
  readonly byValues: Map<string, Queue>
}

/** Waits that match on the same values, in the order of their opening; those before `from` have ended. */
interface Queue {
  readonly ops: Op[]
  from: number
}

/** The waits of a run for events. */
export class EventWaits {
  readonly #byEvent = new Map<string, Map<string, Shape>>()

  add(op: Op, { event, match }: Pick<EntryData['wait.opened'], 'event' | 'match'>): void {
    const wanted = Object.entries(match as Record<string, unknown>)
      .filter(([, value]) => value !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
    const fields = wanted.map(([field]) => field)
    const shapes = this.#byEvent.get(event) ?? new Map<string, Shape>()
    const id = canonicalAround(fields)
    const shape = shapes.get(id) ?? { fields, byValues: new Map<string, Queue>() }
    const values = canonicalAround(wanted.map(([, value]) => value))
    const queue = shape.byValues.get(values) ?? { ops: [], from: 0 }
    queue.ops.push(op)
    shape.byValues.set(values, queue)
    this.#byEvent.set(event, shapes.set(id, shape))
  }

  /** Those that this event answers, in the order of their opening: every field that they match on equals the payload's. */
  *of(event: string, payload: unknown): Generator<Op & { readonly opened: Entry }> {
    const queues = this.#fitting(event, payload).map((queue) => ({ queue, at: queue.from }))
    for (;;) {
      let first: (Op & { readonly opened: Entry }) | undefined
      let of: (typeof queues)[number] | undefined
      for (const one of queues) {
        const op = nextOpen(one)
        if (op === undefined || (first !== undefined && first.opened.seq < op.opened.seq)) continue
        first = op
        of = one
      }
      if (first === undefined || of === undefined) return
      of.at++
      yield first
    }
  }

  #fitting(event: string, payload: unknown): Queue[] {
    const given = (typeof payload === 'object' && payload !== null ? payload : {}) as Record<string, unknown>
    const shapes = [...(this.#byEvent.get(event)?.values() ?? [])]
    return shapes.flatMap(({ fields, byValues }) => {
      if (!fields.every((field) => Object.hasOwn(given, field))) return []
      return byValues.get(canonicalAround(fields.map((field) => given[field] ?? null))) ?? []
    })
  }
}

/** The one at `at`, or the first behind it that is open; what has ended at the front of the queue is left behind for good. */
function nextOpen(place: { readonly queue: Queue; at: number }): (Op & { readonly opened: Entry }) | undefined {
  const { queue } = place
  for (; place.at < queue.ops.length; place.at++) {
    const op = queue.ops[place.at]!
    if (isOpen(op)) return op
    if (place.at === queue.from) queue.from++
  }
  return undefined
}
