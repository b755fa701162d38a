/** Explores parts of the crash matrix, one after the other, as `tools/crashes.mjs` hands them out. */
import { exploreCrashes } from '@keelson/testing'
import { matrix } from '../tests/crash-matrix.ts'
import { sqliteFiles } from '@keelson/memory-sqlite/testing'

process.on('message', async ({ program, store, number, of, limit, seed }) => {
  const { harness, test, invariant } = matrix.find(({ name }) => name === program)
  try {
    const found = await exploreCrashes(test, {
      harness,
      depth: 2,
      seed,
      slice: { number, of },
      ...(invariant === undefined ? {} : { invariant }),
      ...(limit === null ? {} : { limit }),
      ...(store === 'sqlite' ? { stores: [sqliteFiles()], atOnce: 8 } : {}),
      progress: (done, all) => done % 25 === 0 && process.send({ done, all }),
    })
    process.send({ found })
  } catch (error) {
    process.send({ failed: error instanceof Error ? error.message : String(error) })
  }
})
process.on('disconnect', () => process.exit(0))
