/**
 * Zod: loaded when it is first needed, so that importing core does not pay for it.
 *
 * Z1. Core imports zod for its types only; this file alone loads it, and a test holds that.
 * Z2. What parses awaits `loadZod` first: creating a conductor, reading a bundle, checking anchors. Definitions, which are
 *     made before, call nothing but methods of the schemas that they are given.
 */
import type { z } from 'zod'

export type Zod = typeof z

let loaded: Zod | undefined

export async function loadZod(): Promise<void> {
  loaded ??= (await import('zod')).z
}

/** Throws where a way in has not awaited `loadZod`. */
export function zod(): Zod {
  if (loaded === undefined) throw new Error('zod is not loaded: a way into Keelson does not await loadZod()')
  return loaded
}

/** What is made of zod, at its first use and once. */
export function withZod<T>(make: (z: Zod) => T): () => T {
  let made: { readonly value: T } | undefined
  return () => (made ??= { value: make(zod()) }).value
}
