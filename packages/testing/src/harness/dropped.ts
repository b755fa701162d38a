/** Dropped: runs of a test that ended without what their code had asked for. The test hears of it. */
import type { LifecycleEvents } from '@keelson/core'
import { KeelsonError } from '@keelson/core/ports'

export class Dropped {
  #first: KeelsonError | undefined

  /** Throws `STEP_NOT_AWAITED` when a run has. */
  assertNone(): void {
    if (this.#first !== undefined) throw this.#first
  }

  readonly heard = ({ run, dropped }: LifecycleEvents['run.dropped']): void => {
    this.#first ??= new KeelsonError(
      'STEP_NOT_AWAITED',
      `run ${run} ended without what it asked for: ${dropped.join('; ')}`,
      {
        hint: 'Await each operation of ctx, or give them to ctx.all. Where it is meant: testConductor({ mayDrop: true }).',
        data: { run, dropped: [...dropped] },
      },
    )
  }
}
