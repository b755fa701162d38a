/** Gone: what stands in the place of a text that was erased. */
export const GONE = '[erased]'
