/** What needs vitest: the conformance suites that define the ports. */
export { storeConformance, type StoreAbilities, type StoreUnderTest } from './store-suite/index.ts'
