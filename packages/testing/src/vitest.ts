/** What needs vitest: matchers, which importing this adds, and the conformance suites that define the ports. */
import { addMatchers } from './matchers.ts'

addMatchers()

export { addMatchers } from './matchers.ts'
export { connectorConformance, type ConnectorCase, type ConnectorSuite, type Outside } from './connector-suite.ts'
export { storeConformance, type Abilities, type StoreSuite, type Subject } from './store-suite/index.ts'
