/** Look: prints what a store of the demo remembers: `look.ts company.db [RUN]`. It only reads. */
import { existsSync } from 'node:fs'
import { createConductor } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'

const [path = '', only] = process.argv.slice(2)
if (!existsSync(path)) throw new Error('usage: look.ts company.db [RUN]')

const keelson = await createConductor({ store: sqlite(path), playbooks: [], work: false })
const { runs } = await keelson.runs.list()
for (const { id, playbook, version, status } of runs.filter(({ id }) => only === undefined || id === only)) {
  console.log(`\n${id}  ${playbook}@${version}  ${status.state}`)
  for (const sentence of await keelson.audit.story(id)) console.log(`  ${sentence}`)
}
await keelson.stop()
