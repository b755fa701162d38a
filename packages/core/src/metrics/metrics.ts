/** Metrics: a company's verbs for what its playbooks save it, what they cost, and what should not go on. */
import type { Actor } from '../base/actor.ts'
import { durationMs, type Duration } from '../base/duration.ts'
import type { Environment } from '../conductor/environment.ts'
import type { Playbook } from '../playbook/context.ts'
import { alertVerbs, type Alerts } from './alerts.ts'
import { reportOf, type MetricsQuery, type MetricsReport } from './report.ts'
import { touchPut } from './row.ts'

export interface Metrics {
  /** What happened in a span of days, by playbook, day or week; ends with where to invest next, and why. */
  report(query?: MetricsQuery): Promise<MetricsReport>
  /**
   * Time that a person spent on a playbook outside of any item: building it (`setup`), doing what it did not (`takeover`), or doing
   * the whole of its work once without it (`by-hand`): of five such times on, they are its baseline.
   */
  spent(
    playbook: Playbook<any, any>,
    time: Duration,
    options: { by: Actor; on?: 'setup' | 'takeover' | 'by-hand' },
  ): Promise<void>
  readonly alerts: Alerts
}

export function metricsOf(env: Environment, workspace: string): Metrics {
  return {
    report: (query) => reportOf(env, workspace, query),
    async spent(playbook, time, { by, on = 'setup' }) {
      const at = env.clock.now()
      const touch = { kind: on, at, by: by.id, activeMs: durationMs(time), playbook: playbook.name }
      const put = touchPut(touch, `spent:${env.ids.id()}`)
      await env.company(workspace).edit(async () => ({ drafts: [{ kind: 'time.spent', data: { by, puts: [put] } }] }))
    },
    alerts: alertVerbs(env, workspace),
  }
}
