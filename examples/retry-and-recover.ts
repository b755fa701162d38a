/**
 * Retry and recover: a step fails and is tried again; the process "dies" in the middle; a second one goes on, and what
 * was recorded is not done again.
 *
 * Expected output:
 *   fetched 3 rows
 *   try 1 of upload
 *   process 1 is gone
 *   process 2 has opened the store
 *   try 2 of upload
 *   { uploaded: 3 }
 */
import { createConductor, definePlaybook } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

// #region playbook
const sync = definePlaybook({
  name: 'sync',
  version: 1,
  input: z.object({ table: z.string() }),
  output: z.object({ uploaded: z.number() }),
  async run(ctx, { table }) {
    const rows = await ctx.step('fetch', () => fetchRows(table))
    await ctx.step('upload', ({ attempt }) => upload(rows, attempt), { retry: { attempts: 5, first: '1s' } })
    return { uploaded: rows.length }
  },
})
// #endregion

function fetchRows(table: string): string[] {
  const rows = [1, 2, 3].map((n) => `${table}/${n}`)
  console.log(`fetched ${rows.length} rows`)
  return rows
}

function upload(_rows: readonly string[], attempt: number): void {
  console.log(`try ${attempt} of upload`)
  if (attempt === 1) throw new Error('the server is busy')
}

// #region crash
const store = memoryStore()
const first = await createConductor({ store, playbooks: [sync] })
const failed = new Promise((resolve) => first.on('step.failed', resolve))
await first.start(sync, { table: 'orders' }, { id: 'sync:orders' })
await failed
first.abandon()
store.kill() // together: what SIGKILL leaves behind
console.log('process 1 is gone')

const second = await createConductor({ store: store.session(), playbooks: [sync] })
console.log('process 2 has opened the store')
console.log(await second.runs.get('sync:orders').result())
// #endregion
await second.stop()
