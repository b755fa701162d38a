/** Editor: entities written by a person or the host, outside of any run, through the stream of the workspace. */
import { SYSTEM, actorText, type Actor } from '../base/actor.ts'
import { parseStored } from '../base/json.ts'
import { toStored } from '../base/schema.ts'
import type { Json } from '../base/value.ts'
import {
  entityPuts,
  entityTypeOf,
  recordId,
  type Entity,
  type EntityRecord,
  type EntityStore,
  type EntityType,
} from '../memory/entity.ts'
import type { Environment } from './environment.ts'
import { changedIn, conflict, findEntity, getEntity, notFound, timelineOf } from './ops/entities.ts'

export function editor<T>(
  env: Environment,
  workspace: string,
  type: EntityType<T>,
  by: Actor = SYSTEM,
): EntityStore<T> {
  const known = entityTypeOf(type)
  const company = env.company(workspace)
  const at = (): number => env.clock.now()
  return {
    async create(data) {
      const value = parseStored(toStored(known.schema, data, 'INPUT_INVALID', `a new ${known.name}`))
      const id = `${known.name}_${env.ids.id()}`
      const key = await company.key()
      await company.edit(async () => {
        const event = { what: `${known.name} created`, by: actorText(by) }
        const puts = entityPuts(known, { id, version: 1, data: value, changed: value, key, event, at: at() })
        return { drafts: [{ kind: 'entity.edited', data: { by, puts } }] }
      })
      env.nudge()
      return frozen<T>(known.name, id, 1, value)
    },
    get: (id) => getEntity(env, workspace, known, id) as never,
    find: (where) => findEntity(env, workspace, known, where) as never,
    async update(id, patch, options) {
      const key = await company.key()
      let made: Entity<T> | undefined
      await company.edit(async () => {
        const [row] = await env.store.records(workspace, { kind: 'entity', ids: [recordId(known.name, id)], limit: 1 })
        if (row === undefined) throw notFound(known, id)
        if (options?.expect !== undefined && options.expect !== row.version)
          throw conflict(known, id, options.expect, row.version)
        const before = (JSON.parse(row.data) as EntityRecord).data as object
        const data = parseStored(
          toStored(known.schema, { ...before, ...patch }, 'INPUT_INVALID', `the changed ${known.name}`),
        )
        const version = row.version + 1
        made = frozen<T>(known.name, id, version, data)
        const event = { what: `${known.name} updated`, by: actorText(by) }
        const puts = entityPuts(known, { id, version, data, changed: changedIn(patch, data), key, event, at: at() })
        return { drafts: [{ kind: 'entity.edited', data: { by, puts } }] }
      })
      return made!
    },
    timeline: (id) => timelineOf(env, workspace, known, id),
  }
}

function frozen<T>(type: string, id: string, version: number, data: Json): Entity<T> {
  return Object.freeze({ type, id, version, data }) as unknown as Entity<T>
}
