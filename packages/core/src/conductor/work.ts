/** Work: what of a pass is running, and how it comes to rest. */
import { KeelsonError } from '../base/errors.ts'
import { Unheard } from './unheard.ts'

export class Work {
  readonly unheard = new Unheard()
  /** Made when somebody asks for its signal: most passes end without. */
  #controller: AbortController | undefined
  #reason: (() => KeelsonError) | undefined
  readonly #onIdle: () => void
  readonly #writing: () => boolean
  #busy = 0
  #stopping = false
  #waiting: (() => void)[] = []

  /** `writing`: something is on its way to the store. `onIdle`: something has ended. */
  constructor(options: { writing: () => boolean; onIdle: () => void }) {
    this.#writing = options.writing
    this.#onIdle = options.onIdle
  }

  /** Aborted when the pass ends, or its run is cancelled. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.aborted && !this.#controller.signal.aborted) this.#controller.abort(this.#reason?.())
    return this.#controller.signal
  }

  get aborted(): boolean {
    return this.#reason !== undefined
  }

  /** Nothing new is begun any more. */
  get stopping(): boolean {
    return this.#stopping
  }

  /** Nothing runs or is being written. */
  get quiet(): boolean {
    return this.#busy === 0 && !this.#writing()
  }

  /** Work that keeps the run from parking. */
  async run<R>(work: () => Promise<R>): Promise<R> {
    this.began()
    try {
      return await work()
    } finally {
      this.ended()
    }
  }

  /** The same where the work is no promise: each `began` is followed by one `ended`. */
  began(): void {
    this.#busy++
  }

  ended(): void {
    this.#busy--
    this.idle()
  }

  /** Lets what runs end and be recorded, begins nothing new; resolves when all is quiet. */
  async drain(abort = false): Promise<void> {
    this.#stopping = true
    if (abort) this.#abort(() => new KeelsonError('RUN_CANCELLED', 'the run is being cancelled'))
    while (!this.quiet) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** At once: whoever waits for quiet is let go. */
  stop(): void {
    this.#stopping = true
    this.#abort(() => new KeelsonError('CONDUCTOR_STOPPED', 'this pass over the run has ended'))
    this.idle()
  }

  /** Something has ended: whoever waits looks again. */
  idle(): void {
    this.#onIdle()
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }

  #abort(reason: () => KeelsonError): void {
    if (this.aborted) return
    this.#reason = reason
    this.#controller?.abort(reason())
  }
}
