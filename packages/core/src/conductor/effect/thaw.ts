/** Thaw: waiting for the end of a freeze, as a wait for an internal event. */
import { withZod } from '../../base/zod.ts'
import { defineEvent } from '../../playbook/event.ts'
import { waitFor } from '../ops/waits.ts'
import { THAWED } from '../event-run.ts'
import type { Pass } from '../pass.ts'

/** Sent by whoever ends a freeze; `epoch` is that of the freeze which ended. */
export const thawedEvent = withZod((z) => defineEvent({ name: THAWED, schema: z.object({ epoch: z.number() }) }))

/** `reason`: as whoever froze it said. */
export async function thawed(pass: Pass, { epoch, reason = '' }: { epoch: number; reason?: string }): Promise<void> {
  const wait = { kind: 'freeze', what: `the workspace is frozen${reason === '' ? '' : `: ${reason}`}` } as const
  await waitFor(pass, `thaw ${epoch}`, thawedEvent(), { match: { epoch }, wait })
}
