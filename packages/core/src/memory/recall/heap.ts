/** Heap: the largest of many numbers, the least of them in front. */

/** Puts `value` in place of the least. */
export function replaceLeast(heap: Float64Array, value: number): void {
  let at = 0
  for (let next = 1; next < heap.length; next = 2 * at + 1) {
    if (next + 1 < heap.length && heap[next + 1]! < heap[next]!) next++
    if (heap[next]! >= value) break
    heap[at] = heap[next]!
    at = next
  }
  heap[at] = value
}
