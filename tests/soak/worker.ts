/**
 * Worker: a conductor on a SQLite file, in a process that will be killed. What the file gave it, it logs.
 *
 * A line is written, by one call, before the process goes on: it outlives a kill.
 */
import { openSync, writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { createConductor } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { intercept } from '@keelson/testing'
import type { Claimed, Lease, PassUnit } from '@keelson/core/ports'
import { playbooksOn } from './playbooks.ts'

/** A line of a worker's log. */
export interface Line {
  readonly at: number
  readonly worker: string
  readonly what: 'claimed' | 'releasing' | 'fenced' | 'failed'
  readonly run: string
  readonly epoch: number
  readonly text: string
}

const [, , file = '', url = '', log = '', worker = ''] = process.argv
const fd = openSync(log, 'a')

function tell(what: Line['what'], lease?: Pick<Lease, 'run' | 'epoch'>, text = ''): void {
  const { run = '', epoch = 0 } = lease ?? {}
  writeSync(fd, `${JSON.stringify({ at: Date.now(), worker, what, run, epoch, text } satisfies Line)}\n`)
}

let toldAt = 0
/** The fleet hears of what is recorded, once a second at most. */
function recorded(): void {
  if (Date.now() - toldAt < 1000) return
  toldAt = Date.now()
  process.send?.('recorded')
}

const store = intercept(sqlite(file), {
  before(op, detail) {
    if (op !== 'commit') return
    const [lease, unit] = detail as unknown as [Lease, PassUnit]
    if (unit.next !== undefined) tell('releasing', lease)
  },
  after(op, detail, answer) {
    if (op === 'claim') {
      for (const { lease, row } of (answer as { claimed: Claimed[] }).claimed) {
        tell('claimed', lease, `deaths ${row.deaths}`)
      }
    }
    if (op !== 'commit') return
    const [lease, unit] = detail as unknown as [Lease, PassUnit]
    const { status } = answer as { status: string }
    if (status === 'fenced') tell('fenced', lease)
    // What begins anew what died with another worker is no progress.
    if (status === 'done' && (unit.entries ?? []).length > 0 && unit.again !== true) recorded()
  },
})

const { playbooks, rules } = playbooksOn(url)
const silent = { info() {}, warn() {}, error() {} }
const conductor = await createConductor({ store, playbooks, policy: rules, name: worker, log: silent })
conductor.on('store.failed', ({ message }) => tell('failed', undefined, message))
process.on('message', () => void conductor.stop().then(() => process.disconnect()))
process.on('disconnect', () => process.exit(0))
// What is killed leaves no translation of its sources to the next unless it does so itself.
flushCompileCache()
process.send?.('ready')
