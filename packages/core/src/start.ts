/** Start: the door to the engine, which is loaded with the first conductor: a module of definitions costs little to import. */
import type { Conductor } from './keelson.ts'
import type { ConductorOptions } from './options.ts'

/** Opens the store and begins to work; it never waits for recovery. */
export async function createConductor(options: ConductorOptions): Promise<Conductor> {
  const engine = await import('./keelson.ts')
  return engine.openConductor(options)
}
