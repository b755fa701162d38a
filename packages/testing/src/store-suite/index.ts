/** storeConformance: the definition of the MemoryStore port as checks, for any store of anyone. */
import { describe } from 'vitest'
import { checkArtifacts } from './artifacts.ts'
import { checkClaim } from './claim.ts'
import { checkCommit } from './commit.ts'
import { checkDeliveries } from './deliver.ts'
import { checkFeed } from './feed.ts'
import { checkIsolation } from './isolation.ts'
import { checkLanes } from './lanes.ts'
import { checkModel } from './model.ts'
import { checkOpen } from './open.ts'
import { checkRecords } from './records.ts'
import { checkRestoring } from './restore.ts'
import { checkRuns } from './runs.ts'
import type { StoreSuite } from './subject.ts'
import { checkTail } from './tail.ts'
import { checkTurn } from './turn.ts'
import { checkWrite } from './write.ts'

export type { Abilities, StoreSuite, Subject } from './subject.ts'

/** Registers the suite with vitest. Call it in a test file; the numbers in the titles are those of the port. */
export function storeConformance(suite: StoreSuite): void {
  describe(`${suite.name} as a MemoryStore`, () => {
    checkOpen(suite)
    checkWrite(suite)
    checkDeliveries(suite)
    checkClaim(suite)
    checkLanes(suite)
    checkCommit(suite)
    checkRuns(suite)
    checkRecords(suite)
    checkFeed(suite)
    checkRestoring(suite)
    checkTail(suite)
    checkArtifacts(suite)
    checkIsolation(suite)
    checkTurn(suite)
    checkModel(suite)
  })
}
