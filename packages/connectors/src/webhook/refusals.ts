/**
 * Refusals: what a door says in the log of deliveries that nobody it knows has signed.
 *
 * F1. Whoever may call a URL may call it a thousand times a second: of one source (a company and a reason) it says the first, and then how
 *     many more, once a minute. Of more sources than twenty in a minute it says how many, and not which.
 * F2. It says who was to get it, where and why: nothing of the body, of a header or of a secret.
 * F3. No timer: what has been counted is said with the next delivery, whatever that is.
 */
import type { Logger } from '@keelson/core'
import type { Delivery } from './body.ts'

export interface Refused {
  readonly log: Logger
  readonly workspace: string
  readonly reason: string
  readonly delivery: Delivery
}

export interface Refusals {
  note(refused: Refused): void
  /** Says what has been counted for a minute. */
  due(): void
}

const MINUTE_MS = 60_000
const SOURCES_MAX = 20
const PATH_MAX = 200
const OTHERS = ''

interface Source {
  readonly say: (count: number) => void
  saidAt: number
  /** Since then. */
  count: number
}

/** Of the door `connector`. */
export function refusals(connector: string, now: () => number): Refusals {
  const sources = new Map<string, Source>()
  const due = (): void => {
    const at = now()
    for (const [key, source] of sources) {
      if (Math.abs(at - source.saidAt) < MINUTE_MS) continue
      if (source.count === 0) {
        sources.delete(key)
        continue
      }
      source.say(source.count)
      source.saidAt = at
      source.count = 0
    }
  }
  return {
    due,
    note(refused) {
      due()
      const own = JSON.stringify([refused.workspace, refused.reason])
      const isOther = !sources.has(own) && sources.size >= SOURCES_MAX
      const known = sources.get(isOther ? OTHERS : own)
      if (known !== undefined) {
        known.count++
        return
      }
      const say = (isOther ? sayingOthers : sayingOne)(refused, connector)
      sources.set(isOther ? OTHERS : own, { say, saidAt: now(), count: isOther ? 1 : 0 })
      if (!isOther) say(1)
    },
  }
}

/** Keeps nothing of the delivery but its path. */
function sayingOne({ log, workspace, reason, delivery }: Refused, connector: string): Source['say'] {
  const path = pathOf(delivery)
  const about = { workspace, connector, account: 'default', ...(path === undefined ? {} : { path }), reason }
  return (count) => {
    const deliveries = count === 1 ? 'a delivery' : `${count} more deliveries`
    const line = `webhook ${connector} refused ${deliveries} to ${workspace}: ${reason}`
    log.warn({ ...about, count, hint: HINTS[reason] }, line)
  }
}

function sayingOthers({ log }: Refused, connector: string): Source['say'] {
  return (count) => {
    const line = `webhook ${connector} refused ${count} deliveries to other companies, or for other reasons`
    log.warn({ connector, account: 'default', count }, line)
  }
}

const HINTS: Readonly<Record<string, string>> = {
  'signature-missing':
    'Somebody calls it who is not the provider; or the scheme is another, or a proxy drops its headers.',
  'signature-wrong':
    'Somebody forges it; or the secret is another by now, or a parser has changed the body before it came here.',
  'timestamp-off': 'Somebody sends it once more; or the clock of this machine is off.',
  'secret-missing': 'credentials answered without a secret for this company.',
}

/** Without its question, which may hold a token. */
function pathOf(delivery: Delivery): string | undefined {
  return delivery instanceof Request ? new URL(delivery.url).pathname.slice(0, PATH_MAX) : undefined
}
