/** The test kit of Keelson. */

// stores
export { memoryStore, type MemoryStoreSession } from './memory-store.ts'
export { intercept, storeFailure, type Detail, type Hooks, type Operation } from './intercept.ts'
