/** Restore: an entity back as it was, unless somebody changed the entity since the plan. */
import { actorText } from '../../base/actor.ts'
import { KeelsonError, storeError } from '../../base/errors.ts'
import { canonical } from '../../base/json.ts'
import { putBack } from '../../memory/entity-inverse.ts'
import { headOf, type Head } from '../../memory/entity-read.ts'
import type { Writing } from '../../memory/entity-write.ts'
import { deskOf } from '../memory/desk.ts'
import { endRestored } from '../memory/end-proposals.ts'
import { askedFor } from '../ops/asked.ts'
import { shelfOf } from '../shelf.ts'
import type { Pass } from '../pass.ts'
import type { Built } from '../writer.ts'
import type { RevertLine } from './line.ts'

type Line = RevertLine & { kind: 'entity'; can: true }

export async function restoreEntity(pass: Pass, key: string, line: Line): Promise<void> {
  const asked = askedFor(pass, canonical([line.type, line.id, line.restore, line.drop]))
  const live = async (): Promise<void> => {
    await pass.work.run(() => pass.writer.submit(() => restored(pass, key, line, asked.hash)))
  }
  await pass.operation({ key, kind: 'entity', ...asked, live })
}

async function restored(pass: Pass, key: string, line: Line, hash: string): Promise<Built> {
  const { env, claimed } = pass.task
  const shelf = shelfOf(env, claimed.row.workspace)
  const failed = (error: KeelsonError): Built => ({
    drafts: [{ kind: 'entity.completed', key, data: { hash, error: storeError(error) } }],
  })
  for (const planned of [line, ...(line.survivor === undefined ? [] : [line.survivor])]) {
    const now = await headOf(shelf, { name: line.type }, planned.id)
    if (now?.version !== planned.version) return failed(moved(line.type, planned, now))
  }
  const head = (await headOf(shelf, { name: line.type }, line.id))!
  const type = env.entities.named(line.type, head.record.schema)
  const who = { run: claimed.row.id, step: key, by: actorText(pass.history.start.by) }
  const writing: Writing = { shelf, type, who, options: {}, allowed: [] }
  try {
    const { ok, puts, cached } = await putBack(writing, head, { ...line, names: line.names ?? {} })
    const over = await endRestored(deskOf(env, claimed.row.workspace), versionsIn(line), pass.history.start.by)
    const all = [...puts, ...over.puts]
    return {
      drafts: [{ kind: 'entity.completed', key, data: { hash, ok, puts: all } }],
      cached,
      deliveries: over.deliveries,
    }
  } catch (thrown) {
    if (!KeelsonError.is(thrown) || thrown.code.startsWith('STORE_')) throw thrown
    return failed(thrown)
  }
}

/** By entity, which of its versions go back. */
function versionsIn({ type, id, undoes = [], survivor }: Line): Map<string, readonly number[]> {
  const along = survivor === undefined ? [] : [[`${type}/${survivor.id}`, survivor.undoes ?? []] as const]
  return new Map([[`${type}/${id}`, undoes] as const, ...along])
}

function moved(type: string, { id, version }: { id: string; version: number }, now: Head | undefined): KeelsonError {
  return new KeelsonError(
    'PLAN_CHANGED',
    `${type} ${id} was changed since the plan (version ${now?.version ?? 'none'}, planned ${version})`,
  )
}
