/**
 * Anchor: a signed word, kept outside of the store, on where a workspace's streams ended.
 *
 * A chain shows that nothing in it was changed; only what is kept elsewhere shows that it was not cut short or written anew.
 *
 * R1. An anchor signs the Merkle root over the ends of the streams that changed since the anchor before it, and names
 *     that anchor by its hash. An end is a hash over all that its stream held then.
 * R2. It is with the sink before the store says that it was made: a crash in between makes it again under the same
 *     number, and both hold.
 * R3. An end names its stream by the hash of its first entry: what leaves the store tells nothing, and cannot be guessed.
 * R4. The private key never enters the store, an entry or an anchor.
 */
import type { z } from 'zod'
import { KeelsonError } from '../base/errors.ts'
import { sha256 } from '../base/hash.ts'
import { canonical } from '../base/json.ts'
import type { Signer } from '../base/sign.ts'
import { withZod } from '../base/zod.ts'
import type { Environment } from '../conductor/environment.ts'
import { iso } from '../conductor/waiting.ts'
import type { Entry, Placed } from '../journal/entry.ts'
import type { MemoryStore } from '../journal/store.ts'
import { merkleRoot } from './merkle.ts'

/** As a sink gets it, and as `verify` takes it back. */
export const anchorSchema = withZod((z) =>
  z.strictObject({
    v: z.literal(1),
    workspace: z.string(),
    /** 1, 2, 3 and so on, per workspace. */
    number: z.int().min(1),
    at: z.string(),
    /** Entries since the anchor before. */
    entries: z.int().min(1),
    /** Of `ends`. */
    root: z.string(),
    /** Hash of the anchor before; '' for the first. */
    previous: z.string(),
    keyId: z.string(),
    /** Ed25519, base64url, over `keelson.anchor.v1`, a line feed, and the canonical JSON of all of the above. */
    signature: z.string(),
    /** Where each changed stream ended: hash of its first entry (22 characters), seq and hash of its last. */
    ends: z.array(z.string().regex(/^[\w-]{22}\.\d+\.[\w-]{43}$/)).min(1),
  }),
)

export type Anchor = Readonly<z.infer<ReturnType<typeof anchorSchema>>>

/** Keeps anchors where whoever can write to the store cannot: a file elsewhere, a write-once bucket, a colleague's mail. */
export type AnchorSink = (anchor: Anchor) => Promise<void> | void

export interface Anchoring {
  readonly signer: Signer
  readonly sink: AnchorSink
}

/** What the store remembers of the last anchor. */
interface Last {
  readonly number: number
  readonly hash: string
  readonly at: number
  /** The last entry that is covered. */
  readonly position: number
  readonly entry: string
}

export const ANCHOR_KIND = 'anchor'
const PAGE = 1000

/** Anchors what came since the last anchor; undefined when nothing did. Throws `ANCHOR_FAILED`; nothing is recorded then. */
export async function anchorNow(
  env: Environment,
  workspace: string,
  anchoring: Anchoring,
): Promise<Anchor | undefined> {
  const found = await lastAnchor(env.store, workspace)
  const since = await gather(env.store, workspace, found?.last)
  if (since === undefined) return undefined
  const { ends } = since
  const anchor = await signed(anchoring.signer, ends, {
    v: 1,
    workspace,
    number: (found?.last.number ?? 0) + 1,
    at: iso(env.clock.now()),
    entries: since.entries,
    root: merkleRoot(ends),
    previous: found?.last.hash ?? '',
    keyId: anchoring.signer.keyId,
  })
  try {
    await anchoring.sink(anchor)
  } catch (cause) {
    throw failed('the sink did not take the anchor', cause)
  }
  const { number } = anchor
  const hash = anchorHash(anchor)
  const last: Last = { number, hash, at: env.clock.now(), position: since.end.position, entry: since.end.hash }
  await env.company(workspace).edit(async () => {
    const now = await lastAnchor(env.store, workspace)
    if (now?.version !== found?.version) return undefined // another process was faster: both anchors hold
    const put = { kind: ANCHOR_KIND, id: 'last', version: (found?.version ?? 0) + 1, data: { ...last } }
    return { drafts: [{ kind: 'audit.anchored', data: { number, hash, root: anchor.root, puts: [put] } }] }
  })
  return anchor
}

/** When the last anchor was made; undefined: never. */
export async function anchoredAt(store: MemoryStore, workspace: string): Promise<number | undefined> {
  return (await lastAnchor(store, workspace))?.last.at
}

export function anchorHash(anchor: Anchor): string {
  return sha256(canonical(anchor))
}

/** What the signature is over. */
export function signedText({ signature: _signature, ends: _ends, ...body }: Anchor): string {
  return textOf(body)
}

type Signed = Omit<Anchor, 'signature' | 'ends'>

function textOf(body: Signed): string {
  return `keelson.anchor.v1\n${canonical(body)}`
}

async function signed(signer: Signer, ends: Anchor['ends'], body: Signed): Promise<Anchor> {
  try {
    const signature = await signer.sign(new TextEncoder().encode(textOf(body)))
    return Object.freeze({ ...body, signature: Buffer.from(signature).toString('base64url'), ends })
  } catch (cause) {
    throw failed('the signer did not sign', cause)
  }
}

function failed(what: string, cause: unknown): KeelsonError {
  return new KeelsonError('ANCHOR_FAILED', `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, {
    hint: 'No anchor was recorded; the next one covers what this one was to cover.',
    cause,
  })
}

async function lastAnchor(store: MemoryStore, workspace: string): Promise<{ last: Last; version: number } | undefined> {
  const [row] = await store.records(workspace, { kind: ANCHOR_KIND, ids: ['last'], limit: 1 })
  return row === undefined ? undefined : { last: JSON.parse(row.data) as Last, version: row.version }
}

interface Since {
  readonly entries: number
  readonly ends: string[]
  readonly end: Placed
}

/** What was committed behind the last anchor; undefined when it is nothing but word of that anchor. */
async function gather(store: MemoryStore, workspace: string, last: Last | undefined): Promise<Since | undefined> {
  const heads = new Map<string, Entry>()
  const firsts = new Map<string, string>()
  let entries = 0
  let worth = false
  let end: Placed | undefined
  for (let after = await positionOf(store, workspace, last); ;) {
    const page = await store.tail(workspace, after, PAGE)
    for (const entry of page) {
      entries++
      worth ||= entry.kind !== 'audit.anchored'
      if (entry.seq === 1) firsts.set(entry.stream, entry.hash)
      heads.set(entry.stream, entry)
      end = entry
    }
    after = end?.position ?? after
    if (page.length < PAGE) break
  }
  if (!worth || end === undefined) return undefined
  const ends: string[] = []
  for (const [stream, head] of heads) {
    const first = firsts.get(stream) ?? (await store.entries(workspace, stream, 0, 1))[0]?.hash
    if (first !== undefined) ends.push(endText(first, head)) // else it was pruned meanwhile
  }
  return ends.length === 0 ? undefined : { entries, ends: ends.sort(), end }
}

/** One end as an anchor names it. */
export function endText(first: string, { seq, hash }: Pick<Entry, 'seq' | 'hash'>): string {
  return `${first.slice(0, FIRST)}.${seq}.${hash}`
}

export const FIRST = 22

/** Where the last anchored entry stands now: a store that was filled anew has other positions. */
async function positionOf(store: MemoryStore, workspace: string, last: Last | undefined): Promise<number> {
  if (last === undefined) return 0
  const [entry] = await store.tail(workspace, last.position - 1, 1)
  if (entry?.hash === last.entry) return last.position
  for (let after = 0; ;) {
    const page = await store.tail(workspace, after, PAGE)
    const found = page.find((one) => one.hash === last.entry)
    if (found !== undefined) return found.position
    if (page.length < PAGE) return 0 // it was pruned: all that is there is anchored again
    after = page.at(-1)!.position
  }
}
