/** IsPersona: tells a persona from its name, without what makes one. */
import { noSuch } from '../base/known.ts'
import type { Persona } from './persona.ts'

/** Throws `DEFINITION_INVALID` for what is no persona: its name alone bounds nothing. */
export function assertPersona(persona: Persona | undefined, what: string): void {
  if (persona === undefined) return
  const { name, may } = (persona ?? {}) as Partial<Persona>
  if (typeof name === 'string' && Array.isArray(may)) return
  throw noSuch('DEFINITION_INVALID', persona, `a persona, and is that of ${what}`, 'definePersona()')
}
