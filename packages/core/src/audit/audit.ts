/** Audit: what happened, by whom and why; and proof that nobody changed it. */
import { KeelsonError } from '../base/errors.ts'
import type { Environment } from '../conductor/environment.ts'
import { anchorNow, type Anchor, type Anchoring } from './anchor.ts'
import type { Anchored } from './anchor-check.ts'
import { exportLines, type AuditExportOptions } from './export.ts'
import { whyField, type FieldStory } from './field.ts'
import { queryTrail, type AuditPage, type AuditQuery } from './query.ts'
import { storyOf } from './story.ts'
import { rebuild, verify, type Verification } from './verify.ts'
import type { EntityType } from '../memory/entity.ts'

export interface Audit {
  /** A page of what was done, newest first: by actor, entity, action, run and time, in any combination. */
  query(query?: AuditQuery): Promise<AuditPage>
  /**
   * A run as plain sentences, one per thing that happened, and one for all that it read in a row; of one that was pruned, what the
   * audit trail has kept. Behind its end stands what was taken back since.
   */
  story(run: string): Promise<string[]>
  /** Why a field holds what it holds: the change, its run and step or its author, the value's sources, who agreed. */
  why<T>(type: EntityType<T>, id: string, field: keyof T & string): Promise<FieldStory>
  /** The whole journal as JSON lines; `verifyExport` checks them without the store. */
  export(options?: AuditExportOptions): AsyncIterable<string>
  /**
   * Reads everything: finds an edited, removed or reordered entry, and a record that is not what its entries say. With
   * anchors also a journal that was cut short, written anew, or taken back to an older copy.
   */
  verify(anchored?: Anchored): Promise<Verification>
  /** Signs where the journal stands, and gives that to the sink; undefined when nothing has happened since the last time. */
  anchor(): Promise<Anchor | undefined>
  /** Puts every record that differs from its entries right. */
  rebuild(): Promise<{ readonly repaired: number }>
}

export function auditOf(env: Environment, workspace: string, anchoring: Anchoring | undefined): Audit {
  return {
    query: (query) => queryTrail(env.store, workspace, query),
    story: (run) => storyOf(env, workspace, run),
    why: (type, id, field) => whyField(env.store, workspace, type.name, id, field),
    export: (options) => exportLines(env.store, workspace, options),
    verify: (anchored) => verify(env, workspace, anchored),
    async anchor() {
      if (anchoring !== undefined) return anchorNow(env, workspace, anchoring)
      throw new KeelsonError('DEFINITION_INVALID', 'there is nothing to sign anchors with', {
        hint: 'Pass createConductor({ anchors: { signer: signerFromPem(pem), sink } }).',
      })
    },
    rebuild: () => rebuild(env, workspace),
  }
}
