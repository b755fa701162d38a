/** Notice: what somebody is told when nobody has answered, and the channels through which the host tells it. */
import type { Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import type { ItemRecord } from './item.ts'

export const ESCALATION_PLAYBOOK = 'keelson.escalation'

/** What a channel is told. */
export interface NoticeOf<I> {
  readonly workspace: string
  readonly item: I
  readonly to: Actor
  /** Which rung of the ladder, from 1. */
  readonly rung: number
}

/** How a rung is climbed: mail, a pager. It may be told twice of the same rung. */
export type Tell = (via: string, notice: NoticeOf<ItemRecord>) => Promise<void>

/** Tells through the channels that the host has given. */
export function teller<I>(
  channels: { readonly [via: string]: (notice: NoticeOf<I>) => Promise<void> | void },
  itemOf: (record: ItemRecord) => I,
): Tell {
  return async (via, notice) => {
    const channel = Object.hasOwn(channels, via) ? channels[via] : undefined
    if (channel === undefined) {
      throw new KeelsonError('CHANNEL_NOT_FOUND', `no channel "${via}" is known to this process`, {
        hint: `Pass it: createConductor({ channels: { '${via}': async ({ item, to }) => … } }).`,
      })
    }
    await channel({ ...notice, item: itemOf(notice.item) })
  }
}
