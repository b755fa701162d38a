/** Profile: where the time of a load goes: the functions that the samples of `node --cpu-prof` fell into. */
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { markdown, type Cell } from './measure/claim.ts'
import { startChild } from './measure/child.ts'
import type { Load, LoadTask } from './measure/load.ts'
import { optionsOf } from './measure/options.ts'
import { newPlace, removePlace } from './measure/place.ts'
import { STEPS } from './measure/work.ts'

const options = optionsOf({ subject: 'keelson', inflight: '100', runs: '8000', top: '40', dir: '' })

/** As V8 writes it, as far as it is read here. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
    readonly children?: readonly number[]
  }[]
  readonly samples: readonly number[]
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[]
}

const folder = newPlace(options.text('dir'))
const profiles = join(folder, 'profiles')
mkdirSync(profiles)
const inFlight = options.number('inflight')
const task: LoadTask = { folder, runs: options.number('runs'), inFlight, steps: STEPS, warmUp: Math.min(200, inFlight) }
const flags = ['--cpu-prof', '--cpu-prof-interval=500', `--cpu-prof-dir=${profiles}`]
const child = startChild(`../subjects/${options.text('subject')}.ts`, 'load', task, flags)
const load = (await child.answer) as Load
// It writes its profile when it ends.
await once(child.process, 'exit')
const profile = JSON.parse(readFileSync(join(profiles, readdirSync(profiles)[0]!), 'utf8')) as Profile
removePlace(folder)
console.log(
  markdown({
    title: `${inFlight} in flight, ${Math.round(load.stepsPerSecond)} steps/s under the profiler`,
    columns: ['self, %', 'with callees, %', 'function'],
    rows: shares(profile).slice(0, options.number('top')),
  }),
)

function shares({ nodes, samples, timeDeltas }: Profile): Cell[][] {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])))
  const nameOf = (id: number): string => {
    const { functionName, url, lineNumber } = byId.get(id)!.callFrame
    return `${functionName || '(anonymous)'} ${url.split('/').slice(-2).join('/')}:${lineNumber + 1}`
  }
  const [own, whole] = [new Map<string, number>(), new Map<string, number>()]
  const add = (map: Map<string, number>, name: string, micros: number): unknown =>
    map.set(name, (map.get(name) ?? 0) + micros)
  samples.forEach((sample, at) => {
    add(own, nameOf(sample), timeDeltas[at]!)
    const above = new Set<string>()
    for (let id: number | undefined = sample; id !== undefined; id = parents.get(id)) above.add(nameOf(id))
    for (const name of above) add(whole, name, timeDeltas[at]!)
  })
  const total = timeDeltas.reduce((sum, each) => sum + each, 0)
  const percent = (micros: number): string => ((micros / total) * 100).toFixed(1)
  return [...own]
    .sort((a, b) => b[1] - a[1])
    .map(([name, micros]) => [percent(micros), percent(whole.get(name)!), name])
}
