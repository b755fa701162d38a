/**
 * Replay: hands outcomes to the code, recorded ones first, each in its place.
 *
 * R1. Outcomes reach the code in journal order, one at a time, with every microtask drained between; live ones the same.
 * R2. While a recorded outcome has not been asked for, new operations wait. Where nothing is recorded, none does.
 * R3. Rest is judged on turns of the real event loop and at most `stallMs` of real time, never on the injected clock.
 */
import { afterTurn, grace, turn, turns } from '../base/clock.ts'
import type { History } from '../journal/fold.ts'
import type { Answered } from '../journal/op.ts'
import { Voice } from './voice.ts'

/** Hands the outcome of an operation that the code waits for to it. */
export type Deliver = (answered: Answered) => void

/** Why a replay does not go on. */
export type Halt =
  /** Recorded, not asked for, while the code asks for something new or later, or has returned. */
  | {
      readonly why: 'diverged'
      readonly unasked: readonly string[]
      readonly fresh: readonly string[]
      readonly later: readonly string[]
    }
  /** Recorded, not asked for, and the code asks for nothing: it awaits something outside ctx. */
  | { readonly why: 'stalled'; readonly unasked: readonly string[]; readonly last: string }

export interface ReplayOptions {
  readonly stallMs: number
  /** Keys that a version declares to have removed: their outcomes are passed over. */
  readonly removed: ReadonlySet<string>
  /** Keys that a version declares to have inserted: they start, and are answered, amid recorded ones. */
  readonly inserted: ReadonlySet<string>
  /** Work is under way that will `poke` when it ends: until then nothing can come to rest. */
  readonly busy: () => boolean
  /** An outcome has come since the last pass. */
  readonly hasNews: boolean
  readonly onHalt: (halt: Halt) => void
  /** Called when nothing moves any more: to park, perhaps. */
  readonly onRest: () => void
  /** Called once when the code has all outcomes and asks for nothing for long; `last` is what it got last. */
  readonly onSilent: (last: string) => void
  /** What must never happen has. */
  readonly onError: (error: unknown) => void
}

/** So many times `stallMs` may code be silent that has all outcomes. */
const PATIENCE = 10

export class Replay {
  readonly #history: History
  readonly #options: ReplayOptions
  readonly #asked = new Map<string, Deliver>()
  readonly #known = new Set<string>()
  readonly #voice = new Voice()
  #fresh: { key: string; start: () => void }[] = []
  #cursor = 0
  #live: boolean
  #ended = false
  #last = ''
  readonly #early = new Set<string>()
  #handed: { readonly at: number; readonly seq: number }
  #moves = 0
  #listening: (() => void) | undefined
  #told = false
  #wake: (() => void) | undefined
  /** Nothing is handed out: it has not begun, the turn after the last outcome is not over, or something is waited for. */
  #held = true
  /** The turns are counted after which nothing has moved. */
  #resting = false
  /** The code has an outcome, and what that sets off has not run out yet. */
  #given = false
  /** Turns that have been asked for and are still to come. */
  #turns = 0

  constructor(history: History, options: ReplayOptions) {
    this.#history = history
    this.#live = history.ops.size === 0 && history.outcomes.length === 0
    this.#handed = { at: history.startedAt, seq: 1 }
    this.#options = options
  }

  get live(): boolean {
    return this.#live
  }

  /** Place and instant of the last outcome that the code got. */
  get handed(): { readonly at: number; readonly seq: number } {
    return this.#handed
  }

  /** Keys that the code waits for. */
  get open(): IterableIterator<string> {
    return this.#asked.keys()
  }

  /** Hands out from now on, until `end()`. */
  begin(): void {
    this.#held = false
    this.#advance()
  }

  /** The code asks for an operation's outcome. */
  ask(key: string, deliver: Deliver): void {
    this.#asked.set(key, deliver)
    this.#known.add(key)
    this.#moved()
  }

  /** Runs `start` when the replay is over, in the order of asking; at once if it is. */
  whenLive(key: string, start: () => void): void {
    if (this.#live || this.#options.inserted.has(key)) return start()
    this.#fresh.push({ key, start })
    this.#moved()
  }

  /** The code says something: once, where it has not been before. */
  say(speak: () => void): void {
    this.#voice.say(speak, this.#live)
  }

  /** The code has returned. */
  returned(): void {
    this.#voice.release()
  }

  /** The code's branch that asked has been given up. */
  forget(key: string): void {
    this.#asked.delete(key)
    this.#moved()
  }

  /** Something happened: an outcome was added, work ended. */
  poke(): void {
    this.#moved()
    this.#advance()
  }

  end(): void {
    this.#ended = true
    this.#moved()
  }

  /** Recorded operations that the code has not asked for. */
  unasked(): string[] {
    const { ops } = this.#history
    return [...ops.values()]
      .filter((op) => !this.#known.has(op.key) && !op.withdrawn && !this.#options.removed.has(op.key))
      .map((op) => op.key)
  }

  /** One move: hands out what is next, goes live, or comes to rest. Each ends in a later turn, which moves on. */
  #advance(): void {
    if (this.#held || this.#ended) return
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        if (!this.#isPassedOver(next)) return this.#handOut(next)
        this.#cursor++
      }
      if (!this.#live) this.#hold(this.#goLive())
      else this.#rest()
    } catch (error) {
      this.#options.onError(error)
    }
  }

  #next(): Answered | undefined {
    return this.#history.outcomes[this.#cursor]
  }

  #isPassedOver({ key }: Answered): boolean {
    if (this.#early.has(key) || this.#history.ops.get(key)?.withdrawn === true) return true
    if (this.#asked.has(key) || this.#answeredEarly() !== undefined) return false
    return this.#options.removed.has(key) || (this.#live && !this.#known.has(key))
  }

  #handOut(next: Answered): void {
    if (this.#asked.has(next.key)) {
      this.#cursor++
      return this.#give(next)
    }
    const inserted = this.#answeredEarly()
    if (inserted !== undefined) {
      this.#early.add(inserted.key)
      return this.#give(inserted)
    }
    const asked = (): boolean => this.#asked.has(next.key) || this.#answeredEarly() !== undefined
    this.#hold(this.#movesWithin(asked).then((did) => (did ? undefined : this.#halt())))
  }

  /** R1: the next one is handed out a turn later. Turns for those that follow are asked for ahead: a replay is many short turns. */
  #give(answered: Answered): void {
    const deliver = this.#asked.get(answered.key)!
    this.#asked.delete(answered.key)
    this.#last = answered.key
    this.#handed = answered
    this.#held = true
    if (!this.#live) this.#voice.known()
    deliver(answered)
    this.#given = true
    if (this.#turns === 0) this.#turns = turns(1 + this.#history.outcomes.length - this.#cursor, this.#turned)
  }

  readonly #turned = (): void => {
    this.#turns--
    if (!this.#given) return
    this.#given = false
    this.#release()
  }

  readonly #release = (): void => {
    this.#held = false
    this.#advance()
  }

  /** Nothing is handed out until `done`. */
  #hold(done: Promise<void>): void {
    this.#held = true
    done.then(this.#release).catch(this.#options.onError)
  }

  #answeredEarly(): Answered | undefined {
    for (const key of this.#options.inserted) {
      const outcome = this.#asked.has(key) ? this.#history.ops.get(key)?.outcome : undefined
      if (outcome !== undefined) return outcome
    }
    return undefined
  }

  async #goLive(): Promise<void> {
    await turn()
    if (this.#history.outcomes.length > this.#cursor || this.#ended) return
    if (this.unasked().length > 0 && !(await this.#movesWithin(() => this.unasked().length === 0))) return this.#halt()
    this.#live = true
    const fresh = this.#fresh
    this.#fresh = []
    if (this.#options.hasNews || fresh.some(({ key }) => !this.#isBegun(key))) this.#voice.release()
    for (const { start } of fresh) start()
  }

  #isBegun(key: string): boolean {
    const op = this.#history.ops.get(key)
    return op !== undefined && ((op.opened ?? op.sending) !== undefined || op.attempts > 0)
  }

  /** Waits until something moves; when nothing did for two turns, says so. While work is under way, its end is waited for. */
  #rest(): void {
    if (this.#resting || this.#options.busy()) return
    this.#resting = true
    const before = this.#moves
    const moved = (): boolean => this.#moves !== before || this.#ended
    const again = (): void => {
      this.#resting = false
      this.#advance()
    }
    afterTurn(() => {
      if (moved()) return again()
      afterTurn(() => {
        if (moved()) return again()
        this.#resting = false
        this.#options.onRest()
        if (moved()) this.#advance()
        else this.#listen()
      })
    })
  }

  #hush(): void {
    const cancel = this.#listening
    this.#listening = undefined
    cancel?.()
  }

  /** The code asks for nothing, and nothing is under way for it: it awaits something outside ctx. Says so once, after a time. */
  #listen(): void {
    if (!this.#live || this.#asked.size > 0 || this.#told || this.#ended) return
    const patience = grace(PATIENCE * this.#options.stallMs)
    this.#listening = () => patience.cancel()
    void patience.ended.then(() => {
      if (this.#listening === undefined) return
      this.#told = true
      this.#options.onSilent(this.#last)
    })
  }

  /** True once `done()` holds; false when nothing at all has moved for `stallMs` of real time. */
  async #movesWithin(done: () => boolean): Promise<boolean> {
    for (let i = 0; i < 3; i++) {
      await turn()
      if (done() || this.#ended) return true
    }
    for (;;) {
      const before = this.#moves
      let woken = false
      const moved = new Promise<void>((resolve) => {
        this.#wake = () => {
          woken = true
          resolve()
        }
      })
      const timer = grace(this.#options.stallMs)
      await Promise.race([moved, timer.ended])
      timer.cancel()
      if (done() || this.#ended) return true
      if (!woken && this.#moves === before) return false
      await turn()
      if (done() || this.#ended) return true
    }
  }

  #halt(): void {
    const unasked = this.unasked()
    const fresh = this.#fresh.map((one) => one.key)
    const later = [...this.#asked.keys()].filter((key) => !fresh.includes(key))
    this.#options.onHalt(
      this.#asked.size > 0 ? { why: 'diverged', unasked, fresh, later } : { why: 'stalled', unasked, last: this.#last },
    )
    this.#ended = true
  }

  #moved(): void {
    this.#moves++
    if (this.#listening !== undefined) this.#hush()
    this.#wake?.()
    this.#wake = undefined
    if (this.#live && !this.#held && this.#next() === undefined) this.#rest()
  }
}
