/** Grown: room in arrays of numbers, doubled where it is too little. */

type Numbers = Uint8Array | Int32Array | Float64Array

/** `array`, or one of at least `length` that begins with what is in it. */
export function grown<T extends Numbers>(array: T, length: number): T {
  if (length <= array.length) return array
  const Made = array.constructor as new (length: number) => T
  const more = new Made(Math.max(length, 2 * array.length))
  more.set(array)
  return more
}
