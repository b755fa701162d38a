/**
 * Memory: what a scope's memory costs when a company's memory grows: recall, superseding, importing; and that what others
 * remember changes neither the time nor the score of anything.
 *
 * One scope holds 1 % of a small company's memories and of a large one's, and what the latter holds is all there is in a third
 * company; then strangers' memories are added to the large.
 *
 * Full size takes minutes: with `--dir` the databases and the figures so far stay there, `--parts` names what is measured now,
 * `--seconds` ends the filling in between; the same command goes on. What was measured is told with what was measured before.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createConductor, type Conductor, type ImportItem, type WorkspaceMemory } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { tell, type Target } from './measure/claim.ts'
import { optionsOf } from './measure/options.ts'
import { newPlace, removePlace } from './measure/place.ts'
import { progress } from './measure/progress.ts'
import { percentile } from './measure/stats.ts'

const options = optionsOf({
  parts: 'small,alone,large,strangers,cold,import,supersede',
  small: '10000',
  large: '1000000',
  foreign: '1000000',
  import: '100000',
  supersede: '20000',
  questions: '300',
  seconds: '0',
  dir: '',
})
const by = { kind: 'system', id: 'bench' } as const
const PIECE = 10_000
/** The last of them is measured. */
const ROUNDS = 4
const began = performance.now()
let database = ''

const kept = options.text('dir') !== ''
if (kept) mkdirSync(options.text('dir'), { recursive: true })
const folder = kept ? options.text('dir') : newPlace('')
const known = join(folder, 'figures.json')
const found: { figures: Record<string, number>; canary: Record<string, string> } = existsSync(known)
  ? (JSON.parse(readFileSync(known, 'utf8')) as never)
  : { figures: {}, canary: {} }
const { figures, canary } = found

/** What is measured was written before the store was opened: that a million memories were just written is no part of a recall. */
const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  small: async () => {
    await on('small', (conductor) => company(conductor, options.number('small'), 'small'))
    await on('small', async ({ memory }) => {
      figures['recall p50, small, ms'] = await recallMs(memory.scope('own'))
      figures['of at most 4, small, ms'] = await recallMs(memory.scope('own'), 4)
      figures['found of 20, small'] = await foundOf(memory.scope('own'))
    })
  },
  alone: async () => {
    await on('alone', ({ memory }) => fill(memory.scope('own'), Math.round(options.number('large') / 100), 'large own'))
    await on('alone', async ({ memory }) => {
      figures['recall p50, the large scope alone, ms'] = await recallMs(memory.scope('own'))
    })
  },
  large: async () => {
    await on('large', (conductor) => company(conductor, options.number('large'), 'large'))
    await on('large', async ({ memory }) => {
      figures['recall p50, large, ms'] = await recallMs(memory.scope('own'))
      figures['of at most 4, large, ms'] = await recallMs(memory.scope('own'), 4)
      canary['before'] = await scores(memory.scope('own'))
    })
  },
  strangers: async () => {
    await on('large', ({ memory }) => fill(memory.scope('strangers'), options.number('foreign'), 'strangers'))
    await on('large', async ({ memory }) => {
      figures['recall p50, with strangers, ms'] = await recallMs(memory.scope('own'))
      canary['after'] = await scores(memory.scope('own'))
    })
  },
  cold: async () => {
    await on('cold', ({ memory }) => fill(memory.scope('cold'), 100_000, 'cold'))
    await on('cold', async ({ memory }) => {
      figures['first recall of 100,000, s'] = await seconds(() => memory.scope('cold').recall('w20 w30'))
    })
  },
  import: () =>
    on(`import-${Date.now()}`, async ({ memory }) => {
      let reports = 0
      figures['import, s'] = await seconds(() =>
        memory
          .scope('imported')
          .import(facts(options.number('import'), 'imported'), { by, onProgress: () => reports++ }),
      )
      figures['progress reports'] = reports
    }),
  supersede: () =>
    on(`supersede-${Date.now()}`, async ({ memory }) => {
      figures['superseded per second'] = options.number('supersede') / (await supersede(memory.scope('facts')))
    }),
}

for (const part of options.list('parts')) {
  progress(`memory: ${part}`)
  await PARTS[part]!()
  writeFileSync(known, JSON.stringify(found))
}
if (!kept) removePlace(folder)

tell(
  {
    claim: 'memory',
    tables: [{ title: 'memory at size', columns: Object.keys(figures), rows: [Object.values(figures)] }],
    targets: targets(),
    notes: [
      'recall goes through the public API: what is new is looked for in the store, memories are read from it',
      'superseding and importing are one commit for 500 changes, each journaled',
    ],
  },
  options,
)

/** Of what was measured. */
function targets(): Target[] {
  const figure = (name: string): number => figures[name] ?? NaN
  const all: Target[] = [
    {
      name: 'recall p50 in a scope of 1 % of the large company, over the same scope alone',
      measured: figure('recall p50, large, ms') / figure('recall p50, the large scope alone, ms'),
      unit: '×',
      atMost: 1.5,
    },
    {
      name: 'recall p50 in a scope of 1 %, large over small',
      measured: figure('recall p50, large, ms') / figure('recall p50, small, ms'),
      unit: '×',
      atMost: 1.5,
    },
    {
      name: 'recall p50 with strangers over without',
      measured: figure('recall p50, with strangers, ms') / figure('recall p50, large, ms'),
      unit: '×',
      atMost: 1.2,
    },
    { name: 'facts superseded', measured: figure('superseded per second'), unit: '/s', atLeast: 10_000 },
    { name: 'import', measured: figure('import, s'), unit: 's', atMost: 30 },
  ]
  const same = canary['before'] === canary['after'] ? 0 : 1
  if (canary['after'] !== undefined && canary['before'] !== undefined)
    all.push({ name: 'scores that strangers changed', measured: same, unit: '', atMost: 0 })
  return all.filter(({ measured }) => !Number.isNaN(measured))
}

async function on(name: string, work: (conductor: Conductor) => Promise<void>): Promise<void> {
  database = name
  const conductor = await createConductor({ store: sqlite(join(folder, `${name}.db`)), playbooks: [], work: false })
  await work(conductor)
  await conductor.stop()
}

/** One hundredth in the scope that is asked, half in a noisy one, the rest spread over a hundred. */
async function company({ memory }: Conductor, size: number, name: string): Promise<void> {
  const own = Math.round(size / 100)
  const noisy = Math.round(size / 2)
  const each = Math.max(1, Math.floor((size - own - noisy) / 100))
  await fill(memory.scope('own'), own, `${name} own`)
  await fill(memory.scope('noisy'), noisy, `${name} noisy`)
  for (let i = 0; i < 100; i++) await fill(memory.scope(`other:${i}`), each, `${name} other ${i}`)
}

/** Piece by piece; what is there already is passed over. Ends the process when the time is over. */
async function fill(memory: WorkspaceMemory, size: number, seed: string): Promise<void> {
  for (let at = 0; at < size; at += PIECE) {
    const piece = `${seed} ${at}`
    const done = `${database}: filled ${piece} of ${size}`
    if (canary[done] !== undefined) continue
    if (options.number('seconds') > 0 && performance.now() - began > options.number('seconds') * 1000) {
      writeFileSync(known, JSON.stringify(found))
      console.error(`\nmemory: filled up to ${piece}; the same command goes on`)
      process.exit(3)
    }
    await memory.import(facts(Math.min(PIECE, size - at), piece), { by, id: piece })
    canary[done] = 'yes'
    progress(`memory: filled ${piece}`)
  }
}

/** Sentences of 15 to 25 words, frequent ones and rare ones as in a language (Zipf). */
function* facts(count: number, seed: string): Generator<ImportItem> {
  const random = randoms(seed)
  const word = (): string => `w${Math.floor(Math.exp(random() * Math.log(20_000)))}`
  for (let i = 0; i < count; i++)
    yield { text: `${Array.from({ length: 15 + Math.floor(random() * 10) }, word).join(' ')} n${i}` }
}

/** Each question is asked before, too: whatever part comes first would be measured on code that is still being compiled. */
async function recallMs(memory: WorkspaceMemory, limit = 20): Promise<number> {
  let samples: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    samples = []
    for (const text of questions()) {
      const began = performance.now()
      await memory.recall({ text, limit })
      samples.push(performance.now() - began)
    }
  }
  return percentile(samples, 0.5)
}

/** How many memories answer a question. */
async function foundOf(memory: WorkspaceMemory): Promise<number> {
  let found = 0
  for (const text of questions()) found += (await memory.recall({ text, limit: 20 })).length
  return found / options.number('questions')
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
