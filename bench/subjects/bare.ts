/** Bare: what SQLite itself does on this disk with the same durability: one insert of 200 bytes per commit. */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { result } from '../measure/work.ts'

export interface Bare {
  readonly commitsPerSecond: number
  readonly commitMs: number
}

export function commits({ folder, seconds }: { folder: string; seconds: number }): Bare {
  const db = new Database(join(folder, `bare-${process.pid}.db`))
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.exec('create table t (id integer primary key, run text not null, data text not null)')
  const insert = db.prepare('insert into t (run, data) values (?, ?)')
  const write = (at: number): unknown => insert.run(`run-${at % 100}`, JSON.stringify(result('run', at)))
  for (let at = 0; at < 50; at++) write(at)
  const began = performance.now()
  let count = 0
  while (performance.now() - began < seconds * 1000) write(count++)
  const ms = performance.now() - began
  db.close()
  return { commitsPerSecond: (count / ms) * 1000, commitMs: ms / count }
}
