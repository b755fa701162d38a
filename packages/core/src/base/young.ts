/**
 * Young: what each run or step makes anew must not reach V8's old generation, where it and all that it refers to stay until the next
 * full collection, long after the run has ended: it is copied there at each small collection, a good part of what a step costs.
 *
 * V8 (13) allocates there, or comes to: a function literal that is assigned to a property; a getter; an object or array literal of which
 * most outlived a small collection, as they do where a hundred runs move in step; and the tables that a Map leaves behind as it grows.
 * So what lives for a turn or longer is made by a class, by `Array.of`, or as a literal that begins with `...young`,
 * and functions are assigned by the name of a constant.
 */
export const young = {}

class Box<T> {
  value: T | undefined

  constructor(value: T) {
    this.value = value
  }
}

/**
 * What is at work now, by name: a Map whose old entries do not outlive their removal.
 *
 * A Map that grows leaves its table behind with all that was in it, linked to the next one. Once one of them has reached the old
 * generation, every later one is kept, and with it whatever stood in it: of a hundred runs at work, nearly all.
 */
export class Roster<T> {
  readonly #boxes = new Map<string, Box<T>>()

  get size(): number {
    return this.#boxes.size
  }

  get(name: string): T | undefined {
    return this.#boxes.get(name)?.value
  }

  has(name: string): boolean {
    return this.#boxes.has(name)
  }

  set(name: string, value: T): void {
    const box = this.#boxes.get(name)
    if (box === undefined) this.#boxes.set(name, new Box(value))
    else box.value = value
  }

  delete(name: string): void {
    const box = this.#boxes.get(name)
    if (box === undefined) return
    box.value = undefined
    this.#boxes.delete(name)
  }

  clear(): void {
    for (const name of this.#boxes.keys()) this.delete(name)
  }

  *values(): Generator<T> {
    for (const { value } of this.#boxes.values()) if (value !== undefined) yield value
  }
}
