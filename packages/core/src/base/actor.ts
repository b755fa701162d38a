/** Actor: who did something. Every change carries one. */
import { KeelsonError } from './errors.ts'
import type { Json } from './value.ts'

export interface Actor {
  readonly kind: 'person' | 'system' | 'agent'
  readonly id: string
  readonly name?: string
}

/** Minor units of a currency: { amount: 4200, currency: 'EUR' } is 42 euros. */
export interface Money {
  readonly amount: number
  readonly currency: string
}

/** Is it the code of one? Whether there is such a currency is not looked up. */
export function isCurrency(value: unknown): boolean {
  return typeof value === 'string' && /^[A-Z]{3}$/.test(value)
}

export function isMoney(value: unknown): value is Money {
  const money = value as Partial<Money> | null
  return typeof money === 'object' && typeof money?.amount === 'number' && typeof money.currency === 'string'
}

const KINDS: readonly unknown[] = ['person', 'system', 'agent']

export function isActor(value: unknown): value is Actor {
  const { kind, id } = (value ?? {}) as Partial<Actor>
  return KINDS.includes(kind) && typeof id === 'string' && id !== ''
}

/** Throws `INPUT_INVALID` where nobody is named who makes `what`: 'a change of memory'. */
export function assertActor(by: unknown, what: string): void {
  if (isActor(by)) return
  throw new KeelsonError('INPUT_INVALID', `${what} names who makes it`, {
    hint: "Pass { by: { kind: 'person', id } }.",
  })
}

/** Keelson itself. */
export const SYSTEM: Actor = { kind: 'system', id: 'keelson' }

export function actorJson(actor: Actor): Json {
  return { kind: actor.kind, id: actor.id, ...(actor.name === undefined ? {} : { name: actor.name }) }
}

export function actorText(actor: Actor): string {
  return actor.name ?? actor.id
}
