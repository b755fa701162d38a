/**
 * Rehearse: a run's journal against the code of this process, with nothing executed and nothing written.
 *
 * It is the pass's own replay (pass.ts, replay.ts): what it says is what a pass would come to. It ends where new work begins.
 */
import { canonicalAround, parseStored } from '../base/json.ts'
import { parse } from '../base/schema.ts'
import { silent } from '../base/log.ts'
import { dataOf, type Entry, type Placed } from '../journal/entry.ts'
import type { MemoryStore, RunRow } from '../journal/store.ts'
import type { AnyPlaybook } from '../playbook/playbook.ts'
import { contextOf, loadTexts } from './context.ts'
import { haltDifference, outputDifference, type Difference } from './divergence.ts'
import { told } from './differing.ts'
import type { Environment } from './environment.ts'
import { outcomeOf } from './settle.ts'
import { inShadow } from './shadow/mode.ts'
import { insideStep, Pass, type Task } from './pass.ts'
import type { Halt } from './replay.ts'

/** What would become of one run. */
export type RehearsalVerdict =
  /** The code asks for what is recorded, and goes on with `at`, or ends as it did. */
  | { readonly verdict: 'continues'; readonly at?: string; readonly text: string }
  /** Something must be done first: its version or its input's shape is gone. */
  | { readonly verdict: 'needs-migration'; readonly text: string; readonly hint: string }
  /** It fits the other version, and cannot be moved there before its effect `at` has ended: it waits for an approval, a hold … */
  | { readonly verdict: 'waits'; readonly at: string; readonly text: string; readonly hint: string }
  /** The code would take another way than the recorded one. */
  | { readonly verdict: 'branches'; readonly at: string; readonly text: string; readonly hint: string }
  /** The replay came to rest on something outside `ctx`. */
  | { readonly verdict: 'stalls'; readonly at: string; readonly text: string; readonly hint: string }

/** Replays one run on `playbook`. A finished one is held against how it ended. */
export async function rehearseRun(
  env: Environment,
  row: RunRow,
  entries: readonly Placed[],
  playbook: AnyPlaybook,
): Promise<RehearsalVerdict> {
  const settled = entries.findLast((entry) => entry.kind === 'run.settled')
  const before = settled === undefined ? entries : entries.slice(0, entries.indexOf(settled))
  if (before.some((entry) => entry.payload === null)) {
    return {
      verdict: 'needs-migration',
      text: 'parts of its journal were erased',
      hint: 'It cannot be replayed: let it be.',
    }
  }
  const { promise, resolve, reject } = Promise.withResolvers<RehearsalVerdict>()
  const lease = { workspace: row.workspace, run: row.id, worker: 'rehearsal', epoch: 0 }
  const claimed = { lease, row: { ...row, version: playbook.version }, entries: before, mail: [] }
  const dry = { ...env, store: deaf(env.store), log: silent, emit: () => {}, nudge: () => {} }
  const task: Task = { ...inShadow(dry, claimed), claimed, playbook, internals: undefined }
  const pass: Pass = new Pass(task, {
    mayStart: (key) => {
      resolve({ verdict: 'continues', at: key, text: `goes on with "${key}"` })
      return false
    },
    onRest: () => {
      if (pass.replay?.live === true) resolve(stalls(''))
    },
    onHalt: (halt) => resolve(haltVerdict(halt)),
    onDifference: (difference) => void told(pass, difference).then((found) => resolve(branches(found)), reject),
    onControl: () => {},
    onForgotten: async () => undefined,
    onSetByHand: async () => 'a rehearsal writes nothing',
    onRefused: (error) => pass.end({ how: 'store', error }),
    onProgress: () => {},
  })
  try {
    return await play(pass, promise, settled)
  } finally {
    pass.end({ how: 'abandoned' })
  }
}

async function play(
  pass: Pass,
  ended: Promise<RehearsalVerdict>,
  settled: Entry | undefined,
): Promise<RehearsalVerdict> {
  const { playbook } = pass.task
  let input: unknown
  try {
    const text = canonicalAround(pass.history.start.input)
    input = parse(playbook.input, parseStored(text), 'INPUT_INVALID', `the input of ${playbook.name}`)
  } catch (thrown) {
    const hint = 'The stored input no longer fits: widen the schema, or keep the version that it began with.'
    return { verdict: 'needs-migration', text: (thrown as Error).message, hint }
  }
  await loadTexts(pass)
  const replay = pass.begin()
  const code = insideStep.run(undefined, async () => playbook.run(contextOf(pass), input, pass))
  replay.begin()
  const result = await Promise.race([
    code.then(
      (value) => ({ value }),
      (thrown: unknown) => ({ thrown }),
    ),
    ended,
  ])
  if ('verdict' in result) return result
  const unasked = replay.unasked()
  if (unasked.length > 0)
    return haltVerdict({ why: 'diverged', unasked, fresh: [], later: [] }, 'thrown' in result ? result : undefined)
  return endVerdict(pass, result, settled)
}

function endVerdict(
  pass: Pass,
  result: { value: unknown } | { thrown: unknown },
  settled: Entry | undefined,
): RehearsalVerdict {
  const ends = outcomeOf(pass, result)
  const now = ends.error === undefined ? canonicalAround(ends.output ?? null) : `throws ${ends.error.code}`
  const misfit =
    settled === undefined ? outputDifference(pass.task.playbook, pass.history.start, ends.error) : undefined
  if (misfit !== undefined) return { verdict: 'needs-migration', text: misfit.text, hint: misfit.hint }
  if (settled === undefined) return { verdict: 'continues', text: `ends: ${now.slice(0, 200)}` }
  const { output, error } = dataOf(settled as Entry & { kind: 'run.settled' })
  const then = error === undefined ? canonicalAround(output ?? null) : `throws ${error.code}`
  if (now === then) return { verdict: 'continues', text: 'ends as it did' }
  return {
    verdict: 'branches',
    at: 'the result',
    text: `it ended with ${then.slice(0, 200)}; it would end with ${now.slice(0, 200)}`,
    hint: 'Runs of the past stay as they are. Make sure that open ones should end in the new way.',
  }
}

function haltVerdict(halt: Halt, thrown?: { readonly thrown: unknown }): RehearsalVerdict {
  if (halt.why === 'stalled') return stalls(halt.last)
  return branches(haltDifference(halt, thrown))
}

function branches({ at, text, hint }: Difference): RehearsalVerdict {
  return { verdict: 'branches', at, text, hint }
}

function stalls(after: string): RehearsalVerdict {
  return {
    verdict: 'stalls',
    at: after,
    text: `after "${after}" the code asks for nothing more: it awaits something outside ctx`,
    hint: 'Await only what ctx gives; put the rest into a step.',
  }
}

/** Takes every write and keeps none. */
function deaf(store: MemoryStore): MemoryStore {
  return {
    ...store,
    write: async () => ({ status: 'done', refused: [] }),
    commit: async () => ({ status: 'done', refused: [] }),
    mail: async () => [],
    claim: async () => ({ claimed: [], nextAt: null }),
  }
}
