/** Diff: the lines of two texts against each other. */
import type { ArtifactDiff } from './artifact.ts'

type Line = ArtifactDiff['lines'][number]

/** Steps of the search before the rest counts as replaced. */
const EDITS_MAX = 2000

export function diffOf(before: Uint8Array, after: Uint8Array): ArtifactDiff {
  const grew = after.length - before.length
  const [old, now] = [textOf(before), textOf(after)]
  if (old === undefined || now === undefined) {
    const same = grew === 0 && before.every((byte, at) => byte === after[at])
    return { same, kind: 'binary', grew, added: 0, removed: 0, lines: [] }
  }
  const lines = compare(old.split('\n'), now.split('\n'))
  const count = (sign: Line['sign']): number => lines.filter((line) => line.sign === sign).length
  return { same: old === now, kind: 'text', grew, added: count('+'), removed: count('-'), lines }
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return text.includes('\0') ? undefined : text
  } catch {
    return undefined
  }
}

function compare(before: readonly string[], after: readonly string[]): Line[] {
  let head = 0
  while (head < before.length && head < after.length && before[head] === after[head]) head++
  let tail = 0
  while (
    tail < before.length - head &&
    tail < after.length - head &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  )
    tail++
  const kept = (text: string): Line => ({ sign: ' ', text })
  const middle = shortest(before.slice(head, before.length - tail), after.slice(head, after.length - tail))
  return [...before.slice(0, head).map(kept), ...middle, ...before.slice(before.length - tail).map(kept)]
}

/**
 * The shortest list of edits.
 *
 * Source: E. W. Myers, "An O(ND) Difference Algorithm and Its Variations", Algorithmica 1 (1986).
 */
function shortest(before: readonly string[], after: readonly string[]): Line[] {
  const [n, m] = [before.length, after.length]
  const reach = new Map<number, number>([[1, 0]])
  const trail: Map<number, number>[] = []
  for (let edits = 0; edits <= Math.min(n + m, EDITS_MAX); edits++) {
    trail.push(new Map(reach))
    for (let k = -edits; k <= edits; k += 2) {
      let x = goesDown(reach, k, edits) ? reach.get(k + 1)! : reach.get(k - 1)! + 1
      while (x < n && x - k < m && before[x] === after[x - k]) x++
      reach.set(k, x)
      if (x >= n && x - k >= m) return walk(trail, before, after)
    }
  }
  return [...before.map((text): Line => ({ sign: '-', text })), ...after.map((text): Line => ({ sign: '+', text }))]
}

function goesDown(reach: ReadonlyMap<number, number>, k: number, edits: number): boolean {
  return k === -edits || (k !== edits && reach.get(k - 1)! < reach.get(k + 1)!)
}

/** Back along the edits, from the end. */
function walk(trail: readonly Map<number, number>[], before: readonly string[], after: readonly string[]): Line[] {
  const lines: Line[] = []
  let [x, y] = [before.length, after.length]
  for (let edits = trail.length - 1; edits >= 0; edits--) {
    const reach = trail[edits]!
    const k = x - y
    const down = goesDown(reach, k, edits)
    const from = down ? k + 1 : k - 1
    const fromX = reach.get(from)!
    while (x > fromX && y > fromX - from) {
      lines.push({ sign: ' ', text: before[--x]! })
      y--
    }
    if (edits === 0) break
    if (down) lines.push({ sign: '+', text: after[--y]! })
    else lines.push({ sign: '-', text: before[--x]! })
  }
  return lines.reverse()
}
