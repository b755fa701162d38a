/** AnchorCheck: anchors against a journal as it is read from its first entry on, in commit order. */
import { KeelsonError } from '../base/errors.ts'
import { parse } from '../base/schema.ts'
import { isSigned, keyIdOf } from '../base/sign.ts'
import { dataOf, type Entry } from '../journal/entry.ts'
import { anchorHash, anchorSchema, endText, FIRST, signedText, type Anchor } from './anchor.ts'
import { merkleRoot } from './merkle.ts'

/** Anchors from the sink, and the public keys (PEM) of those who may sign them. */
export interface Anchored {
  readonly anchors: readonly Anchor[]
  readonly keys: readonly string[]
}

export interface AnchorCheck {
  see(entry: Entry): void
  /** After the last entry: what does not hold, and up to which anchor the journal is as signed; 0 when one does not hold. */
  end(): { readonly faults: readonly string[]; readonly anchored: number }
}

/** Throws `INPUT_INVALID` for what is no anchor, or anchors without keys: a signature that nobody checks proves nothing. */
export function anchorCheck(workspace: string, given: Anchored): AnchorCheck {
  const anchors = given.anchors.map((one, i) => parse(anchorSchema(), one, 'INPUT_INVALID', `anchor ${i + 1}`))
  if (given.keys.length === 0) {
    throw new KeelsonError('INPUT_INVALID', 'anchors are checked under the public keys of those who signed them', {
      hint: 'Pass keys: [publicPem].',
    })
  }
  const keys = new Map(given.keys.map((pem) => [keyIdOf(pem), pem]))
  const wrong = [...anchors.flatMap((anchor) => unsigned(workspace, anchor, keys)), ...unlinked(anchors)]
  const missing = new Set(anchors.flatMap(({ ends }) => ends))
  const firsts = new Map<string, string>()
  const pruned = new Map<string, number>()
  return {
    see(entry) {
      const { stream, seq, hash, kind, payload } = entry
      if (seq === 1) firsts.set(stream, hash)
      const first = firsts.get(stream)
      if (first !== undefined) missing.delete(endText(first, entry))
      if (kind !== 'stream.pruned' || payload === null) return
      const data = dataOf(entry as Entry & { kind: 'stream.pruned' })
      for (const one of data.streams) pruned.set(one.first.slice(0, FIRST), one.seq)
    },
    end() {
      const gone = (end: string): boolean => missing.has(end) && !isPruned(end, pruned)
      const faults = [...wrong, ...anchors.flatMap((anchor) => unmet(anchor, gone))]
      return { faults, anchored: faults.length > 0 ? 0 : Math.max(0, ...anchors.map(({ number }) => number)) }
    },
  }
}

/** A stream that was pruned, as an entry says, reached further than the anchor. */
function isPruned(end: string, pruned: ReadonlyMap<string, number>): boolean {
  const [first, seq] = end.split('.') as [string, string]
  return Number(seq) <= (pruned.get(first) ?? 0)
}

function unmet(anchor: Anchor, gone: (end: string) => boolean): string[] {
  const { number, at, ends } = anchor
  const lost = ends.filter(gone).length
  if (lost === 0) return []
  const of = `${lost} of the ${ends.length} streams that anchor ${number} of ${at} signed`
  return [`${of} are not what they were: changed, cut off, or an old copy`]
}

function unsigned(workspace: string, anchor: Anchor, keys: ReadonlyMap<string, string>): string[] {
  const name = `anchor ${anchor.number}`
  if (anchor.workspace !== workspace) return [`${name} is of workspace ${anchor.workspace}`]
  const key = keys.get(anchor.keyId)
  if (key === undefined) return [`${name} is signed under key ${anchor.keyId}, which was not given`]
  if (!isSigned(key, signedText(anchor), anchor.signature)) return [`${name} does not carry a signature of its key`]
  return merkleRoot(anchor.ends) === anchor.root ? [] : [`${name} lists other streams than it signed`]
}

/** Each anchor follows one that was given: none was left out, and none replaced. */
function unlinked(anchors: readonly Anchor[]): string[] {
  const byHash = new Map(anchors.map((anchor) => [anchorHash(anchor), anchor]))
  return anchors.flatMap(({ number, previous }) => {
    if (number === 1 && previous === '') return []
    if (byHash.get(previous)?.number === number - 1) return []
    return [`anchor ${number} does not follow any that was given`]
  })
}
