/**
 * Noted: what is noted of a record is remembered as an event about it, in the unit that notes it.
 *
 * W1. The line says which memory it is, and is told once where both are at hand. The line is history, and stays; the memory is found by
 *     its words, taken back with its run, forgotten and erased as any other.
 * W2. Whose persona lets it remember nowhere notes all the same: the line is the record's, as ever.
 */
import { joinLabels, labelled, NO_LABELS, type Labels } from '../../base/labels.ts'
import type { Json } from '../../base/value.ts'
import type { Note } from '../../memory/entity-store.ts'
import { note } from '../../memory/entity-verbs.ts'
import type { Writing, Written } from '../../memory/entity-write.ts'
import { EVIDENCE_MAX, TEXT_MAX } from '../../memory/input.ts'
import type { Evidence, Source } from '../../memory/unit.ts'
import { mayWrite } from './bounds.ts'
import { memoryIds, type Desk } from './desk.ts'
import { draftWrite } from './write.ts'

interface Noting {
  readonly source: Source
  /** The id of the change set, of the line that it is for. */
  readonly set: (line: string) => Promise<string>
}

export async function noted(
  desk: Desk,
  writing: Writing,
  id: string,
  line: Note,
  { source, set: setOf }: Noting,
): Promise<Written> {
  const made = await note(writing, id, line)
  const [put] = made.puts
  if (put === undefined || line.what.trim() === '' || line.what.length > TEXT_MAX) return made
  if (!mayWrite(desk, { scope: desk.scope, sensitivity: 0 })) return made
  const { type, id: survivor } = made.ok as { type: string; id: string }
  const set = await setOf(put.id)
  const labels = joinLabels(writing.labels ?? NO_LABELS, labelsOf(writing))
  const event = {
    text: line.what,
    role: source.by.kind === 'person' ? ('operator' as const) : ('agent' as const),
    at: new Date(put.sort as number).toISOString(),
    about: { type, id: survivor },
    evidence: (line.artifacts ?? []).slice(0, EVIDENCE_MAX).map(({ sha256 }) => artifactEvidence(sha256)),
  }
  const reason = `${type} noted`
  const { puts } = await draftWrite(desk, { ops: [{ op: 'event', event }], source, reason, set, labels })
  const told = { ...put, data: { ...(put.data as object), memory: memoryIds(set)(0) } as Json }
  return { ...made, puts: [told, ...puts] }
}

function artifactEvidence(sha256: string): Evidence {
  return { kind: 'artifact', id: sha256, sha256 }
}

/** It may say what the record holds. */
function labelsOf({ type }: Writing): Labels {
  return type.private.size === 0 ? NO_LABELS : labelled(['private'], `entity ${type.name}`)
}
