/** The crash matrix: all programs that are cut everywhere. A share of each in the tests, all of it by `npm run crashes`. */
import { demoProgram } from './crash-demo.ts'
import { agentPrograms } from './crash-agents.ts'
import { limitPrograms } from './crash-limits.ts'
import { memoryPrograms } from './crash-memory.ts'
import { peoplePrograms } from './crash-people.ts'
import { programs, type Program } from './crash-programs.ts'
import { revertPrograms } from './crash-reverts.ts'

export const matrix: readonly Program[] = [
  demoProgram,
  ...programs,
  ...revertPrograms,
  ...peoplePrograms,
  ...limitPrograms,
  ...agentPrograms,
  ...memoryPrograms,
]
