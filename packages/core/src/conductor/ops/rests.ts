/** Rests: what an input is to be taken for: the labels of its sources, or of all that the run has seen where nobody says. */
import type { Actor } from '../../base/actor.ts'
import { joinLabels, labelled, NO_LABELS, withoutUntrusted, type Labels } from '../../base/labels.ts'
import { isMute } from '../../base/wording.ts'
import type { Json } from '../../base/value.ts'
import type { AnyAction } from '../../connector/action.ts'
import type { z } from 'zod'
import type { Pass } from '../pass.ts'
import { handedAs } from './memory-texts.ts'
import { sourcesIn, type ActMemory } from './sources.ts'

/** Labels of what `because` names; of the whole run where it names nothing, or something of unknown origin. */
export function restsOn(pass: Pass, memory: ActMemory, because: readonly unknown[] = []): Labels {
  const all = pass.history.labels
  return because.length === 0 ? all : joinLabels(...because.map((one) => labelsOf(pass, memory, one) ?? all))
}

function labelsOf(pass: Pass, memory: ActMemory, one: unknown): Labels | undefined {
  // What was not found says nothing of where the rest comes from.
  if (typeof one !== 'object' || one === null) return undefined
  const fact = handedAs(pass, one)
  if (fact !== undefined) return fact.labels
  const key = memory.get(one)
  const op = key === undefined ? undefined : pass.history.ops.get(key)
  // A step computes from whatever its code holds.
  if (op?.outcome === undefined || op.kind === 'step') return undefined
  return op.outcome.outcome.labels ?? NO_LABELS
}

/**
 * Sources as people are to be shown them, by the time that they count: each with a mark where an outsider may have written it, or a
 * person has said it, and with the entry that has handed it out.
 */
export function markedIn(pass: Pass, memory: ActMemory, because: readonly unknown[] = []): () => Json[] {
  const all = because.map((one) => ({ one, refs: sourcesIn(pass, memory, [one]) }))
  return () =>
    all.flatMap(({ one, refs }) => {
      const mark = restsOn(pass, memory, [one]).untrusted === undefined ? {} : { untrusted: true }
      return refs.map((ref) => ({ ...(ref as object), ...mark, ...entryOf(pass, memory, one as object) }))
    })
}

/** The entry that handed it out, and whether a person has said so. A memory is told of by its id. */
function entryOf(
  pass: Pass,
  memory: ActMemory,
  one: object,
): { at?: number; entry?: [stream: string, seq: number]; person?: true } {
  const key = memory.get(one)
  const op = key === undefined || handedAs(pass, one) ? undefined : pass.history.ops.get(key)
  if (op?.outcome === undefined) return {}
  const { at, seq, outcome } = op.outcome
  const { by } = outcome as { by?: Actor }
  const isSaid = (op.kind === 'ask' || op.kind === 'step') && by?.kind === 'person'
  return { at, entry: [pass.task.claimed.row.stream, seq], ...(isSaid ? { person: true } : {}) }
}

/** What an action returns: as it declares; where it does not, whatever it was given may come back. */
export function labelsOfOutput(action: AnyAction, input: Labels | undefined): Labels {
  return action.labels === undefined ? passing(action.output, input ?? NO_LABELS) : labelled(action.labels, action.name)
}

/** What has passed a schema that lets no words through is no longer untrusted. */
export function passing(schema: z.ZodType, labels: Labels): Labels {
  return labels.untrusted !== undefined && isMute(schema) ? withoutUntrusted(labels) : labels
}
