/**
 * Notifier: who waits for a run to change is told by the store's word, never by asking again and again.
 *
 * While somebody waits the process goes on, in one that does no work as well.
 */
import { KeelsonError } from '../base/errors.ts'
import { Roster } from '../base/roster.ts'
import { young } from '../base/young.ts'
import type { StoreChange, RunRow } from '../journal/store.ts'

export interface Watched {
  /** Resolves at the next change; with the run's row, when that is known to have settled it. */
  next(): Promise<RunRow | 'changed'>
  end(): void
}

type Wake = (settled?: RunRow) => void

/** Watches all runs of a workspace. */
export const ANY = '*'

export class Notifier {
  readonly #waiting = new Roster<Set<Wake>>()
  readonly #stay: () => () => void
  #watchers = 0
  #leave: (() => void) | undefined
  #closed = false

  /** `stay` keeps the process alive until what it answers is called. */
  constructor(stay: () => () => void = () => () => {}) {
    this.#stay = stay
  }

  watch(workspace: string, run: string): Watched {
    const id = JSON.stringify([workspace, run])
    const mine = new Set<Wake>()
    let watching = true
    this.#watchers++
    this.#leave ??= this.#closed ? undefined : this.#stay()
    return {
      ...young,
      next: () =>
        new Promise((resolve, reject) => {
          if (this.#closed) return reject(closedError())
          const set = this.#waiting.get(id) ?? new Set()
          this.#waiting.set(id, set)
          const wake = (settled?: RunRow): void => {
            set.delete(wake)
            mine.delete(wake)
            if (this.#closed) reject(closedError())
            else resolve(settled ?? 'changed')
          }
          set.add(wake)
          mine.add(wake)
        }),
      end: () => {
        const set = this.#waiting.get(id)
        for (const wake of mine) set?.delete(wake)
        if (set?.size === 0) this.#waiting.delete(id)
        if (!watching) return
        watching = false
        if (--this.#watchers === 0) this.#go()
      },
    }
  }

  /** An empty list of runs: anything of the workspace may have changed. */
  tell(change: StoreChange): void {
    this.#wake(JSON.stringify([change.workspace, ANY]))
    if (change.runs.length > 0) {
      for (const run of change.runs) this.#wake(JSON.stringify([change.workspace, run]), change.settled?.get(run))
      return
    }
    for (const id of this.#waiting.names()) {
      if ((JSON.parse(id) as string[])[0] === change.workspace) this.#wake(id)
    }
  }

  /** Whoever still waits is told that nothing more will come from here. */
  close(): void {
    this.#closed = true
    this.#go()
    for (const id of this.#waiting.names()) this.#wake(id)
  }

  #go(): void {
    this.#leave?.()
    this.#leave = undefined
  }

  #wake(id: string, settled?: RunRow): void {
    for (const wake of [...(this.#waiting.get(id) ?? [])]) wake(settled)
  }
}

function closedError(): KeelsonError {
  return new KeelsonError('CONDUCTOR_STOPPED', 'the conductor was stopped while this was waited for', {
    hint: 'The run goes on when a conductor works on its store again.',
  })
}
