/** Purge of the store in memory: text, whole streams, or all of a workspace. */
import type { Purge } from '@keelson/core/ports'
import type { Space } from './data.ts'

export function purge(space: Space, what: Purge): void {
  const { payloads = [], streams = [], runs = [], statuses = [], artifacts = [], allBut } = what
  for (const { stream, seq } of payloads) erase(space, stream, seq)
  for (const stream of streams) drop(space, stream)
  for (const run of runs) forgetMail(space, run)
  for (const { run: id, status } of statuses) {
    const run = space.runs.get(id)
    if (run?.row.state === 'settled') run.row = Object.freeze({ ...run.row, status })
  }
  for (const sha256 of artifacts) space.artifacts.delete(sha256)
  if (allBut === undefined) return
  for (const stream of [...space.streams.keys()]) if (stream !== allBut) drop(space, stream)
  for (const [at] of (space.streams.get(allBut) ?? []).entries()) erase(space, allBut, at + 1)
  space.runs.clear()
  space.records.clear()
  space.artifacts.clear()
}

function erase(space: Space, stream: string, seq: number): void {
  const position = space.streams.get(stream)?.[seq - 1]
  if (position === undefined) return
  space.log[position - 1] = Object.freeze({ ...space.log[position - 1]!, payload: null, salt: null })
}

function forgetMail(space: Space, id: string): void {
  const run = space.runs.get(id)
  if (run === undefined) return
  run.mail = []
  run.onceKeys.clear()
}

function drop(space: Space, stream: string): void {
  for (const position of space.streams.get(stream) ?? []) space.log[position - 1] = undefined
  space.streams.delete(stream)
}
