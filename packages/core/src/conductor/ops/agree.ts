/** Agree: a person's word before a run takes a transition that needs it, merges, or changes what is the operator's. */
import { KeelsonError } from '../../base/errors.ts'
import { jsonSchema } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import { withZod } from '../../base/zod.ts'
import type { AnyEntityType } from '../../memory/entity.ts'
import { approvalsFor, type Allowed, type Needed } from '../../memory/entity-rules.ts'
import type { WriteOptions } from '../../memory/entity-store.ts'
import { saidBy, takenFor } from '../item.ts'
import type { Pass } from '../pass.ts'
import { askItem, type ItemText } from './ask.ts'
import type { Perform } from './place.ts'

/** What a write may do beyond what it may do by itself. */
export interface Agreed {
  readonly allowed?: Allowed
  readonly options?: Pick<WriteOptions, 'expect'>
}

const yesSchema = withZod((z) => z.object({ approved: z.boolean() }))

/** Asks if this change needs it. Throws `ACTION_DECLINED` for a no, `TRANSITION_ILLEGAL` before anybody is asked. */
export async function agreement(
  pass: Pass,
  perform: Perform,
  type: AnyEntityType,
  read: (name: string) => Promise<unknown>,
  change: { readonly id: string; readonly patch: object },
): Promise<Agreed> {
  const before =
    change.id === '' ? undefined : ((await read('before')) as { version: number; data: Record<string, Json> })
  const after = { ...before?.data, ...change.patch } as Record<string, Json>
  const needed = approvalsFor(type, change.id, before?.data, after)
  if (needed.length === 0 && type.owner !== 'operator') return {}
  await agreed(pass, perform, `agree ${type.name}`, itemOf(pass, type, change, before, needed))
  // What was agreed to is this change of this version; a transition holds as long as the state does.
  const options = type.owner === 'operator' && before !== undefined ? { options: { expect: before.version } } : {}
  return { allowed: needed, ...options }
}

/** Asks a person, and waits for as long as it takes. Throws `ACTION_DECLINED` for a no. */
export async function agreed(pass: Pass, perform: Perform, name: string, text: ItemText): Promise<void> {
  const item = { ...text, editSchema: jsonSchema(yesSchema()) as Json }
  const asked = { item, wait: 'approval' as const, onSilence: 'wait' as const }
  if (await perform(name, (key) => askItem(pass, key, asked, isYes))) return
  throw new KeelsonError('ACTION_DECLINED', `a person said no: ${item.title}`, {
    hint: 'Catch it, or let the run end as declined.',
    data: { decline: { reason: 'rejected' } },
  })
}

function itemOf(
  pass: Pass,
  type: AnyEntityType,
  { id, patch }: { readonly id: string; readonly patch: object },
  before: { version: number; data: Record<string, Json> } | undefined,
  needed: readonly Needed[],
): ItemText {
  const run = pass.task.claimed.row.id
  const trust = takenFor(pass.history.labels, 'operator')
  const ways = needed.map(({ name, from, to }) => `${name} (from "${from}" to "${to}")`).join(', ')
  const what = before === undefined ? `a new ${type.name}` : `${type.name} ${id} (version ${before.version})`
  const rows = Object.entries(patch).map(([label, value]) => ({
    label,
    ...(before?.data[label] === undefined ? {} : { before: shown(before.data[label]) }),
    after: shown(value),
  }))
  const own = type.owner === 'operator' ? [{ label: 'owner', after: `every ${type.name} is the operator's` }] : []
  return {
    kind: 'question',
    title: `${what}: ${ways === '' ? 'may it be written?' : `may it ${ways}?`}`,
    allows: ['approve', 'reject', 'answer'],
    why: [
      saidBy(run, pass.history.labels),
      ...(before === undefined ? [] : [{ label: what, trust, ref: `entity:${type.name}/${id}@${before.version}` }]),
    ],
    proposes: { op: 'write', entities: [before === undefined ? type.name : `${type.name}/${id}`] },
    preview: { kind: 'fields', rows: [...rows, ...own] },
    editSchema: {},
    input: patch as Json,
  }
}

export function shown(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '(dropped)')
}

function isYes(ok: Json | undefined): boolean {
  const said = ok as { approved?: boolean; decision?: { approve?: boolean } } | undefined
  return said?.approved === true || said?.decision?.approve === true
}
