/**
 * Files: the artifacts of a bundle that a merge brings, because an entity or a memory that it brings names them.
 *
 * F1. A file that was erased here does not come back.
 */
import type { Actor } from '../base/actor.ts'
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { Environment } from '../conductor/environment.ts'
import { dataOf, type Entry } from '../journal/entry.ts'
import type { Put } from '../journal/put.ts'
import type { Evidence } from '../memory/unit.ts'
import type { LineOf } from './line.ts'

/** A reference; or evidence, which may name an artifact by its id. */
const NAMED = /"(?:sha256|id)":"([0-9a-f]{64})"/g
const REFERENCE = /"sha256":"([0-9a-f]{64})"/g
const HASH = /^[0-9a-f]{64}$/
const PAGE = 500

/** The hashes that data name as those of artifacts. */
export function filesIn(data: Json): string[] {
  return [...canonical(data).matchAll(REFERENCE)].map((match) => match[1]!)
}

export function filesOf(evidence: readonly Evidence[]): string[] {
  return evidence.flatMap(({ kind, id, sha256 }) => {
    if (sha256 !== undefined) return [sha256]
    return kind === 'artifact' && HASH.test(id) ? [id] : []
  })
}

/** What a bundle holds of them. */
export class Files {
  readonly #named = new Set<string>()
  readonly #bytes = new Map<string, Uint8Array>()
  readonly #records = new Map<string, Json>()
  readonly #brought = new Set<string>()
  readonly #missing = new Set<string>()
  #erased: ReadonlySet<string> | undefined

  /** Files come before the records that name them: entries say which will be wanted. */
  entry(entry: Entry): void {
    const { payload } = entry
    if (payload?.includes('"kind":"entity"') === true || payload?.includes('"kind":"memory"') === true)
      for (const [, sha256] of payload.matchAll(NAMED)) this.#named.add(sha256!)
  }

  artifact({ sha256, bytes }: LineOf<'artifact'>): void {
    if (bytes !== undefined && this.#named.has(sha256)) this.#bytes.set(sha256, Buffer.from(bytes, 'base64'))
  }

  record(id: string, data: Json): void {
    this.#records.set(id, data)
  }

  get brought(): number {
    return this.#brought.size
  }

  /** Those that are named and are not here. */
  get missing(): readonly string[] {
    return [...this.#missing].sort()
  }

  /** Keeps those that are not here yet. */
  async bring(
    { env, workspace, by, dryRun }: { env: Environment; workspace: string; by: Actor; dryRun: boolean },
    wanted: readonly string[],
  ): Promise<void> {
    for (const sha256 of new Set(wanted)) {
      if (this.#brought.has(sha256) || this.#missing.has(sha256)) continue
      if ((await env.store.getArtifact(workspace, sha256)) !== undefined) continue
      const bytes = this.#bytes.get(sha256)
      const [row] = await env.store.records(workspace, { kind: 'artifact', ids: [sha256], limit: 1 })
      if (bytes === undefined || (row !== undefined && (await this.#erasedIn(env, workspace)).has(sha256))) {
        this.#missing.add(sha256)
        continue
      }
      this.#brought.add(sha256)
      if (dryRun) continue
      await env.company(workspace).edit(async () => ({
        drafts: [{ kind: 'artifact.kept', data: { by, puts: row === undefined ? this.#puts(sha256, env) : [] } }],
        unit: { artifacts: [bytes] },
      }))
    }
  }

  /** What is known of it, with what it is to be taken for; the run that made it is not here. */
  #puts(id: string, env: Environment): Put[] {
    const known = this.#records.get(id)
    if (known === undefined) return []
    const { run: _, ...data } = known as { readonly [field: string]: Json }
    return [{ kind: 'artifact', id, version: 1, data, index: {}, sort: env.clock.now() }]
  }

  async #erasedIn({ store }: Environment, workspace: string): Promise<ReadonlySet<string>> {
    if (this.#erased !== undefined) return this.#erased
    const gone = new Set<string>()
    for (let after = 0; ;) {
      const page = await store.tail(workspace, after, PAGE)
      for (const entry of page)
        if (entry.kind === 'memory.erased' && entry.payload !== null)
          for (const one of dataOf(entry as Entry & { kind: 'memory.erased' }).files ?? []) gone.add(one)
      if (page.length < PAGE) break
      after = page.at(-1)!.position
    }
    return (this.#erased = gone)
  }
}
