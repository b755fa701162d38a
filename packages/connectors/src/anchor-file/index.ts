/** The public names of @keelson/connectors/anchor-file. */
export { anchorFile, type AnchorFile } from './file.ts'
