/** The crash matrix, its second half: a file of its own, so that both run at once. */
import { matrix } from './crash-matrix.ts'
import { cut } from './support/cut.ts'

cut(matrix.slice(matrix.length / 2))
