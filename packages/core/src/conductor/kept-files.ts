/** KeptFiles: whether the files that somebody refers to are kept here. */
import { artifactMissing } from '../memory/artifact.ts'
import type { Environment } from './environment.ts'

/** Throws `ARTIFACT_NOT_FOUND` for a file that is not kept here. What came by reference is, without its bytes. */
export async function assertKept(
  { store }: Pick<Environment, 'store'>,
  workspace: string,
  files: readonly string[],
): Promise<void> {
  for (const sha256 of new Set(files)) {
    const [row] = await store.records(workspace, { kind: 'artifact', ids: [sha256], limit: 1 })
    if (row === undefined && (await store.getArtifact(workspace, sha256)) === undefined) throw artifactMissing(sha256)
  }
}
