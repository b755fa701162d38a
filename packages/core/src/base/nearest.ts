/** Nearest: the word that was probably meant. */

/** Of `words`, the one that `word` is a slip of the keyboard away from; undefined where none is so near. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const near = words
    .filter((one) => one.length > 2)
    .map((one) => ({ one, far: distance(word, one) }))
    .filter(({ one, far }) => far > 0 && far <= Math.max(1, Math.floor(one.length / 4)))
  return near.sort((a, b) => a.far - b.far)[0]?.one
}

/** Letters to put in, leave out, change, or swap with the next one. */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, at) => at)]
  for (let i = 1; i <= a.length; i++) {
    const [before, above] = [rows[i - 2], rows[i - 1]!]
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const change = above[j - 1]! + (same ? 0 : 1)
      row.push(Math.min(above[j]! + 1, row[j - 1]! + 1, change, swapped ? before![j - 2]! + 1 : Infinity))
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}
