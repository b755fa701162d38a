/**
 * Projections: what is counted of what happens, written in the unit of the thing itself. Handed to the conductor at composition.
 *
 * They only add records: whatever they answer, the run goes its way.
 */
import type { Actor } from '../base/actor.ts'
import type { Draft } from '../journal/entry.ts'
import type { History } from '../journal/fold.ts'
import type { Put } from '../journal/put.ts'
import type { NewRun, RunRow } from '../journal/store.ts'
import type { AnyPlaybook } from '../playbook/playbook.ts'
import type { ItemRecord } from './item.ts'

/** What goes into the unit that is counted. */
export interface Counted {
  readonly puts: readonly Put[]
  readonly starts?: readonly NewRun[]
}

/** What goes into the unit of a decision. */
export interface Drawn extends Counted {
  /** What follows from it by itself. */
  readonly drafts?: readonly Draft[]
}

/** A run that is about to settle. */
export interface Settling {
  readonly row: RunRow
  readonly playbook: AnyPlaybook
  readonly history: History
  readonly status: 'completed' | 'failed' | 'declined' | 'cancelled'
}

/** A decision that is about to be recorded. */
export interface Deciding {
  /** As it is now: decided, by whom and how. */
  readonly item: ItemRecord
  readonly by: Actor
  readonly at: number
}

/** A record that a person is about to change outside of any run. */
export interface Correcting {
  readonly type: string
  readonly id: string
  readonly fields: readonly string[]
  readonly by: Actor
  readonly at: number
  /** The runs that wrote it, the last first. */
  readonly writers: () => AsyncIterable<Writing>
}

/** What a run wrote of a record, in one change. */
export interface Writing {
  readonly run: string
  readonly fields: readonly string[]
}

/** `Env` is the environment of the conductor. */
export interface Projections<Env> {
  settled?(env: Env, settling: Settling): Promise<Counted>
  decided?(env: Env, workspace: string, deciding: Deciding): Promise<Drawn>
  corrected?(env: Env, workspace: string, correcting: Correcting): Promise<Counted>
}

export const NOTHING: Counted = { puts: [] }

/** Several projections as one. */
export function together<Env>(all: readonly Projections<Env>[]): Required<Projections<Env>> {
  const sum = async (ask: (one: Projections<Env>) => Promise<Drawn> | undefined): Promise<Drawn> => {
    const asked: Promise<Drawn>[] = []
    for (const one of all) {
      const answer = ask(one)
      if (answer !== undefined) asked.push(answer)
    }
    const counted = await Promise.all(asked)
    const starts = counted.flatMap((one) => one.starts ?? [])
    const drafts = counted.flatMap((one) => one.drafts ?? [])
    return { puts: counted.flatMap((one) => one.puts), ...(starts.length === 0 ? {} : { starts }), drafts }
  }
  return {
    settled: (env, settling) => sum((one) => one.settled?.(env, settling)),
    decided: (env, workspace, deciding) => sum((one) => one.decided?.(env, workspace, deciding)),
    corrected: (env, workspace, correcting) => sum((one) => one.corrected?.(env, workspace, correcting)),
  }
}
