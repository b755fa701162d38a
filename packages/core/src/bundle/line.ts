/**
 * Line: what a bundle is made of: one canonical JSON object per line, in a fixed order.
 *
 * B1. The first line is the head, the last one the end, whose hash covers every byte before it.
 * B2. Behind the head come schemas, entries in the order of their writing, artifacts, records, runs with their unread mail.
 * B3. The same state gives the same bytes: no line holds an instant, a number or a name of the store or of the export.
 */
import type { z } from 'zod'
import { KeelsonError } from '../base/errors.ts'
import { canonicalAround } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import { withZod, type Zod } from '../base/zod.ts'

/** The format that this release writes. It reads this one and every older one. */
export const BUNDLE_FORMAT = 1

const json = (z: Zod) => z.custom<Json>((value) => value !== undefined)

const head = withZod((z) =>
  z.object({
    type: z.literal('keelson.bundle'),
    format: z.int().min(1),
    workspace: z.string(),
    /** Entries of the workspace that come before this bundle: 0 for a whole one. */
    from: z.int().min(0),
  }),
)

/** What this release tells the shapes of. None of it is needed to take a bundle in. */
export type SchemaOf = 'playbook' | 'entity' | 'event' | 'policy' | 'settings'

const schemaLine = withZod((z) =>
  z.object({
    type: z.literal('schema'),
    /** Of what: see `SchemaOf`. Any other word is from a later release, which may tell of more. */
    of: z.string(),
    name: z.string(),
    version: z.union([z.string(), z.int().min(0)]),
    schema: json(z).optional(),
  }),
)

const entry = withZod((z) =>
  z.object({
    type: z.literal('entry'),
    stream: z.string(),
    seq: z.int().min(1),
    kind: z.string(),
    key: z.string(),
    at: z.number(),
    payload: z.string().nullable(),
    salt: z.string().nullable(),
    payloadHash: z.string(),
    hash: z.string(),
  }),
)

const artifact = withZod((z) =>
  z.object({
    type: z.literal('artifact'),
    sha256: z.string(),
    size: z.int().min(0),
    /** Base64; absent when the bytes travel by other means. */
    bytes: z.string().optional(),
  }),
)

const record = withZod((z) =>
  z.object({
    type: z.literal('record'),
    kind: z.string(),
    id: z.string(),
    version: z.int().min(1),
    /** Null in an increment: the record has ended since. */
    data: json(z),
    index: z.record(z.string(), z.string()).optional(),
    sort: z.union([z.number(), z.literal('position')]).optional(),
  }),
)

const run = withZod((z) =>
  z.object({
    type: z.literal('run'),
    id: z.string(),
    stream: z.string(),
    playbook: z.string(),
    version: z.int(),
    lane: z.string().nullable(),
    laneWhileRunning: z.boolean(),
    root: z.string(),
    createdAt: z.number(),
    settled: z.object({ at: z.number(), status: z.string() }).optional(),
  }),
)

const mail = withZod((z) =>
  z.object({
    type: z.literal('mail'),
    run: z.string(),
    onceKey: z.string(),
    kind: z.string(),
    payload: z.string(),
    at: z.number(),
  }),
)

const end = withZod((z) =>
  z.object({
    type: z.literal('end'),
    /** Lines before this one. */
    lines: z.int().min(0),
    /** Entries of the workspace up to here: where the next increment begins. */
    entries: z.int().min(0),
    sha256: z.string(),
  }),
)

const line = withZod((z) =>
  z.discriminatedUnion('type', [head(), schemaLine(), entry(), artifact(), record(), run(), mail(), end()]),
)

export type BundleLine = z.infer<ReturnType<typeof line>>
export type LineOf<Type extends BundleLine['type']> = Extract<BundleLine, { type: Type }>
export type BundleHead = LineOf<'keelson.bundle'>
export type BundleEnd = LineOf<'end'>

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
  const parsed = line().safeParse(value)
  if (parsed.success) return parsed.data
  throw invalid(number, parsed.error.issues[0]?.message ?? 'it is no line of a bundle')
}

export function invalid(number: number, why: string): KeelsonError {
  return new KeelsonError('BUNDLE_INVALID', `line ${number} of the bundle: ${why}`, {
    hint: 'The bundle was cut off or changed on its way: export it again. Nothing of this line was taken in.',
    data: { line: number },
  })
}
