/** Asks: by what a proposal is found that would take a set back: its id, which the set tells, and the entities that this has written. */
import { sha256 } from '../base/hash.ts'
import { canonical } from '../base/json.ts'

/** Told by the set and by how often that was asked about before: of two that ask at once, the second conflicts, and finds the first. */
export function askingId(set: string, times: number): string {
  return `set_${sha256(canonical(['take back', set, times])).slice(0, 20)}`
}

export function asksField(entity: string): string {
  return `asks:${entity}`
}

/** While it waits, and no longer. */
export function asksIndex({ status, asks = [] }: Asking): { [field: string]: string } {
  return status === 'proposed' ? Object.fromEntries(asks.map((one) => [asksField(one), ''])) : {}
}

interface Asking {
  readonly status: string
  readonly asks?: readonly string[]
}
