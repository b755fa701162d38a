/** Restore: an entity's fields back to what they held, unless somebody changed the entity since the plan. */
import { actorText } from '../../base/actor.ts'
import { KeelsonError, storeError } from '../../base/errors.ts'
import { sha256 } from '../../base/hash.ts'
import { canonical } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import { entityPut, recordId, timelinePut, type EntityRecord } from '../../memory/entity.ts'
import type { Pass } from '../pass.ts'
import type { Built } from '../writer.ts'
import type { Line } from './plan.ts'

export async function restoreEntity(
  pass: Pass,
  key: string,
  line: Line & { kind: 'entity'; can: true },
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
  line: Line & { kind: 'entity'; can: true },
  hash: string,
): Promise<Built> {
  const { env, claimed } = pass.task
  const [row] = await env.store.records(claimed.row.workspace, {
    kind: 'entity',
    ids: [recordId(line.type, line.id)],
    limit: 1,
  })
  if (row === undefined || row.version !== line.version) {
    const error = new KeelsonError(
      'PLAN_CHANGED',
      `${line.type} ${line.id} was changed since the plan (version ${row?.version ?? 'none'}, planned ${line.version})`,
    )
    return { drafts: [{ kind: 'entity.completed', key, data: { hash, error: storeError(error) } }] }
  }
  const record = JSON.parse(row.data) as EntityRecord
  const held = Object.entries(record.data as Record<string, Json>).filter(([field]) => !line.drop.includes(field))
  const data = { ...Object.fromEntries(held), ...line.restore }
  const version = row.version + 1
  const put = entityPut({ ...record, data }, version, await env.company(claimed.row.workspace).key())
  const undone = { changed: line.restore, ...(line.drop.length === 0 ? {} : { dropped: line.drop }) }
  const by = actorText(pass.history.start.by)
  const event = { what: `${line.type} restored`, run: claimed.row.id, step: key, by, version, ...undone }
  const puts = [put, timelinePut(line.type, line.id, `v${version}`, env.clock.now(), event)]
  return {
    drafts: [
      { kind: 'entity.completed', key, data: { hash, ok: { type: line.type, id: line.id, version, data }, puts } },
    ],
  }
}
