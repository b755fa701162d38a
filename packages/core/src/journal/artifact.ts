/** Artifact references of entries: every hash that an entry's payload names as an artifact's. */
import type { Entry } from './entry.ts'

const REFERENCE = /"sha256":"([0-9a-f]{64})"/g

/** References carry `sha256`, `size`, `type` and `origin`, wherever they stand in a payload. */
export function artifactsIn(entry: Entry): string[] {
  if (entry.payload === null || !entry.payload.includes('"sha256":"')) return []
  return [...entry.payload.matchAll(REFERENCE)].map((match) => match[1]!)
}
