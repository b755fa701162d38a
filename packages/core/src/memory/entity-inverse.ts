/** Inverse of what was written to an entity: what puts it back as it was, in one change. */
import { unmerge, withNames, type BackTo } from './entity-identity.ts'
import type { Head } from './entity-read.ts'
import { asBefore, commitChange, type Writing, type Written } from './entity-write.ts'

/** Where a record is put: 'separate' is no longer one with another. */
export type Standing = 'archived' | 'restored' | 'separate'

export interface Inverse extends BackTo {
  /** Where it stands afterwards, if that is elsewhere. */
  readonly standing?: Standing
  /** Of one that is made separate: it was in the archive when it was merged. */
  readonly archived?: true
  /** Of one that is made separate: what the record goes back to with which it was one. */
  readonly survivor?: BackTo
}

export async function putBack(writing: Writing, head: Head, inverse: Inverse): Promise<Written> {
  const { standing, restore, drop, names, survivor, undoes } = inverse
  if (standing === 'separate') return unmerge(writing, head, inverse, survivor)
  const { archived: _, ...rest } = head.record
  const from = standing === 'restored' ? { ...head, record: rest } : head
  const written = await commitChange(writing, from, {
    ...(await asBefore(writing, head, restore, drop)),
    what: standing ?? 'restored',
    undoes,
    ...(standing === undefined ? {} : { became: standing }),
    ...(standing === 'archived' ? { state: { archived: true } } : {}),
  })
  return withNames(writing, written, names)
}
