/** The definition of the port, held against this store: on the main thread, in a thread, and with a file per workspace. */
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { storeConformance } from '../../testing/src/store-suite/index.ts'
import { fileStore } from '../src/file/store.ts'
import { PerWorkspace } from '../src/per-workspace.ts'
import { manyFiles } from '../src/sqlite.ts'
import { Thread } from '../src/thread.ts'
import { onBlank } from '../src/testing/blank.ts'
import { suiteOf } from './subject.ts'

const thread = new Thread({ keeps: true })
afterAll(() => thread.terminate())

const options = { durability: 'process' } as const
const own = (path: string) => onBlank(path, fileStore(path, options))
storeConformance(suiteOf('sqlite', (folder) => own(join(folder, 'store.db'))))
storeConformance(
  suiteOf('sqlite in a thread', (folder) => {
    const path = join(folder, 'store.db')
    return onBlank(path, thread.file(path, options))
  }),
)
storeConformance(
  suiteOf('sqlite with a file per workspace', (folder) => {
    const pathOf = (workspace: string): string => join(folder, `${encodeURIComponent(workspace)}.db`)
    return manyFiles(new PerWorkspace(pathOf, own, 2))
  }),
)
