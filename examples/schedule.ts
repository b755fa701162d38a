/**
 * Schedule: a playbook starts at each planned instant, once, whatever crashes; here every second, for two of them.
 *
 * Expected output:
 *   the report is written
 *   the report is written
 *   ids are the planned instants: true
 */
import { createConductor, definePlaybook } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

// #region playbook
const report = definePlaybook({
  name: 'report',
  version: 1,
  input: z.object({ folder: z.string() }),
  output: z.object({ written: z.boolean() }),
  async run(ctx) {
    await ctx.step('write', () => console.log('the report is written'))
    return { written: true }
  },
})
// #endregion

const keelson = await createConductor({ store: memoryStore(), playbooks: [report] })
const by = { kind: 'person', id: 'ann' } as const
const ended: string[] = []
const twice = new Promise<void>((resolve) =>
  keelson.on('run.settled', ({ run, playbook }) => {
    if (playbook === 'report' && ended.push(run) === 2) resolve()
  }),
)
// #region set
await keelson.schedules.set('weekly', report, {
  cron: '0 9 * * 1',
  timezone: 'Europe/Berlin',
  input: { folder: 'week' },
})
await keelson.schedules.set('nightly', report, { cron: '* * * * * *', input: { folder: 'night' }, missed: 'once', by })
// #endregion
await twice
await keelson.schedules.remove('nightly', { by })
console.log(`ids are the planned instants: ${ended.every((id) => /^nightly@\d{4}-.*:\d\d\.000Z$/.test(id))}`)
await keelson.stop()
