/**
 * Worker: a process that does the work, and knows nothing of the demo but one thing: after a named action it may be told
 * to stand still, so that it is killed at the same point every time.
 *
 * `worker.ts FOLDER PORT [ACTION]`; the login for the mail server comes in the environment, and is in no file.
 */
import { writeSync } from 'node:fs'
import { createConductor } from '@keelson/core'
import { company } from './company.ts'
import { folderAt } from './folder.ts'

const [path = '', port = '', haltAfter = ''] = process.argv.slice(2)
const login = { user: 'mara', pass: process.env['DEMO_SMTP_PASSWORD'] ?? '' }

const conductor = await createConductor({ ...company(folderAt(path), { port: Number(port), login }), name: 'worker' })
conductor.on('effect.executed', ({ action }) => {
  if (action === haltAfter) standStill(action)
})
process.on('message', (message) => void (message === 'stop' && stop()))
// Without the demo there is nothing to work for.
process.on('disconnect', () => void stop())
say('ready')

async function stop(): Promise<void> {
  await conductor.stop()
  if (process.connected) process.disconnect()
}

/** Says so, and never does anything again. */
function standStill(action: string): void {
  say(`stands still after ${action}`)
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

/** Written at once: a process that is killed right after has said it. */
function say(line: string): void {
  writeSync(1, `${line}\n`)
}
