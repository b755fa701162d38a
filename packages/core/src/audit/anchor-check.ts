/** AnchorCheck: anchors against a journal as it is read from its first entry on, in commit order. */
import { KeelsonError } from '../base/errors.ts'
import { parse } from '../base/schema.ts'
import { isSigned, keyIdOf } from '../base/sign.ts'
import type { Entry, Head } from '../journal/entry.ts'
import { anchorHash, anchorSchema, signedText, type Anchor } from './anchor.ts'
import { merkleRoot } from './merkle.ts'

/** Anchors from the sink, and the public keys (PEM) of those who may sign them. */
export interface Anchored {
  readonly anchors: readonly Anchor[]
  readonly keys: readonly string[]
}

export interface AnchorCheck {
  see(entry: Pick<Entry, 'stream' | 'seq' | 'hash'>): void
  /** After the last entry: what does not hold, and up to which entry the anchors vouch for the journal. */
  end(): { readonly faults: readonly string[]; readonly anchored: number }
}

/** Throws `INPUT_INVALID` for what is no anchor, or anchors without keys: a signature that nobody checks proves nothing. */
export function anchorCheck(workspace: string, given: Anchored): AnchorCheck {
  const anchors = given.anchors.map((one, i) => parse(anchorSchema, one, 'INPUT_INVALID', `anchor ${i + 1}`))
  if (given.keys.length === 0) {
    throw new KeelsonError('INPUT_INVALID', 'anchors are checked under the public keys of those who signed them', {
      hint: 'Pass keys: [publicPem].',
    })
  }
  const keys = new Map(given.keys.map((pem) => [keyIdOf(pem), pem]))
  const faults = anchors.flatMap((anchor) => unsigned(workspace, anchor, keys))
  faults.push(...unlinked(anchors))
  const open = new Map(anchors.map((anchor) => [anchor, new Map<string, Head>()]))
  let entries = 0
  let anchored = 0
  return {
    see({ stream, seq, hash }) {
      entries++
      for (const [anchor, heads] of open) {
        if (entries <= anchor.from) continue
        heads.set(stream, { seq, hash })
        if (entries < anchor.to) continue
        open.delete(anchor)
        if (heads.size === anchor.streams && merkleRoot(heads) === anchor.root) anchored = entries
        else
          faults.push(`entries ${anchor.from + 1} to ${anchor.to} are not what anchor ${anchor.number} was signed over`)
      }
    },
    end() {
      const short = [...open.keys()].map(
        ({ number, to, at }) =>
          `the journal ends at entry ${entries}, but anchor ${number} of ${at} covers ${to}: it was cut off, or is an old copy`,
      )
      return { faults: [...faults, ...short], anchored: faults.length + short.length === 0 ? anchored : 0 }
    },
  }
}

function unsigned(workspace: string, anchor: Anchor, keys: ReadonlyMap<string, string>): string[] {
  const name = `anchor ${anchor.number}`
  if (anchor.workspace !== workspace) return [`${name} is of workspace ${anchor.workspace}`]
  const key = keys.get(anchor.keyId)
  if (key === undefined) return [`${name} is signed under key ${anchor.keyId}, which was not given`]
  return isSigned(key, signedText(anchor), anchor.signature) ? [] : [`${name} does not carry a signature of its key`]
}

/** Each anchor follows one that was given: none was left out, and none replaced. */
function unlinked(anchors: readonly Anchor[]): string[] {
  const byHash = new Map(anchors.map((anchor) => [anchorHash(anchor), anchor]))
  return anchors.flatMap(({ number, previous, from }) => {
    const before = byHash.get(previous)
    if (number === 1 && previous === '' && from === 0) return []
    if (before?.number === number - 1 && before.to === from) return []
    return [`anchor ${number} does not follow any that was given`]
  })
}
