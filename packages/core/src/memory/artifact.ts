/** Artifact: bytes that are kept under their sha-256, referred to and never held in an entry. */
import type { z } from 'zod'
import { KeelsonError } from '../base/errors.ts'
import { isUnlabelled, joinLabels, keptIn, labelled, NO_LABELS, type Labels } from '../base/labels.ts'
import { sha256Hex } from '../base/hash.ts'
import { stored } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { Zod } from '../base/zod.ts'
import type { Put } from '../journal/put.ts'

/** What entries and entities hold instead of the bytes. As a schema, made with your zod: for fields that refer to an artifact. */
export function artifactRef(z: Zod) {
  return z.object({
    /** Hex. */
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    /** Bytes. */
    size: z.int().min(0),
    /** Media type. */
    type: z.string(),
    name: z.string().optional(),
    /** Where it came from: a run and step, a person, a template and its version. */
    origin: z.json().optional(),
  })
}

export type ArtifactRef = z.output<ReturnType<typeof artifactRef>>

/** As it stands in a value that is stored. */
export function isArtifactRef(value: object): value is ArtifactRef {
  const { sha256, size, type } = value as { readonly [part: string]: unknown }
  return (
    typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) && typeof size === 'number' && typeof type === 'string'
  )
}

/** Of all the files that a value refers to, the hashes. */
export function filesIn(value: Json | undefined): string[] {
  if (typeof value !== 'object' || value === null) return []
  return !Array.isArray(value) && isArtifactRef(value) ? [value.sha256] : Object.values(value).flatMap(filesIn)
}

export interface ArtifactOptions {
  readonly name?: string
  /** Media type. Default: `text/plain` for text, `application/octet-stream` for bytes. */
  readonly type?: string
  /** What it was made from, beside who made it. */
  readonly origin?: Json
  /** What it was made from: outcomes of earlier operations, whose labels it gets. Default: all that the run has seen. */
  readonly because?: readonly unknown[]
}

/** A text that knows what it was made from: a filled template. */
export interface Made {
  readonly type: 'template'
  readonly id: string
  readonly version: number
  readonly name: string
  readonly text: string
}

/** Bytes and text in, references out. */
export interface Artifacts {
  /** Keeps it, together with the entry that refers to it. The same bytes are kept once. */
  put(content: string | Uint8Array | Made, options?: ArtifactOptions): Promise<ArtifactRef>
  /** Throws `ARTIFACT_NOT_FOUND`. */
  get(artifact: ArtifactRef | string): Promise<Uint8Array>
  /** As UTF-8. */
  text(artifact: ArtifactRef | string): Promise<string>
  /** What the second says that the first did not, by lines. */
  diff(before: ArtifactRef | string, after: ArtifactRef | string): Promise<ArtifactDiff>
}

export interface ArtifactDiff {
  readonly same: boolean
  readonly kind: 'text' | 'binary'
  /** Bytes that it grew by. */
  readonly grew: number
  readonly added: number
  readonly removed: number
  /** All lines, each with its sign: ' ' kept, '-' removed, '+' added. Empty for bytes. */
  readonly lines: readonly { readonly sign: ' ' | '-' | '+'; readonly text: string }[]
}

/** The largest artifact that is kept, in bytes. */
export const ARTIFACT_MAX = 64 * 1024 * 1024

/** Content as bytes of its own, and the reference to them. Throws `INPUT_INVALID` for what is too large. */
export function artifactOf(
  content: string | Uint8Array | Made,
  options: ArtifactOptions = {},
): { ref: ArtifactRef; bytes: Uint8Array } {
  const made = typeof content === 'string' || content instanceof Uint8Array ? undefined : content
  const given = made === undefined ? (content as string | Uint8Array) : made.text
  const bytes = typeof given === 'string' ? new TextEncoder().encode(given) : Uint8Array.from(given)
  if (bytes.length > ARTIFACT_MAX) {
    throw new KeelsonError('INPUT_INVALID', `an artifact of ${bytes.length} bytes is larger than ${ARTIFACT_MAX}`, {
      hint: 'Keep it where such files are kept, and store its address.',
    })
  }
  const origin = options.origin ?? (made === undefined ? undefined : originOf(made))
  const ref = {
    sha256: sha256Hex(bytes),
    size: bytes.length,
    type: options.type ?? (typeof given === 'string' ? 'text/plain' : 'application/octet-stream'),
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(origin === undefined ? {} : { origin }),
  }
  return { ref: stored(ref) as ArtifactRef, bytes }
}

function originOf({ id, name, version }: Made): Json {
  return { template: name, entity: id, version }
}

export function artifactMissing(sha256: string): KeelsonError {
  return new KeelsonError(
    'ARTIFACT_NOT_FOUND',
    `no artifact ${String(sha256).slice(0, 64).toWellFormed()} is kept here`,
    {
      hint: 'Keep it first, with artifacts.put(). A reference is good in the workspace that it comes from.',
    },
  )
}

export function shaOf(artifact: ArtifactRef | string): string {
  return typeof artifact === 'string' ? artifact : artifact.sha256
}

/** The record of an artifact: what is known of it, found by where it came from. */
export function artifactPut(
  ref: ArtifactRef,
  at: number,
  by: { run?: string; by?: string },
  written: Labels = NO_LABELS,
): Put {
  const labels = joinLabels(written, labelsOfOrigin(ref.origin))
  return {
    kind: 'artifact',
    id: ref.sha256,
    version: 1,
    data: { ...ref, ...by, at: new Date(at).toISOString(), ...(isUnlabelled(labels) ? {} : { labels }) } as Json,
    index: by.run === undefined ? {} : { run: by.run },
    sort: at,
  }
}

/** What comes from a connector, or is said to come from outside, is untrusted. */
function labelsOfOrigin(origin: Json | undefined): Labels {
  const { connector, outside } = (origin ?? {}) as { connector?: Json; outside?: Json }
  if (typeof connector === 'string') return labelled(['untrusted'], connector)
  return labelled(outside === true ? ['untrusted'] : [], 'outside')
}

/** What the artifact of this record is to be taken for. */
export function labelsOfArtifact(row: { readonly id: string; readonly data: string } | undefined): Labels {
  if (row === undefined) return NO_LABELS
  const { labels, name } = JSON.parse(row.data) as { labels?: Labels; name?: string }
  return keptIn(labels ?? NO_LABELS, `artifact ${name ?? row.id.slice(0, 12)}`)
}
