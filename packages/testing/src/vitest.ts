/** What needs vitest: the conformance suites that define the ports. */
export { storeConformance, type Abilities, type StoreSuite, type Subject } from './store-suite/index.ts'
