/** Blank: a file with the tables of a store and nothing in them, copied to where the next store is to be. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MemoryStore } from '@keelson/core/ports'
import { connect, kyselyOn } from '../file/connection.ts'
import { migrate } from '../file/schema.ts'
import { loadKysely } from '../sql/kysely.ts'
import { migrations } from '../sql/migrations.ts'

/** The same store, which finds its tables made: making them is most of what opening a new file costs. */
export function onBlank<Store extends Pick<MemoryStore, 'open'>>(path: string, store: Store): Store {
  const open: MemoryStore['open'] = async (options) => {
    if (!existsSync(path)) writeFileSync(path, await (blank ??= make()))
    return store.open(options)
  }
  return { ...store, open }
}

let blank: Promise<Buffer> | undefined

async function make(): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), 'keelson-blank-'))
  const path = join(folder, 'blank.db')
  await loadKysely()
  const handle = await connect(path, 'process')
  await migrate(handle, kyselyOn(handle), path, migrations('sqlite'))
  handle.pragma('wal_checkpoint(TRUNCATE)')
  handle.close()
  const bytes = readFileSync(path)
  rmSync(folder, { recursive: true, force: true })
  return bytes
}
