/** The definition of the port, held against this store on the main thread. */
import { join } from 'node:path'
import { storeConformance } from '../../testing/src/store-suite/index.ts'
import { fileStore } from '../src/file/store.ts'
import { suiteOf } from './subject.ts'

storeConformance(suiteOf('sqlite', (folder) => fileStore(join(folder, 'store.db'), { durability: 'process' })))
