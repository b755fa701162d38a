/**
 * Recall: how much of the evidence for a question is found, without a model, by the public API with its defaults.
 *
 * The data is a file in the format of LoCoMo: conversations in sessions, questions with the turns that answer them. One
 * turn is one memory, each conversation a scope. Nothing of the data is kept here; without it there is nothing to measure.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createConductor, type NewEvent, type WorkspaceMemory } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { tell, type Report } from './measure/claim.ts'
import { optionsOf } from './measure/options.ts'
import { newPlace, removePlace } from './measure/place.ts'
import { progress } from './measure/progress.ts'
import { mean, percentile } from './measure/stats.ts'

const options = optionsOf({ data: '', budget: '2000', dir: '' })

interface Turn {
  readonly speaker: string
  readonly dia_id: string
  readonly text: string
  readonly blip_caption?: string
}

interface Sample {
  readonly conversation: Readonly<Record<string, unknown>>
  readonly qa: readonly { readonly question: string; readonly evidence?: readonly string[] }[]
}

interface Measured {
  readonly found: readonly number[]
  readonly ms: number
  readonly inContext: number
}

const data = options.text('data')
if (data === '' || !existsSync(data)) {
  const text = `no data at "${data}": give a file in the format of LoCoMo with --data`
  console.log(options.json ? JSON.stringify({ claim: 'recall', skipped: true, notes: [text] }) : `skipped: ${text}`)
} else await measure()

async function measure(): Promise<void> {
  const samples = JSON.parse(readFileSync(data, 'utf8')) as readonly Sample[]
  const folder = newPlace(options.text('dir'))
  const conductor = await createConductor({ store: sqlite(join(folder, 'recall.db')), playbooks: [], work: false })
  const results: Measured[] = []
  for (const [at, sample] of samples.entries()) {
    progress(`recall: conversation ${at + 1} of ${samples.length}`)
    results.push(...(await conversation(conductor.memory.scope(`conversation:${at + 1}`), sample)))
  }
  await conductor.stop()
  removePlace(folder)
  tell(reportOf(results), options)
}

async function conversation(memory: WorkspaceMemory, { conversation, qa }: Sample): Promise<Measured[]> {
  const turnOf = new Map<string, string>()
  for (const [session, turns] of sessionsOf(conversation)) {
    const at = instantOf(conversation[`${session}_date_time`])
    const events = turns.map((turn, place): NewEvent => ({
      ...eventOf(turn),
      thread: session,
      ord: place,
      ...(at === undefined ? {} : { at }),
    }))
    const written = await memory.append(events, { by: { kind: 'system', id: 'bench' } })
    turns.forEach(({ dia_id }, i) => turnOf.set(written[i]!.id, dia_id))
  }
  const known = new Set(turnOf.values())
  const results: Measured[] = []
  for (const { question, evidence = [] } of qa) {
    const wanted = [...new Set(evidence.flatMap((one) => one.split(/[;,\s]+/)))].filter((turn) => known.has(turn))
    if (wanted.length === 0) continue
    const began = performance.now()
    const recalled = await memory.recall({ text: question, limit: 20 })
    const ms = performance.now() - began
    const turns = recalled.map((one) => turnOf.get(one.memory.id))
    const { items } = await memory.context({ task: question, budgetTokens: options.number('budget') })
    const shown = new Set(items.map(({ source }) => turnOf.get(source.replace('memory:', ''))))
    const inContext = wanted.filter((turn) => shown.has(turn)).length / wanted.length
    results.push({ ms, inContext, found: wanted.map((turn) => turns.indexOf(turn)) })
  }
  return results
}

function sessionsOf(conversation: Sample['conversation']): [string, readonly Turn[]][] {
  const names = Object.keys(conversation).filter((key) => /^session_\d+$/.test(key))
  names.sort((a, b) => Number(a.slice(8)) - Number(b.slice(8)))
  return names.map((name) => [name, conversation[name] as readonly Turn[]])
}

/** What a picture shows is part of what was said with it. Where one of the two is a machine, its name says so. */
function eventOf({ speaker, text, blip_caption: caption }: Turn): NewEvent {
  const role = /^(assistant|ai|agent|bot|chatbot)$/i.test(speaker)
    ? 'agent'
    : /^(user|human|operator)$/i.test(speaker)
      ? 'operator'
      : 'external'
  return { text: (caption === undefined ? text : `${text} ${caption}`) || '…', speaker, role }
}

/** "1:56 pm on 8 May, 2023" */
function instantOf(text: unknown): string | undefined {
  const parts = /(\d+):(\d+)\s*(am|pm)\s+on\s+(\d+)\s+(\w+),?\s+(\d{4})/i.exec(String(text))
  if (parts === null) return undefined
  const [, hour, minute, half, day, month, year] = parts
  const at =
    Date.parse(`${day} ${month} ${year} UTC`) +
    ((Number(hour) % 12) + (half!.toLowerCase() === 'pm' ? 12 : 0)) * 3_600_000 +
    Number(minute) * 60_000
  return Number.isNaN(at) ? undefined : new Date(at).toISOString()
}

function reportOf(results: readonly Measured[]): Report & Record<string, unknown> {
  const within = (k: number): number =>
    100 * mean(results.map(({ found }) => found.filter((at) => at >= 0 && at < k).length / found.length))
  const first = ({ found }: Measured): number => Math.min(...found.map((at) => (at < 0 ? Infinity : at))) + 1
  const figures = {
    questions: results.length,
    recallAt5: within(5),
    recallAt10: within(10),
    recallAt20: within(20),
    mrr: 100 * mean(results.map((one) => 1 / first(one))),
    p50Ms: percentile(
      results.map(({ ms }) => ms),
      0.5,
    ),
    p99Ms: percentile(
      results.map(({ ms }) => ms),
      0.99,
    ),
    contextEvidence: 100 * mean(results.map(({ inContext }) => inContext)),
  }
  return {
    claim: 'recall',
    ...figures,
    tables: [{ title: 'evidence that is found', columns: Object.keys(figures), rows: [Object.values(figures)] }],
    targets: [
      { name: 'evidence in the first 10', measured: figures.recallAt10, unit: '%', atLeast: 80 },
      { name: 'evidence in the first 20', measured: figures.recallAt20, unit: '%', atLeast: 85 },
      { name: 'mean reciprocal rank', measured: figures.mrr, unit: '%', atLeast: 57 },
      { name: 'one recall, p50', measured: figures.p50Ms, unit: 'ms', atMost: 1 },
      {
        name: `evidence in a context of ${options.text('budget')} tokens`,
        measured: figures.contextEvidence,
        unit: '%',
        atLeast: 89,
      },
    ],
    notes: ['a turn is a memory, a conversation a scope; no model and no embedding; all by default'],
  }
}
