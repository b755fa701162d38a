/** Restore: an entity's fields back to what they held, unless somebody changed the entity since the plan. */
import { actorText } from '../../base/actor.ts'
import { KeelsonError, storeError } from '../../base/errors.ts'
import { sha256 } from '../../base/hash.ts'
import { canonical } from '../../base/json.ts'
import { headOf } from '../../memory/entity-read.ts'
import { restoreFields, type Writing } from '../../memory/entity-write.ts'
import { shelfOf } from '../shelf.ts'
import type { Pass } from '../pass.ts'
import type { Built } from '../writer.ts'
import type { RevertLine } from './line.ts'

export async function restoreEntity(
  pass: Pass,
  key: string,
  line: RevertLine & { kind: 'entity'; can: true },
): Promise<void> {
  const hash = sha256(canonical([line.type, line.id, line.restore, line.drop]))
  const live = async (): Promise<void> => {
    await pass.work.run(() => pass.writer.submit(() => restored(pass, key, line, hash)))
  }
  await pass.operation({ key, kind: 'entity', hash, live })
}

async function restored(
  pass: Pass,
  key: string,
  line: RevertLine & { kind: 'entity'; can: true },
  hash: string,
): Promise<Built> {
  const { env, claimed } = pass.task
  const shelf = shelfOf(env, claimed.row.workspace)
  const head = await headOf(shelf, { name: line.type }, line.id)
  if (head === undefined || head.version !== line.version) {
    const error = new KeelsonError(
      'PLAN_CHANGED',
      `${line.type} ${line.id} was changed since the plan (version ${head?.version ?? 'none'}, planned ${line.version})`,
    )
    return { drafts: [{ kind: 'entity.completed', key, data: { hash, error: storeError(error) } }] }
  }
  const type = env.entities.named(line.type, head.record.schema)
  const who = { run: claimed.row.id, step: key, by: actorText(pass.history.start.by) }
  const writing: Writing = { shelf, type, who, options: {}, allowed: [] }
  const { ok, puts, cached } = await restoreFields(writing, line.id, line.restore, line.drop)
  return { drafts: [{ kind: 'entity.completed', key, data: { hash, ok, puts } }], cached }
}
