/**
 * Telling: a store that says, in this process, what a unit has just done: to which runs it delivered mail, which one in
 * flight takes in at once, and that it wrote rows of a company, of which what was read then counts no more.
 */
import { KeelsonError } from '../base/errors.ts'
import type { Answer, MemoryStore, Unit } from '../journal/store.ts'

export interface Told {
  delivered(workspace: string, runs: readonly string[]): void
  /** Also when nobody knows what came of the unit. */
  companyMoved(workspace: string): void
}

/** `store`, calling back after each unit that there is something to say of, before its answer is given. */
export function telling(store: MemoryStore, told: Told): MemoryStore {
  const after = async (workspace: string, unit: Unit, answer: Promise<Answer>): Promise<Answer> => {
    try {
      const done = await answer
      const runs = (unit.deliveries ?? []).map((one) => one.run)
      if (done.status === 'done' && runs.length > 0) told.delivered(workspace, runs)
      return done
    } finally {
      if (movesCompany(unit)) told.companyMoved(workspace)
    }
  }
  // Of nearly every unit there is nothing to say: its answer is handed on as it is.
  const over: Pick<MemoryStore, 'write' | 'commit'> = {
    write(workspace, unit) {
      const answer = store.write(workspace, unit)
      return isSilent(unit) ? answer : after(workspace, unit, answer)
    },
    commit(lease, unit) {
      const answer = store.commit(lease, unit)
      return isSilent(unit) ? answer : after(lease.workspace, unit, answer)
    },
  }
  const bound = new Map<string | symbol, unknown>(Object.entries(over))
  let closed = false
  bound.set('close', async () => {
    await store.close()
    closed = true
  })
  return new Proxy(store, {
    get(target, name) {
      if (closed && name !== 'close' && typeof Reflect.get(target, name, target) === 'function') return stopped
      const known = bound.get(name)
      if (known !== undefined) return known
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const method = value.bind(target) as unknown
      bound.set(name, method)
      return method
    },
  })
}

function isSilent(unit: Unit): boolean {
  return (unit.deliveries === undefined || unit.deliveries.length === 0) && !movesCompany(unit)
}

function movesCompany({ records, purge }: Unit): boolean {
  return purge?.allBut !== undefined || (records?.some((one) => one.kind === 'company') ?? false)
}

async function stopped(): Promise<never> {
  throw new KeelsonError('CONDUCTOR_STOPPED', 'this conductor was stopped, and its store is closed', {
    hint: 'Create another one on the same store: what was started goes on there.',
  })
}
