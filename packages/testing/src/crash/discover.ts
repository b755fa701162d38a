/** Discover: which playbooks a test starts, found by starting it as often as it names a new one. */
import type { Playbook } from '@keelson/core'
import { harnessOf, type Harness } from '../harness/harness.ts'
import { memoryStore } from '../memory-store.ts'
import { awaited } from './awaited.ts'
import { fakesOf } from './schedule.ts'

const PLAYBOOKS_MAX = 100

export async function discover(test: (t: Harness) => Promise<unknown>): Promise<Playbook<any, any>[]> {
  const known = new Set<Playbook<any, any>>()
  for (let last = -1; last < known.size && known.size < PLAYBOOKS_MAX;) {
    last = known.size
    const given = { playbooks: [...known], store: memoryStore() }
    const { harness, stage } = harnessOf(given, { recipes: fakesOf(given), discovering: true }, { patient: true })
    await stage.ready()
    const start: Harness['start'] = (playbook, input, options) => {
      if (known.has(playbook)) return harness.start(playbook, input, options)
      known.add(playbook)
      return Promise.reject(new Error(`${playbook.name} is met for the first time`))
    }
    const watching = Object.create(harness, { start: { value: start, configurable: true } }) as Harness
    const begun = awaited(watching, true)
    await test(begun.harness).catch(() => {})
    begun.leave()
    await stage.stop()
  }
  return [...known]
}
