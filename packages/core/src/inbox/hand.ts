/** Hand: putting an item off, or into other hands; it stays open, and nothing else about it changes. */
import type { Actor } from '../base/actor.ts'
import { durationMs } from '../base/duration.ts'
import { KeelsonError } from '../base/errors.ts'
import { itemPut, readItem, type ItemRecord } from '../conductor/item.ts'
import type { EntryData } from '../journal/kinds.ts'
import { itemNotFound, refused, untouchable, type Decided, type Deciding } from './decide.ts'

type Handled = 'item.snoozed' | 'item.delegated'
type Handling = { readonly item: ItemRecord; readonly kind: Handled; readonly data: Omit<EntryData[Handled], 'puts'> }

/** Hides an item until a time; it is not reminded of before. Deadlines stay. */
export async function snooze(options: Deciding, id: string, given: { by: Actor; until: string }): Promise<Decided> {
  const { by } = given
  const until = instantOf(given.until, options.env.clock.now())
  return change(options, id, by, (item) => {
    if (!item.allows.includes('snooze')) return refused('invalid', 'it cannot be put off', item)
    if (until <= options.env.clock.now()) return refused('invalid', 'that time has passed', item)
    if (item.expiresAt !== undefined && until >= item.expiresAt)
      return refused('invalid', `it ends at ${new Date(item.expiresAt).toISOString()}, before that`, item)
    return { item: { ...item, snoozedUntil: until }, kind: 'item.snoozed', data: { by, item: id, until } }
  })
}

/** Puts an item into somebody else's hands. Who may decide stays the rule of `mayDecide`, which sees `assignee`. */
export function delegate(
  options: Deciding,
  id: string,
  { by, to, note }: { by: Actor; to: Actor; note?: string },
): Promise<Decided> {
  return change(options, id, by, (item) => {
    if (typeof to?.id !== 'string' || to.id === '') return refused('invalid', 'nobody is named to hand it to', item)
    const said = note === undefined ? {} : { note }
    const handings = [...(item.handings ?? []), { by, to, at: options.env.clock.now(), ...said }]
    const { snoozedUntil: _awake, ...awake } = item
    return { item: { ...awake, assignee: to, handings }, kind: 'item.delegated', data: { by, item: id, to, ...said } }
  })
}

async function change(
  options: Deciding,
  id: string,
  by: Actor,
  make: (item: ItemRecord) => Handling | Decided,
): Promise<Decided> {
  const { env, workspace } = options
  let answer: Decided = { status: 'done' }
  await env.company(workspace).edit(async () => {
    answer = { status: 'done' }
    const found = await readItem(env.store, workspace, id)
    if (found === undefined) throw itemNotFound(id)
    const closed = await untouchable(options, found.item, by)
    const made = closed ?? make(found.item)
    if ('status' in made) {
      answer = made
      return undefined
    }
    const puts = [itemPut(made.item, found.version + 1)]
    return { drafts: [{ kind: made.kind, data: { ...made.data, puts } } as never] }
  })
  return answer
}

/** An instant as ISO text, or as a duration from now. Throws `DURATION_INVALID`. */
export function instantOf(text: string, now: number): number {
  if (/^\d+(\.\d+)?[smhd]$/.test(text)) return now + durationMs(text)
  const at = Date.parse(text)
  if (Number.isFinite(at)) return at
  throw new KeelsonError('DURATION_INVALID', `"${text}" is neither an instant nor a duration`, {
    hint: "Write '2h', or ISO text: '2027-01-31T09:00:00Z'.",
  })
}
