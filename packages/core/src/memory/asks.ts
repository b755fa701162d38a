/** Asks: by what a proposal is found that would take a set back: the set, and the entities that it has written. */

export function asksField(entity: string): string {
  return `asks:${entity}`
}

/** While it waits, and no longer. */
export function asksIndex({ status, asks = [], reverts: [set] = [] }: Asking): { [field: string]: string } {
  if (status !== 'proposed' || set === undefined) return {}
  return { asks: set, ...Object.fromEntries(asks.map((one) => [asksField(one), ''])) }
}

interface Asking {
  readonly status: string
  readonly asks?: readonly string[]
  readonly reverts?: readonly string[]
}
