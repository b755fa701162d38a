/** Kysely: loaded when a store first opens, so that neither the import of this package nor the host of a thread pays for it. */
import type * as Library from './library.ts'

let loaded: typeof Library | undefined

/** Whoever opens a store awaits this first. */
export async function loadKysely(): Promise<void> {
  loaded ??= await import('./library.ts')
}

export function kysely(): typeof Library {
  if (loaded === undefined) throw new Error('kysely is not loaded: a way into the store does not await loadKysely()')
  return loaded
}
