/** Heap: the largest of many numbers, the least of them in front. There is one, used anew for each question. */
import { grown } from './grown.ts'

let heap = new Float64Array(256)
let size = 0

/** From now on it holds the largest so many of what is offered. */
export function wantLargest(count: number): void {
  heap = grown(heap, count)
  heap.fill(0, 0, count)
  size = count
}

/** The least of those that it holds; 0: it was not offered so many. */
export function leastOfLargest(): number {
  return heap[0]!
}

/** Takes a number above the least in its place. */
export function offer(value: number): void {
  let at = 0
  for (let next = 1; next < size; next = 2 * at + 1) {
    if (next + 1 < size && heap[next + 1]! < heap[next]!) next++
    if (heap[next]! >= value) break
    heap[at] = heap[next]!
    at = next
  }
  heap[at] = value
}
