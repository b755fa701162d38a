/** Actor: who did something. Every change carries one. */
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

export function isMoney(value: unknown): value is Money {
  const money = value as Partial<Money> | null
  return typeof money === 'object' && typeof money?.amount === 'number' && typeof money.currency === 'string'
}

/** Keelson itself. */
export const SYSTEM: Actor = { kind: 'system', id: 'keelson' }

export function actorJson(actor: Actor): Json {
  return { kind: actor.kind, id: actor.id, ...(actor.name === undefined ? {} : { name: actor.name }) }
}

export function actorText(actor: Actor): string {
  return actor.name ?? actor.id
}
