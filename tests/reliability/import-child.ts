/** A process that takes a bundle in, and tells after each batch; its parent kills it. */
import { createReadStream } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { createConductor } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'

const [file, bundle] = process.argv.slice(2) as [string, string]
const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const keelson = await createConductor({ store: sqlite(file), playbooks: [], work: false, log: quiet })
// What is killed leaves no translation of its sources to the next unless it does so itself.
flushCompileCache()
const report = await keelson.import(createReadStream(bundle), {
  by: { kind: 'system', id: 'import' },
  adopt: true,
  onProgress: () => void process.send!('batch'),
})
process.send!(`done ${report.entries}`)
await keelson.stop()
process.disconnect()
