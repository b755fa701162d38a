/** Folder: where one go of the demo lives: the studio's files and calendar, the mail server's own copy, the store. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

export interface Folder {
  readonly path: string
  /** The root of the files connector: inbox/, templates/, clients/. */
  readonly files: string
  readonly calendar: string
  /** Where the mail server files what it takes. */
  readonly sent: string
  /** The SQLite file. */
  readonly store: string
}

export function folderAt(path: string): Folder {
  const full = resolve(path)
  return {
    path: full,
    files: join(full, 'studio'),
    calendar: join(full, 'studio.ics'),
    sent: join(full, 'sent'),
    store: join(full, 'company.db'),
  }
}

/** A folder with the demo's input in it: a new one in the system's place for such, or the empty one at `path`. */
export function prepareFolder(path?: string): Folder {
  if (path !== undefined && existsSync(path) && readdirSync(path).length > 0) {
    throw new Error(`${path} is not empty: give --dir a new or an empty folder`)
  }
  const folder = folderAt(path ?? mkdtempSync(join(tmpdir(), 'keelson-demo-')))
  for (const each of ['inbox', 'templates', 'clients']) mkdirSync(join(folder.files, each), { recursive: true })
  mkdirSync(folder.sent, { recursive: true })
  const input = (name: string): string => join(import.meta.dirname, 'input', name)
  cpSync(input('enquiry.eml'), join(folder.files, 'inbox', 'enquiry.eml'))
  cpSync(input('contract-template.md'), join(folder.files, 'templates', 'contract.md'))
  cpSync(input('studio.ics'), folder.calendar)
  return folder
}
