/**
 * Roster: what is at work now, by name: a Map whose old entries do not outlive their removal.
 *
 * A Map that grows or shrinks leaves its table behind with all that was in it, linked to the next one. Once one of them has reached
 * V8's old generation, every later one is made there or kept until the next full collection, and with it whatever stood in it: of a
 * hundred runs at work, nearly all. So what is removed here is let go of, too, and the last one takes the Map with it. See young.ts.
 */
class Box<T> {
  value: T | undefined

  constructor(value: T) {
    this.value = value
  }
}

export class Roster<T, Name extends string | number = string> {
  #boxes = new Map<Name, Box<T>>()

  get size(): number {
    return this.#boxes.size
  }

  get(name: Name): T | undefined {
    return this.#boxes.get(name)?.value
  }

  has(name: Name): boolean {
    return this.#boxes.has(name)
  }

  set(name: Name, value: T): void {
    const box = this.#boxes.get(name)
    if (box === undefined) this.#boxes.set(name, new Box(value))
    else box.value = value
  }

  delete(name: Name): void {
    const box = this.#boxes.get(name)
    if (box === undefined) return
    box.value = undefined
    if (this.#boxes.size === 1) this.#boxes = new Map()
    else this.#boxes.delete(name)
  }

  clear(): void {
    if (this.size === 0) return
    for (const box of this.#boxes.values()) box.value = undefined
    this.#boxes = new Map()
  }

  /** Those that are there now, whatever comes or goes while they are looked at. */
  names(): Name[] {
    return [...this.#boxes.keys()]
  }

  /** The same; one that goes before its turn is left out. */
  *values(): Generator<T> {
    for (const box of [...this.#boxes.values()]) if (box.value !== undefined) yield box.value
  }
}
