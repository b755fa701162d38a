/** The crash matrix, its first half: each program, cut at a share of its points, ends as it does uncut. `npm run crashes` explores all. */
import { matrix } from './crash-matrix.ts'
import { cut } from './support/cut.ts'

cut(matrix.slice(0, matrix.length / 2))
