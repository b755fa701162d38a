/** The public names of @keelson/connectors/files. */
import { defineConnector, type ConnectorDefinition, type ConnectorUse } from '@keelson/core'
import { forUse, opened, type PerWorkspace } from '../connect/option.ts'
import { list, move, read, remove, write } from './actions.ts'

export interface FilesOptions {
  /** The folder that names are below. A plain path serves the workspace `default`; give a function for many. */
  readonly root: PerWorkspace<string>
}

type Actions = { read: typeof read; list: typeof list; write: typeof write; move: typeof move; remove: typeof remove }

/** Files below one folder: `files.connect({ root })`. */
export const files: ConnectorDefinition<Actions, FilesOptions> = defineConnector({
  name: 'files',
  actions: { read, list, write, move, remove },
  open: (options: FilesOptions | undefined, use: ConnectorUse) => opened(() => forUse(options?.root, use, 'root')),
})

export { blobsIn, blobsOf, type Blobs } from './blobs.ts'
export type { PerWorkspace } from '../connect/option.ts'
