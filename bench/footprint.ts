/** Footprint: what an app takes on: the time and memory of an import, the weight of an install, the CPU of a step. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { tell, type Cell } from './measure/claim.ts'
import { inChild } from './measure/child.ts'
import type { Load, LoadTask } from './measure/load.ts'
import { optionsOf } from './measure/options.ts'
import { installed } from './measure/packages.ts'
import { newPlace, removePlace } from './measure/place.ts'
import { progress } from './measure/progress.ts'
import { median } from './measure/stats.ts'
import { STEPS } from './measure/work.ts'

const options = optionsOf({ rounds: '7', 'cpu-rounds': '3', peers: 'openworkflow,langgraph', dir: '' })

interface Weighed {
  readonly imports: readonly string[]
  readonly packages: readonly string[]
  readonly subject?: string
  /** Opens a new `file`, from what was `loaded`, until the first run could start; answers what closes it. */
  readonly opens?: string
}

const LANGGRAPH = ['@langchain/langgraph', '@langchain/langgraph-checkpoint-sqlite']
const WEIGHED: Readonly<Record<string, Weighed>> = {
  node: { imports: [], packages: [] },
  '@keelson/core': { imports: ['@keelson/core'], packages: ['@keelson/core'] },
  keelson: {
    imports: ['@keelson/core', '@keelson/memory-sqlite'],
    packages: ['@keelson/core', '@keelson/memory-sqlite'],
    subject: 'keelson',
    opens: `const log = { info() {}, warn() {}, error() {} }
      const conductor = await loaded[0].createConductor({ store: loaded[1].sqlite(file), playbooks: [], log })
      return () => conductor.stop()`,
  },
  openworkflow: {
    imports: ['openworkflow', 'openworkflow/sqlite'],
    packages: ['openworkflow'],
    subject: 'openworkflow',
    opens: `const backend = loaded[1].BackendSqlite.connect(file)
      new loaded[0].OpenWorkflow({ backend })
      return () => backend.stop()`,
  },
  langgraph: {
    imports: LANGGRAPH,
    packages: LANGGRAPH,
    subject: 'langgraph',
    opens: `const { Annotation, END, START, StateGraph } = loaded[0]
      const saver = loaded[1].SqliteSaver.fromConnString(file)
      const State = Annotation.Root({ run: Annotation() })
      const graph = new StateGraph(State).addNode('step', () => ({})).addEdge(START, 'step').addEdge('step', END)
      graph.compile({ checkpointer: saver })
      await saver.getTuple({ configurable: { thread_id: 'none' } })
      return () => saver.db.close()`,
  },
}
const names = Object.keys(WEIGHED).filter(
  (name) => !['openworkflow', 'langgraph'].includes(name) || options.list('peers').includes(name),
)

interface Import {
  readonly ms: number
  /** From nothing to an open store. */
  readonly readyMs: number
  readonly rss: number
}

const imports = new Map<string, Import[]>()
for (let round = 1; round <= options.number('rounds'); round++) {
  progress(`footprint: import, round ${round} of ${options.number('rounds')}`)
  for (const name of names) imports.set(name, [...(imports.get(name) ?? []), imported(WEIGHED[name]!)])
}
const cpu = new Map<string, number[]>()
for (let round = 1; round <= options.number('cpu-rounds'); round++) {
  for (const name of names) {
    const subject = WEIGHED[name]!.subject
    if (subject === undefined) continue
    progress(`footprint: CPU, round ${round} of ${options.number('cpu-rounds')}, ${name}`)
    cpu.set(name, [...(cpu.get(name) ?? []), await cpuPerStep(subject)])
  }
}

const ms = (name: string, which: 'ms' | 'readyMs' = 'ms'): number =>
  median(imports.get(name)!.map((each) => each[which]))
const rssMb = (name: string): number =>
  (median(imports.get(name)!.map((each) => each.rss)) - median(imports.get('node')!.map((each) => each.rss))) / 2 ** 20

tell(
  {
    claim: 'footprint',
    tables: [
      {
        title: 'what an app takes on',
        columns: [
          'what',
          'import, ms',
          'and open a store, ms',
          'RSS over bare Node, MB',
          'packages',
          'installed, MB',
          'CPU µs per step, 16 in flight',
        ],
        rows: names.filter((name) => name !== 'node').map(row),
      },
    ],
    targets: [
      { name: 'import of core', measured: ms('@keelson/core'), unit: 'ms', atMost: 60 },
      { name: 'memory of core over bare Node', measured: rssMb('@keelson/core'), unit: 'MB', atMost: 20 },
    ],
    notes: [
      'RSS: after the import; open a store: a new file, until the first run could start. Core loads its engine with the first conductor',
      'packages: with all dependencies, and peers that are not optional (zod); of LangGraph with better-sqlite3 13',
    ],
  },
  options,
)

/** In a process of its own, from this folder. */
function imported({ imports: specifiers, opens }: Weighed): Import {
  const folder = newPlace(options.text('dir'))
  const code = `const began = performance.now()
const loaded = []
${specifiers.map((each) => `loaded.push(await import('${each}'))`).join('\n')}
const ms = performance.now() - began
const rss = process.memoryUsage.rss()
const open = async (file) => { ${opens ?? 'return () => {}'} }
const close = await open(${JSON.stringify(join(folder, 'store.db'))})
const readyMs = performance.now() - began
await close()
console.log(JSON.stringify({ ms, readyMs, rss }))`
  const args = ['--no-warnings', '--input-type=module', '--eval', code]
  const said = execFileSync(process.execPath, args, { cwd: import.meta.dirname, encoding: 'utf8' })
  removePlace(folder)
  return JSON.parse(said) as Import
}

async function cpuPerStep(subject: string): Promise<number> {
  const folder = newPlace(options.text('dir'))
  const ours = subject === 'keelson'
  const task: LoadTask = { folder, runs: ours ? 1000 : 200, inFlight: 16, steps: STEPS, warmUp: ours ? 200 : 20 }
  const { cpuMicrosPerStep } = await inChild<Load>(`../subjects/${subject}.ts`, 'load', task)
  removePlace(folder)
  return cpuMicrosPerStep
}

function row(name: string): Cell[] {
  const { packages, bytes } = installed(import.meta.dirname, WEIGHED[name]!.packages)
  const perStep = cpu.get(name)
  const { opens } = WEIGHED[name]!
  return [
    name,
    ms(name),
    opens === undefined ? '' : ms(name, 'readyMs'),
    rssMb(name),
    packages,
    bytes / 2 ** 20,
    perStep === undefined ? '' : median(perStep),
  ]
}
