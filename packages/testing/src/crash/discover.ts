/** Discover: which playbooks a test starts, found by starting it as often as it names a new one. */
import type { Playbook } from '@keelson/core'
import { KeelsonError } from '@keelson/core/ports'
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
    let anew: KeelsonError | undefined
    const start: Harness['start'] = (playbook, input, options) => {
      if (known.has(playbook)) return harness.start(playbook, input, options)
      anew ??= metTwice(known, playbook)
      known.add(playbook)
      return Promise.reject(new Error(`${playbook.name} is met for the first time`))
    }
    const watching = Object.create(harness, { start: { value: start, configurable: true } }) as Harness
    const begun = awaited(watching, true)
    await test(begun.harness).catch(() => {})
    begun.leave()
    await stage.stop()
    if (anew !== undefined) throw anew
  }
  return [...known]
}

function metTwice(
  known: Iterable<Playbook<any, any>>,
  { name, version }: Playbook<any, any>,
): KeelsonError | undefined {
  const other = [...known].find((one) => one.name === name && one.version === version)
  if (other === undefined) return undefined
  return new KeelsonError('DEFINITION_INVALID', `the test starts two definitions of playbook ${name}@${version}`, {
    hint: 'Define it outside of the test, which is run again and again; or raise the version of the newer one.',
  })
}
