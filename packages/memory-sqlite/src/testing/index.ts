/** What tests of playbooks need of this store, and nothing that an app does. */
export { sqliteFiles, type KillableStores } from './files.ts'
