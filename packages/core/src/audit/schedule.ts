/** Schedule: anchors made every so often, for every workspace in which something happened. */
import { durationMs, type Duration } from '../base/duration.ts'
import type { Environment } from '../conductor/environment.ts'
import { anchoredAt, anchorNow, type Anchoring } from './anchor.ts'

export interface AnchorOptions extends Anchoring {
  /** How often; without it, only `audit.anchor()` makes them. */
  readonly every?: Duration
}

/** Begins at once, and again whenever the time is over; several processes share the work. Returns what ends it. */
export function keepAnchoring(env: Environment, options: AnchorOptions): () => Promise<void> {
  if (options.every === undefined) return async () => {}
  const everyMs = durationMs(options.every)
  let over = false
  let cancel = (): void => {}
  let running = Promise.resolve()
  const round = async (): Promise<void> => {
    for (const workspace of await env.store.workspaces()) {
      if (over) return
      const last = await anchoredAt(env.store, workspace)
      if (last === undefined || env.clock.now() - last >= everyMs) await anchorOne(env, workspace, options)
    }
  }
  const begin = (): void => {
    running = round().catch((thrown: unknown) => tell(env, '', thrown))
    cancel = env.clock.timer(env.clock.now() + everyMs, begin, { keepAlive: false })
  }
  begin()
  return async () => {
    over = true
    cancel()
    await running
  }
}

async function anchorOne(env: Environment, workspace: string, options: Anchoring): Promise<void> {
  try {
    await anchorNow(env, workspace, options)
  } catch (thrown) {
    tell(env, workspace, thrown)
  }
}

/** The next round tries again, and covers what this one did not. */
function tell(env: Environment, workspace: string, thrown: unknown): void {
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  env.log.error({ workspace }, `no anchor could be made: ${message}`)
  env.emit('anchor.failed', { workspace, message })
}
