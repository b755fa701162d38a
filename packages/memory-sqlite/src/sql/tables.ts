/** Tables: the rows of a store, the same in every dialect. Each carries its workspace and a checksum over its columns. */
import type { Kysely } from 'kysely'

export interface Tables {
  meta: MetaTable
  workers: WorkersTable
  workspaces: WorkspacesTable
  streams: StreamsTable
  entries: EntriesTable
  runs: RunsTable
  mail: MailTable
  records: RecordsTable
  record_index: RecordIndexTable
  artifacts: ArtifactsTable
  kysely_migration: { name: string; timestamp: string }
}

export type Sql = Kysely<Tables>

/** The index of where a company's own entries are, among those of others: see `forSeveral` of the context. */
export const TAIL = 'entries_tail'

export interface MetaTable {
  key: string
  value: string
  crc: number
}

export interface WorkersTable {
  name: string
  opened_at: number
  crc: number
}

export interface WorkspacesTable {
  id: number
  name: string
  crc: number
}

export interface StreamsTable {
  id: number
  workspace: number
  name: string
  crc: number
}

export interface EntriesTable {
  position: number
  workspace: number
  stream: number
  seq: number
  kind: string
  key: string
  at: number
  payload: string | null
  salt: string | null
  payload_hash: string
  hash: string
  crc: number
}

export interface RunsTable {
  workspace: number
  id: string
  stream: string
  playbook: string
  version: number
  state: string
  /** Since when, or from when on, it may be claimed; null: not by time. */
  due_at: number | null
  status: string
  lane: string | null
  root: string
  lane_running: number
  /** Its turn in the lane: that of its family's open runs in it, else its own number. */
  place: number
  epoch: number
  worker: string | null
  deaths: number
  claims: number
  created_at: number
  settled_at: number | null
  num: number
  /** Mail that was ever delivered to it: the number of the last row. */
  mails: number
  /** `mails` when it was last claimed. */
  shown: number
  crc: number
}

export interface MailTable {
  workspace: number
  run: string
  num: number
  once_key: string
  kind: string
  /** Null once it was taken into the stream: then only the key is kept. */
  payload: string | null
  at: number
  crc: number
}

export interface RecordsTable {
  workspace: number
  kind: string
  id: string
  version: number
  data: string
  sort: number
  /** The index rows under which it is found, as JSON. */
  fields: string
  crc: number
}

export interface RecordIndexTable {
  workspace: number
  kind: string
  field: string
  value: string
  sort: number
  id: string
}

export interface ArtifactsTable {
  workspace: number
  sha256: Uint8Array
  bytes: Uint8Array
}
