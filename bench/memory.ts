/**
 * Memory: what a scope's memory costs when a company's memory grows: recall, superseding, importing; and that what others
 * remember changes neither the time nor the score of anything.
 *
 * One scope holds 1 % of a small company's memories and of a large one's; then strangers' memories are added to the large.
 */
import { join } from 'node:path'
import { createConductor, type Conductor, type ImportItem, type WorkspaceMemory } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { tell } from './measure/claim.ts'
import { optionsOf } from './measure/options.ts'
import { newPlace, removePlace } from './measure/place.ts'
import { progress } from './measure/progress.ts'
import { percentile } from './measure/stats.ts'

const options = optionsOf({
  small: '10000',
  large: '1000000',
  foreign: '1000000',
  import: '100000',
  supersede: '20000',
  questions: '300',
  dir: '',
})
const by = { kind: 'system', id: 'bench' } as const

const folder = newPlace(options.text('dir'))
const figures: Record<string, number> = {}
const canary: string[] = []

const small = await opened('small')
await company(small, options.number('small'), 'small')
figures['recall p50, small, ms'] = await recallMs(small.memory.scope('own'))
await small.stop()

const large = await opened('large')
await company(large, options.number('large'), 'large')
figures['recall p50, large, ms'] = await recallMs(large.memory.scope('own'))
canary.push(await scores(large.memory.scope('own')))
progress('memory: strangers move in')
await large.memory.scope('strangers').import(facts(options.number('foreign'), 'strangers'), { by })
figures['recall p50, with strangers, ms'] = await recallMs(large.memory.scope('own'))
canary.push(await scores(large.memory.scope('own')))
await large.stop()

const other = await opened('other')
let reports = 0
const importSeconds = await seconds(() =>
  other.memory
    .scope('imported')
    .import(facts(options.number('import'), 'imported'), { by, onProgress: () => reports++ }),
)
figures['import, s'] = importSeconds
figures['progress reports'] = reports
figures['superseded per second'] = options.number('supersede') / (await supersede(other.memory.scope('facts')))
await other.stop()
removePlace(folder)

tell(
  {
    claim: 'memory',
    tables: [{ title: 'memory at size', columns: Object.keys(figures), rows: [Object.values(figures)] }],
    targets: [
      {
        name: 'recall p50 in a scope of 1 %, large over small',
        measured: figures['recall p50, large, ms']! / figures['recall p50, small, ms']!,
        unit: '×',
        atMost: 1.5,
      },
      {
        name: 'recall p50 with strangers over without',
        measured: figures['recall p50, with strangers, ms']! / figures['recall p50, large, ms']!,
        unit: '×',
        atMost: 1.2,
      },
      { name: 'scores that strangers changed', measured: canary[0] === canary[1] ? 0 : 1, unit: '', atMost: 0 },
      { name: 'facts superseded', measured: figures['superseded per second']!, unit: '/s', atLeast: 10_000 },
      { name: `import of ${options.text('import')} memories`, measured: importSeconds, unit: 's', atMost: 30 },
    ],
    notes: [
      'recall goes through the public API: what is new is looked for in the store, memories are read from it',
      'superseding and importing are one commit for 500 changes, each journaled',
    ],
  },
  options,
)

function opened(name: string): Promise<Conductor> {
  return createConductor({ store: sqlite(join(folder, `${name}.db`)), playbooks: [], work: false })
}

/** One hundredth in the scope that is asked, half in a noisy one, the rest spread over a hundred. */
async function company({ memory }: Conductor, size: number, name: string): Promise<void> {
  const own = Math.round(size / 100)
  const noisy = Math.round(size / 2)
  const each = Math.max(1, Math.floor((size - own - noisy) / 100))
  const told = (scope: string) => (done: number) =>
    done % 50_000 === 0 && progress(`memory: ${name}, ${scope}: ${done}`)
  await memory.scope('own').import(facts(own, 'own'), { by, onProgress: told('own') })
  await memory.scope('noisy').import(facts(noisy, 'noisy'), { by, onProgress: told('noisy') })
  for (let i = 0; i < 100; i++) await memory.scope(`other:${i}`).import(facts(each, `other${i}`), { by })
}

/** Sentences of 15 to 25 words, frequent ones and rare ones as in a language (Zipf). */
function* facts(count: number, seed: string): Generator<ImportItem> {
  const random = randoms(seed)
  const word = (): string => `w${Math.floor(Math.exp(random() * Math.log(20_000)))}`
  for (let i = 0; i < count; i++)
    yield { text: `${Array.from({ length: 15 + Math.floor(random() * 10) }, word).join(' ')} n${i}` }
}

async function recallMs(memory: WorkspaceMemory): Promise<number> {
  await memory.recall('warm up')
  const samples: number[] = []
  for (const text of questions()) {
    const began = performance.now()
    await memory.recall({ text, limit: 20 })
    samples.push(performance.now() - began)
  }
  return percentile(samples, 0.5)
}

async function scores(memory: WorkspaceMemory): Promise<string> {
  const found: [string, number][] = []
  for (const text of questions())
    for (const one of await memory.recall({ text, limit: 20 })) found.push([one.memory.id, one.score])
  return JSON.stringify(found)
}

function* questions(): Generator<string> {
  const random = randoms('questions')
  for (let i = 0; i < options.number('questions'); i++)
    yield Array.from({ length: 6 }, () => `w${Math.floor(Math.exp(Math.log(20) + random() * Math.log(1000)))}`).join(
      ' ',
    )
}

/** Each of 2,000 facts takes new values, ten and more times. */
async function supersede(memory: WorkspaceMemory): Promise<number> {
  const count = options.number('supersede')
  const subjects = Math.min(2000, count)
  const round = (value: number, from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => ({ subject: `s${from + i}`, predicate: 'is', value, functional: true }))
  for (let at = 0; at < subjects; at += 500) await memory.remember(round(0, at, Math.min(subjects, at + 500)), { by })
  return seconds(async () => {
    for (let done = 0, value = 1; done < count; value++)
      for (let at = 0; at < subjects && done < count; at += 500) {
        const to = Math.min(subjects, at + 500, at + count - done)
        await memory.remember(round(value, at, to), { by })
        done += to - at
      }
  })
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return (performance.now() - began) / 1000
}

function randoms(seed: string): () => number {
  let state = [...seed].reduce((sum, letter) => (Math.imul(sum, 31) + letter.codePointAt(0)!) | 0, 7)
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return (state >>> 0) / 2 ** 32
  }
}
