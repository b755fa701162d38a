/** Deed: what a person did by hand, as the host or a connector saw it: what shadow is compared with, and time saved measured by. */
import { assertActor, type Actor } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import { parseStored } from '../../base/json.ts'
import { toStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import { definitionOf, type Action } from '../../connector/action.ts'
import type { Environment } from '../environment.ts'
import { completedByDeed } from '../trust/pairs.ts'
import type { Deed } from './acts.ts'
import { turnIn } from './turns.ts'

export interface DeedOptions {
  /** The same id is the same deed. */
  readonly id: string
  readonly by: Actor
  /** ISO instant. Default now. */
  readonly at?: string
  /** The entities that it was about. */
  readonly about?: readonly unknown[]
}

/** Records what a person did themselves. Throws `INPUT_INVALID` when it does not fit the action. */
export async function observe<In>(
  env: Environment,
  workspace: string,
  action: Action<In, any>,
  input: In,
  options: DeedOptions,
): Promise<void> {
  assertActor(options.by, 'a deed')
  const known = definitionOf(action)
  env.actions.learn(known)
  const at = options.at === undefined ? env.clock.now() : Date.parse(options.at)
  if (!Number.isFinite(at))
    throw new KeelsonError('INPUT_INVALID', `"${options.at}" is not an instant`, {
      hint: 'Write ISO text with a zone.',
    })
  const text = toStored(known.input, input, 'INPUT_INVALID', `what was done with ${known.name}`)
  const { id, by } = options
  const about = (options.about ?? []).flatMap((one): Json[] => {
    const { type, id: entity } = one as { type?: string; id?: string }
    return type === undefined || entity === undefined ? [] : [{ entity: type, id: entity }]
  })
  const under = known.account === 'default' ? {} : { account: known.account }
  const deed: Deed = { id, action: known.name, ...under, input: parseStored(text), about, at, by }
  const company = env.company(workspace)
  const turn = turnIn(company, 'proposals')
  try {
    await company.edit(async () => {
      await turn.next()
      const [there] = await env.store.records(workspace, { kind: 'deed', ids: [id], limit: 1 })
      if (there !== undefined) return undefined
      const { puts, drafts } = await completedByDeed(env, workspace, deed)
      const index = { action: known.name }
      const put = { kind: 'deed', id, version: 1, data: deed as unknown as Json, index, sort: at }
      return { drafts: [{ kind: 'deed.seen', data: { by, puts: [put, ...puts] } }, ...drafts] }
    })
  } finally {
    turn.over()
  }
}
