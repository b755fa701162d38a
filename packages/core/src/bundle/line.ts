/**
 * Line: what a bundle is made of: one canonical JSON object per line, in a fixed order.
 *
 * B1. The first line is the head, the last one the end, whose hash covers every byte before it.
 * B2. Behind the head come schemas, entries in the order of their writing, artifacts, records, runs with their unread mail.
 * B3. The same state gives the same bytes: no line holds an instant, a number or a name of the store or of the export.
 */
import { z } from 'zod'
import { KeelsonError } from '../base/errors.ts'
import { canonicalAround } from '../base/json.ts'
import type { Json } from '../base/value.ts'

/** The format that this release writes. It reads this one and every older one. */
export const BUNDLE_FORMAT = 1

const text = z.string()
const count = z.int().min(0)
const json = z.custom<Json>((value) => value !== undefined)

const head = z.object({
  type: z.literal('keelson.bundle'),
  format: z.int().min(1),
  workspace: text,
  /** Entries of the workspace that come before this bundle: 0 for a whole one. */
  from: count,
})

const schemaLine = z.object({
  type: z.literal('schema'),
  of: z.enum(['playbook', 'entity', 'policy', 'settings']),
  name: text,
  version: z.union([text, count]),
  schema: json.optional(),
})

const entry = z.object({
  type: z.literal('entry'),
  stream: text,
  seq: z.int().min(1),
  kind: text,
  key: text,
  at: z.number(),
  payload: text.nullable(),
  salt: text.nullable(),
  payloadHash: text,
  hash: text,
})

const artifact = z.object({
  type: z.literal('artifact'),
  sha256: text,
  size: count,
  /** Base64; absent when the bytes travel by other means. */
  bytes: text.optional(),
})

const record = z.object({
  type: z.literal('record'),
  kind: text,
  id: text,
  version: z.int().min(1),
  /** Null in an increment: the record has ended since. */
  data: json,
  index: z.record(text, text).optional(),
  sort: z.union([z.number(), z.literal('position')]).optional(),
})

const run = z.object({
  type: z.literal('run'),
  id: text,
  stream: text,
  playbook: text,
  version: z.int(),
  lane: text.nullable(),
  laneWhileRunning: z.boolean(),
  root: text,
  createdAt: z.number(),
  settled: z.object({ at: z.number(), status: text }).optional(),
})

const mail = z.object({
  type: z.literal('mail'),
  run: text,
  onceKey: text,
  kind: text,
  payload: text,
  at: z.number(),
})

const end = z.object({
  type: z.literal('end'),
  /** Lines before this one. */
  lines: count,
  /** Entries of the workspace up to here: where the next increment begins. */
  entries: count,
  sha256: text,
})

const line = z.discriminatedUnion('type', [head, schemaLine, entry, artifact, record, run, mail, end])

export type BundleLine = z.infer<typeof line>
export type BundleHead = z.infer<typeof head>
export type BundleEnd = z.infer<typeof end>
export type LineOf<Type extends BundleLine['type']> = Extract<BundleLine, { type: Type }>

export function writeLine(value: BundleLine): string {
  return `${canonicalAround(value)}\n`
}

/** Throws `BUNDLE_INVALID`, naming the line. */
export function parseLine(written: string, number: number): BundleLine {
  let value: unknown
  try {
    value = JSON.parse(written)
  } catch {
    throw invalid(number, 'it is no JSON')
  }
  const parsed = line.safeParse(value)
  if (parsed.success) return parsed.data
  throw invalid(number, parsed.error.issues[0]?.message ?? 'it is no line of a bundle')
}

export function invalid(number: number, why: string): KeelsonError {
  return new KeelsonError('BUNDLE_INVALID', `line ${number} of the bundle: ${why}`, {
    hint: 'The bundle was cut off or changed on its way: export it again. Nothing of this line was taken in.',
    data: { line: number },
  })
}
