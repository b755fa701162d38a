/** A process with a conductor and nothing else to do, but to watch its inbox if it is told to: tells when it is open, and stops the conductor when it is told to. */
import { createConductor } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'

const [file, options, watching] = process.argv.slice(2) as [string, string, string?]
const log = { info: () => {}, warn: () => {}, error: () => {} }
const keelson = await createConductor({ store: sqlite(file), playbooks: [], log, ...(JSON.parse(options) as object) })
if (watching !== undefined) {
  void (async () => {
    for await (const { title } of keelson.inbox.watch()) console.log(title)
  })().catch(() => undefined)
}
process.on('message', () => void keelson.stop())
// To be listened to keeps no process alive here: only the conductor may.
process.channel!.unref()
process.send!('open')
